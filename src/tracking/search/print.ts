import type { Comparison, Filter } from './ast.ts';

/** The text of a filter. Parsing it gives the same filter. */
export function printFilter(filter: Filter): string {
  switch (filter.kind) {
    case 'compare':
      return printComparison(filter);
    case 'not':
      return `NOT ${nested(filter.of)}`;
    default:
      return filter.of.map(nested).join(` ${filter.kind.toUpperCase()} `);
  }
}

function nested(filter: Filter): string {
  return filter.kind === 'compare' ? printComparison(filter) : `(${printFilter(filter)})`;
}

function printComparison({ field, operator, value }: Comparison): string {
  const name = `${field.entity}.${quoted(field.key, '`')} ${operator}`;
  if (value === null) return name;
  return `${name} ${Array.isArray(value) ? `(${value.map(printValue).join(', ')})` : printValue(value)}`;
}

function printValue(value: unknown): string {
  return typeof value === 'number' ? String(value) : quoted(String(value), "'");
}

function quoted(text: string, quote: string): string {
  return `${quote}${text.replaceAll(quote, quote + quote)}${quote}`;
}
