import { type Expression, type SqlBool, sql } from 'kysely';
import { digestOfJson } from '#core/hash';
import { searchErrors } from '../../search/index.ts';
import type { Condition } from './compile.ts';

/** One expression that results are ordered by. It is never null: what may be absent is ordered by a rank before it. */
export interface OrderTerm {
  readonly expression: Expression<unknown>;
  readonly kind: KeyKind;
  readonly descending: boolean;
}

export type KeyValue = string | number;

/** What lies after the row of these key values, in the order of the terms. */
export function afterRow(terms: readonly OrderTerm[], values: readonly KeyValue[]): Condition {
  const beyond = terms.map((term, i) => {
    const equal = terms.slice(0, i).map((before, j) => sql`${before.expression} = ${values[j]}`);
    const past = sql`${term.expression} ${sql.raw(term.descending ? '<' : '>')} ${values[i]}`;
    return sql`(${sql.join([...equal, past], sql` and `)})`;
  });
  const first = terms[0];
  if (!first) return sql<SqlBool>`1 = 1`;
  // Says nothing new, but lets the database start in the middle of an index on the first term.
  const start = sql`${first.expression} ${sql.raw(first.descending ? '<=' : '>=')} ${values[0]}`;
  return sql<SqlBool>`${start} and (${sql.join(beyond, sql` or `)})`;
}

/** The text of ORDER BY for the terms. */
export function orderOf(terms: readonly OrderTerm[]): Expression<unknown> {
  return sql.join(terms.map((term) => (term.descending ? sql`${term.expression} desc` : sql`${term.expression}`)));
}

/**
 * A page token is the key values of the last row of a page, bound to what was searched for: a token of another search,
 * or one made up, is refused.
 */
export function pageToken(search: unknown, values: readonly KeyValue[]): string {
  return Buffer.from(JSON.stringify({ s: boundTo(search), k: values })).toString('base64url');
}

export type KeyKind = 'text' | 'integer' | 'double';

/** The key values in a token. Errors: `search/invalid-page-token`. */
export function keyValuesOf(token: string, search: unknown, kinds: readonly KeyKind[]): KeyValue[] {
  let read: unknown;
  try {
    read = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
  } catch {
    throw badToken(token);
  }
  const { s, k } = (read ?? {}) as { s?: unknown; k?: unknown };
  if (s !== boundTo(search) || !Array.isArray(k) || k.length !== kinds.length) throw badToken(token);
  if (!k.every((value, i) => fits(value, kinds[i]))) throw badToken(token);
  return k as KeyValue[];
}

function fits(value: unknown, kind: KeyKind | undefined): boolean {
  if (kind === 'text') return typeof value === 'string' && !value.includes('\0');
  return typeof value === 'number' && (kind === 'double' || Number.isSafeInteger(value));
}

function boundTo(search: unknown): string {
  return digestOfJson(search).slice(-16);
}

function badToken(token: string): Error {
  return searchErrors['invalid-page-token'](
    `Invalid page token '${token.slice(0, 100)}': it was not answered for this search.`,
  );
}
