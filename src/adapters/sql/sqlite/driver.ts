import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from 'kysely';
import { messageOf } from '#core/errors';
import { SQLITE_REGEX_FUNCTION, sqlErrors } from '#ports/sql';
import { RegexMatcher } from './regex-matcher.ts';

const STATEMENTS_MAX = 500;

/**
 * Kysely over `node:sqlite`. The connection is handed to one user at a time: a transaction keeps it until it ends,
 * everything else waits in line, which is what makes transactions serializable here.
 */
export class SqliteDriver implements Driver {
  readonly #connection: SqliteConnection;
  readonly #refuse: () => void;
  #turn: Promise<void> = Promise.resolve();
  #release: (() => void) | undefined;

  /** `refuse` throws when whoever asks for the connection would wait for himself. */
  constructor(
    database: DatabaseSync,
    { regexLimitMs, refuse = () => {} }: { readonly regexLimitMs: number; readonly refuse?: () => void },
  ) {
    this.#connection = new SqliteConnection(database, regexLimitMs);
    this.#refuse = refuse;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    this.#refuse();
    const before = this.#turn;
    let release: () => void = () => {};
    this.#turn = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    this.#release = release;
    return this.#connection;
  }

  async releaseConnection(): Promise<void> {
    this.#release?.();
  }

  async beginTransaction(): Promise<void> {
    this.#connection.run('begin immediate');
  }

  async commitTransaction(): Promise<void> {
    this.#connection.run('commit');
  }

  async rollbackTransaction(): Promise<void> {
    this.#connection.rollback();
  }

  async destroy(): Promise<void> {}
}

interface Prepared {
  readonly statement: StatementSync;
  readonly hasRows: boolean;
}

class SqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, Prepared>();
  readonly #regex: RegexMatcher;

  constructor(database: DatabaseSync, regexLimitMs: number) {
    this.#database = database;
    this.#regex = new RegexMatcher(regexLimitMs);
    const hasMatch = (text: unknown, pattern: unknown) => this.#regex.hasMatch(text, pattern);
    database.function(SQLITE_REGEX_FUNCTION, { deterministic: true, directOnly: true }, hasMatch);
  }

  run(sql: string): void {
    try {
      this.#database.exec(sql);
    } catch (error) {
      throw explained(error);
    }
  }

  /** Rolls back, unless SQLite did so by itself, as it does when the disk is full. */
  rollback(): void {
    if (this.#database.isTransaction) this.run('rollback');
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const parameters = query.parameters as SQLInputValue[];
    this.#regex.begin();
    try {
      const { statement, hasRows } = this.#prepare(query.sql);
      if (hasRows) {
        return { rows: statement.all(...parameters) as R[] };
      }
      const { changes, lastInsertRowid } = statement.run(...parameters);
      return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
    } catch (error) {
      throw explained(error);
    }
  }

  // biome-ignore lint/correctness/useYield: node:sqlite answers at once; nothing here needs a cursor.
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('streaming is not offered by the SQLite adapter');
  }

  #prepare(sql: string): Prepared {
    const known = this.#statements.get(sql);
    if (known) return known;
    if (this.#statements.size >= STATEMENTS_MAX) this.#statements.clear();
    const statement = this.#database.prepare(sql);
    const prepared = { statement, hasRows: statement.columns().length > 0 };
    this.#statements.set(sql, prepared);
    return prepared;
  }
}

function explained(error: unknown): unknown {
  const message = messageOf(error);
  if (/disk is full/i.test(message)) {
    return sqlErrors['no-space']('the disk that holds the database is full; the change was not made');
  }
  if (/database is locked|busy/i.test(message)) {
    return sqlErrors.locked('another process kept the database locked for too long; the change was not made');
  }
  if (/malformed/i.test(message)) return sqlErrors.corrupt(`the database file is damaged (${message})`);
  return error;
}
