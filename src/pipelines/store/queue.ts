import { type ExpressionBuilder, type SqlBool, sql } from 'kysely';
import type { Digest } from '#core/hash';
import { statement } from '#platform/db';
import type { Candidate, StepClass } from '../matching.ts';
import { BACKOFF_MS } from '../retries.ts';
import { type Db, type Tables, tables } from './tables.ts';

/** Whether any step may be leased now, by some worker. */
export async function anyReady(db: Db, now: number): Promise<boolean> {
  return (await selectAnyReady(db, { now })).length > 0;
}

const selectAnyReady = statement(['now'], (db, { now }: { readonly now: number }) =>
  tables(db)
    .selectFrom('pipeline_step')
    .select('name')
    .where('status', '=', 'queued')
    .where('ready_at', '<=', now)
    .where('class', 'is not', null)
    .limit(1),
);

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

/** Whether a step is ready, or a live lease begins or ends, only after these times. */
export async function anyBeyond(db: Db, after: ReadyBound & { readonly lease: number }): Promise<boolean> {
  const step = await tables(db)
    .selectFrom('pipeline_step')
    .select('name')
    .where((e) => isBeyond(e, after))
    .limit(1)
    .executeTakeFirst();
  if (step) return true;
  const row = await tables(db)
    .selectFrom('pipeline_attempt')
    .select('id')
    .where('status', '=', 'running')
    .where((e) => e.or([e('lease_until', '>', after.lease), e('started_at', '>', after.lease)]))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Steps that would be ready only after that are ready `now`. */
export async function boundReady(db: Db, after: ReadyBound, now: number): Promise<void> {
  await tables(db)
    .updateTable('pipeline_step')
    .set({ ready_at: now })
    .where((e) => isBeyond(e, after))
    .execute();
}

interface ReadyBound {
  /** When each step is ready by then that declares no pause; others are by as much later as theirs is longer. */
  readonly ready: number;
}

/** Whether a step is to be ready later than any pause explains: a clock was wrong. */
function isBeyond(e: ExpressionBuilder<Tables, 'pipeline_step'>, { ready }: ReadyBound) {
  const isLate = sql<SqlBool>`ready_at - coalesce(pause_max_ms - ${sql.lit(BACKOFF_MS)}, 0) > ${ready}`;
  return e.and([e('status', '=', 'queued'), e('ready_at', '>', ready), isLate]);
}

/**
 * The distinct classes of queued steps that wait for no other. It jumps from one class to the next in the index, so
 * that its cost grows with the classes and not with the steps. Steps of a paused run have none.
 */
export async function queuedClasses(db: Db): Promise<{ readonly text: string; readonly class: StepClass }[]> {
  return (await selectClasses(db, {})).map(({ class: text }) => ({ text, class: JSON.parse(text) }));
}

const selectClasses = statement([], (db) => ({
  compile: () =>
    sql<{ class: string }>`
      with recursive classes(class) as (
        select min(class) from pipeline_step where status = 'queued' and ready_at is not null
        union all
        select (
          select min(s.class) from pipeline_step s
          where s.status = 'queued' and s.ready_at is not null and s.class > classes.class
        ) from classes where classes.class is not null
      ) select class from classes where class is not null`.compile(db),
}));

/**
 * Steps of a class that may be leased now, by priority and then longest ready first. A step whose key another step is
 * computing at the moment is left out: it is answered from the cache when that one succeeds, and may be leased when it
 * does not.
 */
export async function readySteps(db: Db, query: ReadyQuery): Promise<Candidate[]> {
  return (await selectReady(db, query)).map((row) => ({
    run: row.run,
    step: row.name,
    key: row.cache_key,
    priority: -row.rank,
    readyAt: row.ready_at ?? 0,
    position: row.position,
  }));
}

interface ReadyQuery {
  readonly now: number;
  readonly class: string;
  readonly limit: number;
}

const selectReady = statement(['now', 'class', 'limit'], (db, query: ReadyQuery) =>
  tables(db)
    .selectFrom('pipeline_step as s')
    .select(['s.run', 's.name', 's.cache_key', 's.rank', 's.ready_at', 's.position'])
    .where('s.status', '=', 'queued')
    .where('s.class', '=', query.class)
    .where('s.ready_at', 'is not', null)
    // As a sum, so that no index is looked into by it: that of the queue has the order, and any other has to be sorted.
    .where(sql<number>`s.ready_at + 0`, '<=', query.now)
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
    .orderBy('s.rank')
    .orderBy('s.ready_at')
    .orderBy('s.run')
    .orderBy('s.position')
    .limit(query.limit),
);

/** Queued steps with this key: what a new cache entry answers. */
export async function queuedTwins(
  db: Db,
  key: Digest,
  limit: number,
): Promise<{ readonly run: string; readonly step: string }[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .select(['run', 'name'])
    .where('cache_key', '=', key)
    .where('status', '=', 'queued')
    .orderBy('run')
    .orderBy('position')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ run: row.run, step: row.name }));
}

/** What the live leases of a worker take of it. */
export async function heldResources(db: Db, worker: string): Promise<Record<string, number>> {
  const rows = await tables(db)
    .selectFrom('pipeline_attempt as a')
    .innerJoin('pipeline_step as s', (join) => join.onRef('s.run', '=', 'a.run').onRef('s.name', '=', 'a.step'))
    .select('s.resources')
    .where('a.status', '=', 'running')
    .where('a.worker', '=', worker)
    .where('s.resources', '!=', '{}')
    .execute();
  const held: Record<string, number> = {};
  for (const { resources } of rows) {
    for (const [name, amount] of Object.entries(JSON.parse(resources) as Record<string, number>)) {
      held[name] = (held[name] ?? 0) + amount;
    }
  }
  return held;
}

/** Slots of a pool that running steps take. */
export async function takenSlots(db: Db, pool: string): Promise<number> {
  const row = await tables(db)
    .selectFrom('pipeline_step')
    .select((e) => e.fn.coalesce(e.fn.sum<number>('pool_slots'), e.val(0)).as('taken'))
    .where('pool', '=', pool)
    .where('status', '=', 'running')
    .executeTakeFirst();
  return Number(row?.taken ?? 0);
}

/** Running steps by project; '' stands for none. */
export async function runningByProject(db: Db): Promise<Map<string, number>> {
  const rows = await tables(db)
    .selectFrom('pipeline_attempt as a')
    .innerJoin('pipeline_run as r', 'r.id', 'a.run')
    .select(['r.project', (e) => e.fn.countAll<number>().as('running')])
    .where('a.status', '=', 'running')
    .groupBy('r.project')
    .execute();
  return new Map(rows.map((row) => [row.project ?? '', Number(row.running)]));
}
