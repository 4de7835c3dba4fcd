import { type Dialect, type Expression, type Kysely, type SqlBool, sql, type Transaction } from 'kysely';
import { defineErrors } from '#core/errors';
import type { Regex } from '#core/regex/parse';
import { postgresRegex, re2Regex } from '#core/regex/print';

/** Tables that the type system does not know, as Kysely types them for dialects. Each store narrows to its own. */
export type AnyTables = Parameters<Dialect['createIntrospector']>[0] extends Kysely<infer Tables> ? Tables : never;

/**
 * A relational store reached through Kysely, so that one text of each query serves every dialect.
 *
 * Constraints every adapter keeps, and every user may rely on:
 * - {@link SqlStore.transaction} is serializable against other transactions of the same store: a transaction sees no
 *   other's uncommitted writes, and two that touch the same row run one after the other.
 * - When `transaction` resolves, its writes survive the death of the process. When it rejects, none of them exist.
 *   Transactions that wait for each other may be committed together. So one waits for the database only: what it waits
 *   for otherwise, those before it wait for too.
 * - {@link SqlStore.reader} sees committed state only, and is not used inside a transaction. A transaction inside a
 *   transaction, which would wait for itself for ever, throws an assertion; so does a reader that would have to wait.
 * - Integers up to 2^53 come back as numbers. Booleans are stored as the integers 0 and 1, JSON as text, times as
 *   epoch milliseconds, binary values as `Uint8Array`.
 * - Names of tables and columns are at most 63 bytes (PostgreSQL's limit).
 * - {@link matchesRegex} answers alike in every dialect, in time linear in the text, and a statement that goes on
 *   matching for longer than the adapter allows fails with `sql/regex-limit`.
 */
export interface SqlStore {
  readonly dialect: SqlDialect;
  readonly reader: Kysely<AnyTables>;
  transaction<T>(work: (trx: Transaction<AnyTables>) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export type SqlDialect = 'sqlite' | 'postgres';

/** The column type of binary values, which the two dialects name differently. */
export function binaryType(dialect: SqlDialect): 'blob' | 'bytea' {
  return dialect === 'sqlite' ? 'blob' : 'bytea';
}

/** The function that every SQLite adapter brings: whether a text has a match of an expression in RE2's syntax. */
export const SQLITE_REGEX_FUNCTION = 'kedge_has_match';
/** What an adapter for PostgreSQL knows a statement by that matches regular expressions. */
export const POSTGRES_REGEX_OPERATOR = 'operator(pg_catalog.~)';

/**
 * Begins a statement whose best plan depends on its values, as that of a search does: which metric, which value of a
 * param. PostgreSQL plans it anew each time.
 */
export const PLANNED_BY_VALUES = '/* planned by values */';

/** Whether `text`, which is not null, has a match of the expression anywhere. */
export function matchesRegex(dialect: SqlDialect, text: Expression<unknown>, regex: Regex): Expression<SqlBool> {
  if (dialect === 'sqlite') return sql<SqlBool>`${sql.raw(SQLITE_REGEX_FUNCTION)}(${text}, ${re2Regex(regex)}) = 1`;
  return sql<SqlBool>`${text} ${sql.raw(POSTGRES_REGEX_OPERATOR)} (${postgresRegex(regex)} collate "C")`;
}

export const sqlErrors = defineErrors('sql', {
  corrupt: { status: 500, title: 'The database file is damaged' },
  locked: { status: 503, title: 'The database is in use by another process' },
  'no-space': { status: 507, title: 'No space is left for the database' },
  'regex-limit': { status: 400, title: 'Matching the regular expression takes too much' },
  unreachable: { status: 503, title: 'The database cannot be reached' },
});
