import { CompiledQuery, type DatabaseConnection, PostgresDialect } from 'kysely';
import { type RegexDialectConfig, RegexDriver } from './regex-dialect.ts';

/**
 * One writer at a time, as SQLite has it: the outbox and the audit chain need one order of commits, and a lock taken
 * first costs less than the retries of optimistic isolation. It is taken with the begin of each transaction, in one
 * message, which the first statement follows without waiting, and released at commit.
 */
export class WriterDialect extends PostgresDialect {
  readonly #config: RegexDialectConfig;
  readonly #lock: string;

  /** `lock` names what the writers of all processes wait for. */
  constructor(config: RegexDialectConfig, lock: string) {
    super(config);
    this.#config = config;
    this.#lock = lock;
  }

  override createDriver(): RegexDriver {
    return new WriterDriver(this.#config, this.#lock);
  }
}

class WriterDriver extends RegexDriver {
  readonly #begin: CompiledQuery;

  constructor(config: RegexDialectConfig, lock: string) {
    super(config);
    const quoted = `'${lock.replaceAll("'", "''")}'`;
    this.#begin = CompiledQuery.raw(`begin; select pg_advisory_xact_lock(hashtext(${quoted}))`);
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    // When it fails, the transaction is aborted or the connection is gone, so whatever follows fails as well.
    connection.executeQuery(this.#begin).catch(() => {});
  }
}
