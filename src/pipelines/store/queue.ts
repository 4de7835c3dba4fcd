import type { Digest } from '#core/hash';
import { type Db, tables } from './tables.ts';

export interface ReadyStep {
  readonly run: string;
  readonly step: string;
  readonly key: Digest | null;
}

/** Whether any step may be leased now, by some worker. */
export async function anyReady(db: Db, now: number): Promise<boolean> {
  const row = await tables(db)
    .selectFrom('pipeline_step')
    .select('name')
    .where('status', '=', 'queued')
    .where('ready_at', '<=', now)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** When, after `now`, the next queued step may be leased; undefined when none will by the passing of time alone. */
export async function nextReadyAt(db: Db, now: number): Promise<number | undefined> {
  const row = await tables(db)
    .selectFrom('pipeline_step')
    .select('ready_at')
    .where('status', '=', 'queued')
    .where('ready_at', '>', now)
    .orderBy('ready_at')
    .limit(1)
    .executeTakeFirst();
  return row?.ready_at ?? undefined;
}

/** Whether a step is ready, or a lease ends, only after these times. */
export async function anyBeyond(db: Db, after: { readonly lease: number; readonly ready: number }): Promise<boolean> {
  if ((await nextReadyAt(db, after.ready)) !== undefined) return true;
  const row = await tables(db)
    .selectFrom('pipeline_attempt')
    .select('id')
    .where('status', '=', 'running')
    .where('lease_until', '>', after.lease)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Steps that would be ready only after `latest` are ready `now`. */
export async function boundReady(
  db: Db,
  { latest, now }: { readonly latest: number; readonly now: number },
): Promise<void> {
  await tables(db)
    .updateTable('pipeline_step')
    .set({ ready_at: now })
    .where('status', '=', 'queued')
    .where('ready_at', '>', latest)
    .execute();
}

/** The distinct label requirements of the steps that may be leased now, each as canonical JSON. */
export async function readyLabels(db: Db, now: number): Promise<string[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .select('labels')
    .distinct()
    .where('status', '=', 'queued')
    .where('ready_at', '<=', now)
    .execute();
  return rows.map((row) => row.labels);
}

/**
 * Steps that may be leased now, longest ready first. A step whose key another step is computing at the moment is left
 * out: it is answered from the cache when that one succeeds, and may be leased when it does not.
 */
export async function readySteps(
  db: Db,
  query: { readonly now: number; readonly labels: readonly string[]; readonly limit: number },
): Promise<ReadyStep[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_step as s')
    .select(['s.run', 's.name', 's.cache_key'])
    .where('s.status', '=', 'queued')
    .where('s.ready_at', '<=', query.now)
    .where('s.labels', 'in', [...query.labels])
    .where((e) =>
      e.not(
        e.exists(
          e
            .selectFrom('pipeline_step as twin')
            .select('twin.name')
            .whereRef('twin.cache_key', '=', 's.cache_key')
            .where('twin.status', '=', 'running'),
        ),
      ),
    )
    .orderBy('s.ready_at')
    .orderBy('s.run')
    .orderBy('s.position')
    .limit(query.limit)
    .execute();
  return rows.map((row) => ({ run: row.run, step: row.name, key: row.cache_key as Digest | null }));
}

/** Queued steps with this key: what a new cache entry answers. */
export async function queuedTwins(db: Db, key: Digest, limit: number): Promise<ReadyStep[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .select(['run', 'name'])
    .where('cache_key', '=', key)
    .where('status', '=', 'queued')
    .orderBy('run')
    .orderBy('position')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ run: row.run, step: row.name, key }));
}
