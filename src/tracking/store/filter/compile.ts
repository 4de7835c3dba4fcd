import { type Expression, type SqlBool, sql } from 'kysely';
import { parseRegex } from '#core/regex/parse';
import { matchesRegex, type SqlDialect } from '#ports/sql';
import type { Comparison, Filter } from '../../search/index.ts';

export type Condition = Expression<SqlBool>;

/**
 * A filter as a condition of SQL. `compare` answers for one comparison and must be true or false, never unknown, so
 * that NOT is the opposite. Everything from the filter arrives in the query as a bound parameter.
 */
export function compileFilter(filter: Filter, compare: (comparison: Comparison) => Condition): Condition {
  switch (filter.kind) {
    case 'compare':
      return compare(filter);
    case 'not':
      return sql<SqlBool>`not (${compileFilter(filter.of, compare)})`;
    default: {
      const parts = filter.of.map((part) => sql`(${compileFilter(part, compare)})`);
      return sql<SqlBool>`${sql.join(parts, filter.kind === 'and' ? sql` and ` : sql` or `)}`;
    }
  }
}

/** `column <operator> value` for a column that is not null. */
export function comparisonOf(
  column: Expression<unknown>,
  { operator, value }: Pick<Comparison, 'operator' | 'value'>,
  dialect: SqlDialect,
): Condition {
  if (Array.isArray(value)) {
    const list = sql.join(value.map((item) => sql`${item}`));
    return operator === 'IN' ? sql<SqlBool>`${column} in (${list})` : sql<SqlBool>`${column} not in (${list})`;
  }
  switch (operator) {
    case 'LIKE':
      // SQLite's LIKE ignores case, its GLOB does not; MLflow's LIKE minds case in every database.
      if (dialect === 'sqlite') return sql<SqlBool>`${column} glob ${globOf(String(value))}`;
      return sql<SqlBool>`${column} like ${value} escape ''`;
    case 'ILIKE':
      if (dialect === 'sqlite') return sql<SqlBool>`${column} like ${value}`;
      return sql<SqlBool>`${column} ilike ${value} escape ''`;
    case 'RLIKE':
      return matchesRegex(dialect, column, parseRegex(String(value)));
    case 'IS NULL':
      return sql<SqlBool>`${column} is null`;
    case 'IS NOT NULL':
      return sql<SqlBool>`${column} is not null`;
    default:
      return sql<SqlBool>`${column} ${sql.raw(COMPARED[operator] ?? '=')} ${bound(value)}`;
  }
}

/** A number that no integer column can hold is compared as a double, or PostgreSQL refuses it. */
function bound(value: Comparison['value']): Expression<unknown> {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return sql`${value}`;
  return sql`cast(${value} as double precision)`;
}

/** The operators that SQL writes alike. The text of a query comes from here and never from a filter. */
const COMPARED: Readonly<Record<string, string>> = { '=': '=', '!=': '<>', '>': '>', '>=': '>=', '<': '<', '<=': '<=' };

/** A LIKE pattern (`%` any text, `_` any character) as one of GLOB, where everything else stands for itself. */
function globOf(pattern: string): string {
  return pattern.replaceAll(/[*?[]/g, '[$&]').replaceAll('%', '*').replaceAll('_', '?');
}
