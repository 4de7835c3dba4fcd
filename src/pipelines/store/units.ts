import type { Digest } from '#core/hash';
import { canonicalJson, type Json } from '#core/json';
import { statement } from '#platform/db';
import type { Artifact, UnitCounts, UnitView } from '../contract.ts';
import type { StepState, StepStatus } from '../model.ts';
import type { CacheEntry } from './cache.ts';
import { STATE_COLUMNS, stateOf } from './step-state.ts';
import { emptyStep, type StepAddress, type StepDefinition, type StepProduct } from './steps.ts';
import { type Db, storableText, type Tables, tables } from './tables.ts';

/** Rows in one statement: each binds about thirty values, and SQLite takes 32,766. */
const ROWS = 500;

export interface NewUnit {
  readonly name: string;
  readonly definition: StepDefinition;
  readonly inputs: Readonly<Record<string, Artifact>>;
  readonly keyed: { readonly key: Digest; readonly ingredients: Json } | undefined;
  /** Its work, if it was in the cache, or is taken over from an earlier run. */
  readonly hit: (StepProduct & { readonly run: string }) | undefined;
}

/** Writes the units of a step. They share its class, rank, pool and resources. */
export async function insertUnits(
  db: Db,
  of: {
    readonly run: string;
    readonly step: string;
    readonly now: number;
    readonly paused: boolean;
    readonly nested: boolean;
  },
  units: readonly NewUnit[],
): Promise<void> {
  const parent = await tables(db)
    .selectFrom('pipeline_step')
    .selectAll()
    .where('run', '=', of.run)
    .where('name', '=', of.step)
    .executeTakeFirstOrThrow();
  const shared = {
    ...{ run: of.run, pipeline: parent.pipeline, parent: of.step, retries: parent.retries, rank: parent.rank },
    ...{ labels: parent.labels, pool: parent.pool, pool_slots: parent.pool_slots, resources: parent.resources },
    ...{
      preemptible: parent.preemptible,
      preemptions: 0,
      class_after: parent.class_after,
      within_ms: parent.within_ms,
      pause_max_ms: parent.pause_max_ms,
    },
    ...{ needs: '[]', epoch: 0, failures: 0, losses: 0, on_failure: 0, ready_at: of.now },
    // Runs of pipelines are for no worker.
    ...(of.nested ? {} : { [of.paused ? 'class_paused' : 'class']: parent.class ?? parent.class_paused }),
  };
  for (let from = 0; from < units.length; from += ROWS) {
    const rows = units.slice(from, from + ROWS).map(({ name, definition, inputs, keyed, hit }, i) => ({
      ...emptyStep,
      ...shared,
      ...{ name, position: from + i, status: hit ? 'cached' : 'queued', finished_at: hit ? of.now : null },
      ...{ definition: JSON.stringify(definition), inputs: JSON.stringify(inputs) },
      ...{ metrics: JSON.stringify(hit?.metrics ?? {}), outputs: JSON.stringify(hit?.outputs ?? {}) },
      ...{ result: JSON.stringify(hit?.result ?? null), cached_from: hit?.run ?? null },
      ...(keyed ? { cache_key: keyed.key, ingredients: canonicalJson(keyed.ingredients), keyed_at: of.now } : {}),
    }));
    await tables(db).insertInto('pipeline_step').values(rows).execute();
  }
}

/** The state of a unit, as a step that needs nothing. */
export async function unitState(db: Db, run: string, unit: string): Promise<StepState | undefined> {
  const [row] = await selectUnit(db, { run, unit });
  return row && stateOf(row);
}

const selectUnit = statement(['run', 'unit'], (db, { run, unit }: { readonly run: string; readonly unit: string }) =>
  tables(db).selectFrom('pipeline_step').select(STATE_COLUMNS).where('run', '=', run).where('name', '=', unit),
);

/** Whether any unit of a step has not ended. It looks into an index and counts nothing. */
export async function hasOpenUnit(db: Db, run: string, step: string): Promise<boolean> {
  return (await selectOpenUnit(db, { run, step })).length > 0;
}

const selectOpenUnit = statement(['run', 'step'], (db, { run, step }: StepAddress) =>
  tables(db)
    .selectFrom('pipeline_step')
    .select('name')
    .where('run', '=', run)
    .where('parent', '=', step)
    .where('status', 'in', ['queued', 'running'])
    .limit(1),
);

/** The next units of a step that wait, in their order, as many as there is room for while others go on. */
export async function waitingUnits(
  db: Db,
  { run, step }: { readonly run: string; readonly step: string },
  { concurrency, limit }: { readonly concurrency: number; readonly limit: number },
): Promise<string[]> {
  const units = tables(db).selectFrom('pipeline_step').where('run', '=', run).where('parent', '=', step);
  const running = await units
    .select((e) => e.fn.countAll<number>().as('units'))
    .where('status', '=', 'running')
    .executeTakeFirst();
  const room = Math.min(limit, concurrency - Number(running?.units ?? 0));
  if (room <= 0) return [];
  const rows = await units.select('name').where('status', '=', 'queued').orderBy('position').limit(room).execute();
  return rows.map(({ name }) => name);
}

/** The units of a step as they ended in a run that is over, by name. */
export async function endedUnits(db: Db, run: string, step: string) {
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .select(['name', 'status', 'definition', 'outputs', 'result', 'metrics', 'cached_from'])
    .where('run', '=', run)
    .where('parent', '=', step)
    .execute();
  return new Map(
    rows.map((row) => {
      const { item = null }: StepDefinition = JSON.parse(row.definition);
      const product = {
        ...{ outputs: JSON.parse(row.outputs), result: JSON.parse(row.result), metrics: JSON.parse(row.metrics) },
        run: row.cached_from ?? run,
      };
      const isDone = row.status === 'succeeded' || row.status === 'cached';
      return [row.name, { item, product: isDone ? product : undefined }] as const;
    }),
  );
}

/** The units of steps of a run by status. */
export async function unitCounts(db: Db, run: string): Promise<Map<string, UnitCounts>> {
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .select(['parent', 'status', (e) => e.fn.countAll<number>().as('units')])
    .where('run', '=', run)
    .where('parent', 'is not', null)
    .groupBy(['parent', 'status'])
    .execute();
  const counts = new Map<string, Record<keyof UnitCounts, number>>();
  for (const { parent, status, units } of rows) {
    const none = { queued: 0, running: 0, succeeded: 0, cached: 0, failed: 0, cancelled: 0 };
    const found = counts.get(parent ?? '') ?? none;
    found[status as keyof UnitCounts] += Number(units);
    counts.set(parent ?? '', found);
  }
  return counts;
}

/** A failed unit of a step and why, if there is one. */
export async function failedUnit(db: Db, run: string, step: string) {
  return tables(db)
    .selectFrom('pipeline_step')
    .select(['name', 'reason'])
    .where('run', '=', run)
    .where('parent', '=', step)
    .where('status', '=', 'failed')
    .orderBy('position')
    .limit(1)
    .executeTakeFirst();
}

/** Cancels the units of a run, or of one of its steps, that wait. Those that run are ended by their workers. */
export async function cancelUnits(
  db: Db,
  { run, step, reason }: { readonly run: string; readonly step?: string; readonly reason: string },
  now: number,
): Promise<void> {
  const update = tables(db)
    .updateTable('pipeline_step')
    .set({ status: 'cancelled', reason: storableText(reason), ready_at: null, finished_at: now })
    .where('run', '=', run)
    .where('status', '=', 'queued');
  const those = step === undefined ? update.where('parent', 'is not', null) : update.where('parent', '=', step);
  await those.execute();
}

export interface UnitProduct {
  readonly name: string;
  readonly outputs: Readonly<Record<string, Artifact>>;
  readonly result: Json;
}

/** What the units of a step produced, in their order. */
export async function unitProducts(db: Db, run: string, step: string): Promise<UnitProduct[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .select(['name', 'outputs', 'result'])
    .where('run', '=', run)
    .where('parent', '=', step)
    .orderBy('position')
    .execute();
  return rows.map((row) => ({ name: row.name, outputs: JSON.parse(row.outputs), result: JSON.parse(row.result) }));
}

/** The units of a step page by page, those of one status if it is told. */
export async function listUnits(
  db: Db,
  of: { readonly run: string; readonly step: string },
  page: { readonly status?: StepStatus | undefined; readonly after: number; readonly limit: number },
): Promise<UnitView[]> {
  let query = tables(db)
    .selectFrom('pipeline_step')
    .selectAll()
    .where('run', '=', of.run)
    .where('parent', '=', of.step)
    .where('position', '>', page.after)
    .orderBy('position')
    .limit(page.limit);
  if (page.status !== undefined) query = query.where('status', '=', page.status);
  return (await query.execute()).map(viewOf);
}

function viewOf(row: Tables['pipeline_step']): UnitView {
  const { item, params }: StepDefinition = JSON.parse(row.definition);
  return {
    unit: row.name,
    index: row.position,
    status: row.status as StepStatus,
    item: item ?? params['item'] ?? null,
    epoch: row.epoch,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    reason: row.reason,
    result: JSON.parse(row.result),
    cachedFrom: row.cached_from,
  };
}

/** Those of the keys that are in the cache, from work that was done at or after `since`. */
export async function findCacheEntries(
  db: Db,
  keys: readonly Digest[],
  since: number,
): Promise<Map<string, CacheEntry>> {
  const found = new Map<string, CacheEntry>();
  for (let from = 0; from < keys.length; from += ROWS) {
    const rows = await tables(db)
      .selectFrom('pipeline_cache')
      .selectAll()
      .where('cache_key', 'in', keys.slice(from, from + ROWS))
      .where('created_at', '>=', since)
      .execute();
    for (const row of rows) {
      found.set(row.cache_key, {
        ...{ key: row.cache_key as Digest, run: row.run, step: row.step, createdAt: row.created_at },
        ...{ metrics: JSON.parse(row.metrics), outputs: JSON.parse(row.outputs), result: JSON.parse(row.result) },
      });
    }
  }
  return found;
}
