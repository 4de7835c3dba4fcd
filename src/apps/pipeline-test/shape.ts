import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Json } from '#core/json';
import type { OutputContract } from './case.ts';

/** What can be told of content by looking at it: the columns of a table, or the fields of an object. */
export interface Shape {
  readonly kind: 'table' | 'object';
  /** Name to type; the type of a column of CSV is not known. */
  readonly fields: Readonly<Record<string, string>>;
}

/** The shape of content, by the ending of the name of its output; undefined for what has none. */
export function shapeOf(name: string, content: Uint8Array): Shape | undefined {
  const text = new TextDecoder().decode(content);
  if (/\.csv$/i.test(name))
    return { kind: 'table', fields: Object.fromEntries(header(text).map((column) => [column, ''])) };
  if (/\.(?:jsonl|ndjson)$/i.test(name)) {
    const row = parsed(text.split('\n', 1)[0] ?? '');
    return isObject(row) ? { kind: 'table', fields: typesOf(row) } : undefined;
  }
  const value = parsed(text);
  return isObject(value) ? { kind: 'object', fields: typesOf(value) } : undefined;
}

/** In what a fixture differs from what the step really writes; undefined if its readers could not tell them apart. */
export function shapeProblem(given: Shape, written: Shape): string | undefined {
  const word = written.kind === 'table' ? 'column' : 'field';
  const [g, w] = [given.fields, written.fields];
  const missing = Object.keys(w).filter((name) => !Object.hasOwn(g, name));
  const extra = Object.keys(g).filter((name) => !Object.hasOwn(w, name));
  const types = Object.keys(w).filter((name) => Object.hasOwn(g, name) && g[name] !== w[name]);
  const parts = [
    ...(missing.length > 0 ? [`it lacks the ${word} ${missing.join(', ')}`] : []),
    ...(extra.length > 0 ? [`it has the ${word} ${extra.join(', ')}, which the step does not write`] : []),
    ...types.map((name) => `its ${word} ${name} is ${g[name]}, and ${w[name]} as the step writes it`),
  ];
  return parts.length > 0 ? parts.join('; ') : undefined;
}

/** Why content does not hold to a contract; undefined when it does. */
export function contractProblem(contract: OutputContract, name: string, content: Uint8Array): string | undefined {
  if ('columns' in contract) {
    const shape = shapeOf(name, content);
    if (shape?.kind !== 'table') return 'it is no table in CSV (.csv) or JSON lines (.jsonl)';
    const missing = contract.columns.filter((column) => !Object.hasOwn(shape.fields, column));
    const has = Object.keys(shape.fields).join(', ');
    return missing.length > 0 ? `it lacks the column ${missing.join(', ')} (it has: ${has})` : undefined;
  }
  const value = parsed(new TextDecoder().decode(content));
  if (value === undefined) return 'it is not JSON';
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  return ajv.validate(contract.json, value) ? undefined : ajv.errorsText(ajv.errors, { dataVar: 'it' });
}

function header(text: string): string[] {
  const [line = ''] = text.replace(/^\uFEFF/, '').split(/\r?\n/, 1);
  return [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)]
    .map(([, cell = '']) => cell.replace(/^"|"$/g, '').replaceAll('""', '"'))
    .filter((cell) => cell !== '');
}

function typesOf(value: { readonly [name: string]: Json }): Record<string, string> {
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      Array.isArray(item) ? 'a list' : item === null ? 'null' : `a ${typeof item}`,
    ]),
  );
}

function isObject(value: Json | undefined): value is { readonly [name: string]: Json } {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
