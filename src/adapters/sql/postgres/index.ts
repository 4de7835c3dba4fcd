import { Kysely, sql } from 'kysely';
import pg from 'pg';
import { messageOf } from '#core/errors';
import { GroupCommit } from '#platform/db';
import { type AnyTables, type SqlStore, sqlErrors } from '#ports/sql';
import { bundleWrites } from './bundle-writes.ts';
import { PreparedStatements } from './prepared-statements.ts';
import { RegexDialect } from './regex-dialect.ts';
import { WriterDialect } from './writer.ts';

const INT8_OID = 20;
const NUMERIC_OID = 1700;
const UNIQUE_VIOLATION = '23505';
/**
 * What a page read at random costs beside one read in order, to the planner. Its default of 4 is that of turning disks,
 * and makes it read whole tables, by several processes, where an index leads to a few hundred rows.
 */
const RANDOM_PAGE_COST = 1.1;
/** How long one statement may match regular expressions. */
const REGEX_LIMIT_MS = 5_000;

/**
 * Opens PostgreSQL as a {@link SqlStore}. `schema` keeps Kedge's tables apart from others in the same database.
 * 64-bit integers are read as numbers: Kedge stores none past 2^53.
 *
 * Errors: `sql/unreachable` when no connection can be made within ten seconds.
 */
export async function openPostgres(
  url: string,
  { schema = 'kedge', connectionsMax = 10, regexLimitMs = REGEX_LIMIT_MS } = {},
): Promise<SqlStore> {
  const pool = new pg.Pool({
    connectionString: url,
    max: connectionsMax,
    connectionTimeoutMillis: 10_000,
    pipeline: true,
    options: `-c search_path=${schema} -c random_page_cost=${RANDOM_PAGE_COST}`,
    types: {
      getTypeParser: (oid, format) =>
        oid === INT8_OID || oid === NUMERIC_OID ? Number : pg.types.getTypeParser(oid, format),
    },
  });
  // An idle connection that the server closes is replaced at the next use; without a listener it would end the process.
  pool.on('error', () => {});
  // The same holds for one in use that breaks between two statements: the next statement fails and tells.
  pool.on('connect', (client) => client.on('error', () => {}));
  pool.on('connect', bundleWrites);
  const prepared = new PreparedStatements();
  pool.on('connect', (client) => prepared.serve(client));
  const reader = new Kysely<AnyTables>({ dialect: new RegexDialect({ pool, regexLimitMs }) });
  try {
    await createSchema(reader, schema);
  } catch (error) {
    await pool.end();
    throw sqlErrors.unreachable(`PostgreSQL at ${hostOf(url)} cannot be used: ${messageOf(error)}`);
  }
  // Transactions of this process wait for each other here and not on connections: a pool full of waiting writers would
  // leave the one that has the lock without a connection for what it reads beside its transaction.
  const dialect = new WriterDialect({ pool, regexLimitMs }, `kedge.${schema}`);
  const writer = new Kysely<AnyTables>({ dialect });
  const commits = new GroupCommit({
    dialect,
    begin: (group) => writer.transaction().execute(group),
  });
  return {
    dialect: 'postgres',
    reader,
    transaction: (work) => commits.transaction(work),
    async close() {
      await commits.settled();
      await reader.destroy();
    },
  };
}

/** PostgreSQL refuses the second of two that create a schema at the same time, in spite of `if not exists`. */
async function createSchema(reader: Kysely<AnyTables>, schema: string): Promise<void> {
  const create = sql`create schema if not exists ${sql.id(schema)}`;
  try {
    await create.execute(reader);
  } catch (error) {
    if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
    await create.execute(reader);
  }
}

/** The host of a connection string, without the password that the string may hold. */
function hostOf(url: string): string {
  return URL.parse(url)?.host || 'the given address';
}
