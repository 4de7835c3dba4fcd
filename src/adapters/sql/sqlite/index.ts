import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { type Dialect, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import { messageOf } from '#core/errors';
import { GroupCommit } from '#platform/db';
import { type AnyTables, type SqlStore, sqlErrors } from '#ports/sql';
import { SqliteDriver } from './driver.ts';

/** Pages that a connection keeps in memory, once it has read them. SQLite's 2 MiB hold no index of a large table. */
const CACHE_KIB = 64 * 1024;

interface SqliteOptions {
  /** Each commit is on disk when it resolves, so that it survives a power cut. */
  readonly durable?: boolean;
  /** How long a write waits for another process that holds the database. */
  readonly busyTimeoutMs?: number;
  /** How long one statement may match regular expressions, in which time the process does nothing else. */
  readonly regexLimitMs?: number;
}

const REGEX_LIMIT_MS = 2_000;

/**
 * Opens an SQLite file (or `:memory:`) as a {@link SqlStore}: one connection writes, one reads, write-ahead logging.
 * `synchronous = NORMAL` keeps every commit through a killed process; with `durable` a commit is also on disk
 * (`FULL`), so that it survives a power cut, at about a quarter of the commit rate.
 *
 * Errors: `sql/corrupt` when the file is not a sound database, `sql/locked` when another process holds it.
 */
export function openSqlite(path: string, options: SqliteOptions = {}): SqlStore {
  const memory = path === ':memory:';
  if (!memory) mkdirSync(dirname(path), { recursive: true });
  const { regexLimitMs = REGEX_LIMIT_MS } = options;
  const writer = connect(path, options);
  // A memory database belongs to its connection, so there the reader is the writer and waits for its turn.
  const dialect = dialectOver(new SqliteDriver(writer, { regexLimitMs, refuse: () => commits.refuseInside() }));
  const write = new Kysely<AnyTables>({ dialect });
  const commits = new GroupCommit({
    dialect,
    begin: (group) => write.transaction().execute(group),
    // A synced commit takes as long for one as for many, and requests that have arrived are not read while it runs.
    gather: options.durable ? () => setImmediate() : undefined,
  });
  const readConnection = memory ? undefined : connect(path, options);
  const reader = readConnection ? readerOver(readConnection, regexLimitMs) : write;
  return {
    dialect: 'sqlite',
    reader,
    transaction: (work) => commits.transaction(work),
    async close() {
      await commits.settled();
      await write.destroy();
      writer.close();
      readConnection?.close();
    },
  };
}

/** What a check of every page of an SQLite file finds wrong with it; `undefined` when it is sound. */
export function sqliteDamage(path: string): string | undefined {
  const connection = connect(path, {});
  try {
    const { quick_check: found } = connection.prepare('pragma quick_check(1)').get() as { quick_check: string };
    return found === 'ok' ? undefined : found;
  } finally {
    connection.close();
  }
}

function connect(path: string, { durable = false, busyTimeoutMs = 5_000 }: SqliteOptions): DatabaseSync {
  try {
    const connection = new DatabaseSync(path);
    connection.exec(`pragma busy_timeout = ${busyTimeoutMs}; pragma journal_mode = wal; pragma foreign_keys = on`);
    connection.exec(`pragma synchronous = ${durable ? 'full' : 'normal'}; pragma cache_size = -${CACHE_KIB}`);
    // Reading the schema touches the header and the first pages, which is what a truncated or foreign file fails on.
    // The whole file is checked by `kedge doctor`, because a full check takes seconds on a large one.
    connection.prepare('select count(*) from sqlite_schema').get();
    return connection;
  } catch (error) {
    throw explain(error, path);
  }
}

function explain(error: unknown, path: string): Error {
  const message = messageOf(error);
  if (/malformed|not a database|disk image/.test(message)) {
    return sqlErrors.corrupt(
      `${path} is damaged (${message}). Nothing was changed. Restore it from a backup, or run ` +
        `'sqlite3 ${path} .recover' and start again.`,
    );
  }
  if (/locked|busy/.test(message)) return sqlErrors.locked(`${path} is locked by another process`);
  return error instanceof Error ? error : new Error(message);
}

/** Leaves the waiting for the one connection to the driver, which knows who would wait for himself. */
class QueueingAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

function readerOver(connection: DatabaseSync, regexLimitMs: number): Kysely<AnyTables> {
  return new Kysely<AnyTables>({ dialect: dialectOver(new SqliteDriver(connection, { regexLimitMs })) });
}

function dialectOver(driver: SqliteDriver): Dialect {
  return {
    createAdapter: () => new QueueingAdapter(),
    createDriver: () => driver,
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}
