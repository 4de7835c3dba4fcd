import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  PostgresDialect,
  type PostgresDialectConfig,
  PostgresDriver,
} from 'kysely';
import { POSTGRES_REGEX_OPERATOR, sqlErrors } from '#ports/sql';

const QUERY_CANCELED = '57014';
const INVALID_REGULAR_EXPRESSION = '2201B';

export interface RegexDialectConfig extends PostgresDialectConfig {
  readonly regexLimitMs: number;
}

/** PostgreSQL, where statements that match regular expressions are ended by the server when they take too long. */
export class RegexDialect extends PostgresDialect {
  readonly #config: RegexDialectConfig;

  constructor(config: RegexDialectConfig) {
    super(config);
    this.#config = config;
  }

  override createDriver(): Driver {
    return new RegexDriver(this.#config);
  }
}

/** Whose connections end a statement that matches for too long, inside transactions too. */
export class RegexDriver extends PostgresDriver {
  readonly #limitMs: number;
  readonly #inner = new WeakMap<DatabaseConnection, PoolConnection>();

  constructor(config: RegexDialectConfig) {
    super(config);
    this.#limitMs = config.regexLimitMs;
  }

  override async acquireConnection(...options: Parameters<PostgresDriver['acquireConnection']>) {
    const inner = await super.acquireConnection(...options);
    const bounded: DatabaseConnection = {
      executeQuery: (query) =>
        query.sql.includes(POSTGRES_REGEX_OPERATOR)
          ? withinTime(inner, this.#limitMs, () => inner.executeQuery(query))
          : inner.executeQuery(query),
      streamQuery: (query, chunkSize) => inner.streamQuery(query, chunkSize),
    };
    this.#inner.set(bounded, inner as PoolConnection);
    return bounded;
  }

  override releaseConnection(connection: PoolConnection): Promise<void> {
    return super.releaseConnection(this.#inner.get(connection) ?? connection);
  }

  override rollbackTransaction(connection: PoolConnection): Promise<void> {
    return super.rollbackTransaction(this.#inner.get(connection) ?? connection);
  }
}

type PoolConnection = Parameters<PostgresDriver['releaseConnection']>[0];

async function withinTime<T>(connection: DatabaseConnection, limitMs: number, work: () => Promise<T>): Promise<T> {
  await connection.executeQuery(CompiledQuery.raw(`set statement_timeout = ${limitMs}`));
  try {
    return await work();
  } catch (error) {
    throw explained(error, limitMs);
  } finally {
    // It fails on a connection that broke, which is not used again, and in a transaction that failed, whose end undoes
    // the setting.
    await connection.executeQuery(CompiledQuery.raw('reset statement_timeout')).catch(() => {});
  }
}

function explained(error: unknown, limitMs: number): unknown {
  const { code } = error as { code?: string };
  if (code === QUERY_CANCELED) {
    return sqlErrors['regex-limit'](
      `matching the regular expression took longer than ${limitMs} ms: narrow the search by other comparisons`,
    );
  }
  if (code === INVALID_REGULAR_EXPRESSION) return sqlErrors['regex-limit']('the regular expression is too complex');
  return error;
}
