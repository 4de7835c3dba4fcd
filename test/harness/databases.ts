import { randomUUID } from 'node:crypto';
import { describe } from 'node:test';
import { openPostgres } from '#adapters/sql/postgres';
import { openSqlite } from '#adapters/sql/sqlite';
import { ManualClock } from '#core/clock';
import { sequenceIds } from '#core/ids';
import { seededRandom } from '#core/random';
import type { System } from '#core/system';
import { applyMigrations, Database, type Migration, platformMigrations } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import { createLogger, createMetrics } from '#platform/observe';
import { type ResourceKind, Resources } from '#platform/resources';
import type { SqlStore } from '#ports/sql';

export interface TestDatabase {
  readonly db: Database;
  readonly store: SqlStore;
  readonly resources: Resources;
  readonly system: System;
  readonly clock: ManualClock;
  readonly deps: DomainDeps;
  close(): Promise<void>;
}

export type OpenDatabase = (options?: { readonly kinds?: readonly ResourceKind[] }) => Promise<TestDatabase>;

const POSTGRES_URL = process.env['KEDGE_TEST_POSTGRES_URL'];

/** Registers the same suite on SQLite and, where `KEDGE_TEST_POSTGRES_URL` names one, on a real PostgreSQL. */
export function forEachDialect(
  name: string,
  migrations: readonly Migration[],
  suite: (open: OpenDatabase) => void,
): void {
  describe(`${name} on SQLite`, () => suite((options) => prepare(openSqlite(':memory:'), migrations, options?.kinds)));
  const skip = POSTGRES_URL ? false : 'KEDGE_TEST_POSTGRES_URL names no PostgreSQL';
  describe(`${name} on PostgreSQL`, { skip }, () =>
    suite(async (options) => {
      const schema = `test_${randomUUID().replaceAll('-', '')}`;
      const store = await openPostgres(POSTGRES_URL ?? '', { schema, connectionsMax: 4 });
      const database = await prepare(store, migrations, options?.kinds);
      return {
        ...database,
        async close() {
          await store.reader.schema.dropSchema(schema).cascade().execute();
          await database.close();
        },
      };
    }),
  );
}

async function prepare(
  store: SqlStore,
  migrations: readonly Migration[],
  kinds: readonly ResourceKind[] = [],
): Promise<TestDatabase> {
  const clock = new ManualClock();
  const system = { clock, ids: sequenceIds(), random: seededRandom(1) };
  await applyMigrations(store, [...platformMigrations, ...migrations]);
  const db = new Database(store, system);
  const resources = new Resources(db, kinds);
  const deps = { db, resources, system, logger: createLogger('test', 'fatal'), metrics: createMetrics('test') };
  return { db, store, resources, system, clock, deps, close: () => db.close() };
}
