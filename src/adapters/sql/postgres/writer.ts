import { CompiledQuery, type DatabaseConnection, PostgresDialect, PostgresDriver } from 'kysely';
import type pg from 'pg';

/**
 * One writer at a time, as SQLite has it: the outbox and the audit chain need one order of commits, and a lock taken
 * first costs less than the retries of optimistic isolation. It is taken with the begin of each transaction, in one
 * message, and released at commit.
 */
export class WriterDialect extends PostgresDialect {
  readonly #pool: pg.Pool;
  readonly #lock: string;

  /** `lock` names what the writers of all processes wait for. */
  constructor(pool: pg.Pool, lock: string) {
    super({ pool });
    this.#pool = pool;
    this.#lock = lock;
  }

  override createDriver(): PostgresDriver {
    return new WriterDriver(this.#pool, this.#lock);
  }
}

class WriterDriver extends PostgresDriver {
  readonly #begin: CompiledQuery;

  constructor(pool: pg.Pool, lock: string) {
    super({ pool });
    const quoted = `'${lock.replaceAll("'", "''")}'`;
    this.#begin = CompiledQuery.raw(`begin; select pg_advisory_xact_lock(hashtext(${quoted}))`);
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(this.#begin);
  }
}
