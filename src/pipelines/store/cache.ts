import type { Digest } from '#core/hash';
import type { StepProduct } from './steps.ts';
import { type Db, tables } from './tables.ts';

export interface CacheEntry extends StepProduct {
  readonly key: Digest;
  /** The run and step that did the work. */
  readonly run: string;
  readonly step: string;
  readonly createdAt: number;
}

export async function findCacheEntry(db: Db, key: Digest): Promise<CacheEntry | undefined> {
  const row = await tables(db).selectFrom('pipeline_cache').selectAll().where('cache_key', '=', key).executeTakeFirst();
  return (
    row && {
      key,
      run: row.run,
      step: row.step,
      createdAt: row.created_at,
      metrics: JSON.parse(row.metrics),
      outputs: JSON.parse(row.outputs),
      result: JSON.parse(row.result),
    }
  );
}

/** Keeps the product of a key. The first one stays: equal keys promise equal work. */
export async function insertCacheEntry(db: Db, entry: CacheEntry): Promise<void> {
  await tables(db)
    .insertInto('pipeline_cache')
    .values({
      cache_key: entry.key,
      run: entry.run,
      step: entry.step,
      created_at: entry.createdAt,
      metrics: JSON.stringify(entry.metrics),
      outputs: JSON.stringify(entry.outputs),
      result: JSON.stringify(entry.result),
    })
    .onConflict((c) => c.column('cache_key').doNothing())
    .execute();
}
