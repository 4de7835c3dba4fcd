import type { Kysely } from 'kysely';
import type { AnyTables, SqlDialect, SqlStore } from '#ports/sql';

/** One step forward of the schema. Released migrations are never edited; a mistake is mended by a later one. */
export interface Migration {
  /** `<domain>/<number>-<what>`, unique, applied in the order given. */
  readonly name: string;
  up(db: Kysely<AnyTables>, dialect: SqlDialect): Promise<void>;
}

/**
 * Applies what has not been applied, each migration in a transaction of its own. Returns the names it applied. Several
 * processes may do so at the same time: each migration is applied by one of them.
 */
export async function applyMigrations(store: SqlStore, migrations: readonly Migration[]): Promise<string[]> {
  await store.transaction((trx) =>
    trx.schema
      .createTable('schema_migration')
      .ifNotExists()
      .addColumn('name', 'text', (c) => c.primaryKey())
      .execute(),
  );
  const rows = await store.reader.selectFrom('schema_migration').select('name').execute();
  const applied = new Set(rows.map((row) => row['name']));
  const pending = migrations.filter((migration) => !applied.has(migration.name));
  const done: string[] = [];
  for (const migration of pending) {
    await store.transaction(async (trx) => {
      const known = trx.selectFrom('schema_migration').select('name').where('name', '=', migration.name);
      if (await known.executeTakeFirst()) return;
      await migration.up(trx, store.dialect);
      await trx.insertInto('schema_migration').values({ name: migration.name }).execute();
      done.push(migration.name);
    });
  }
  return done;
}
