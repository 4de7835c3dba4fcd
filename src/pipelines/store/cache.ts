import type { Digest } from '#core/hash';
import type { StepDefinition, StepProduct } from './steps.ts';
import { type Db, tables } from './tables.ts';

export interface CacheEntry extends StepProduct {
  readonly key: Digest;
  /** The run and step that did the work. */
  readonly run: string;
  readonly step: string;
  readonly createdAt: number;
}

/** The times from which on work may be taken from the cache for a step, and replaces what is there. */
export function freshSince({ cacheMaxAgeMs }: StepDefinition, now: number): number {
  return cacheMaxAgeMs === undefined ? 0 : now - cacheMaxAgeMs;
}

/** What the cache has under a key, if that was done at or after `since`. */
export async function findCacheEntry(db: Db, key: Digest, since = 0): Promise<CacheEntry | undefined> {
  const row = await tables(db)
    .selectFrom('pipeline_cache')
    .selectAll()
    .where('cache_key', '=', key)
    .where('created_at', '>=', since)
    .executeTakeFirst();
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

/**
 * Keeps the product of a key. The first one stays, because equal keys promise equal work, unless it was done before
 * `since`.
 */
export async function insertCacheEntry(db: Db, entry: CacheEntry, since: number): Promise<void> {
  const row = {
    run: entry.run,
    step: entry.step,
    created_at: entry.createdAt,
    metrics: JSON.stringify(entry.metrics),
    outputs: JSON.stringify(entry.outputs),
    result: JSON.stringify(entry.result),
  };
  await tables(db)
    .insertInto('pipeline_cache')
    .values({ cache_key: entry.key, ...row })
    .onConflict((c) => c.column('cache_key').doUpdateSet(row).where('pipeline_cache.created_at', '<', since))
    .execute();
}
