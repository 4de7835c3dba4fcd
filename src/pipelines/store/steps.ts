import { assert } from '#core/assert';
import type { Digest } from '#core/hash';
import { canonicalJson, type Json } from '#core/json';
import { statement } from '#platform/db';
import type { Artifact, StepView } from '../contract.ts';
import type { StepState, StepStatus } from '../model.ts';
import type { NestedDefinition } from '../nested/pins.ts';
import type { RetryPolicy } from '../retries.ts';
import type { Condition } from '../spec.ts';
import type { ResolvedMap } from '../units.ts';
import type { ResolvedWait } from '../waits/spec.ts';
import { type Db, type Tables, tables } from './tables.ts';

/** What an attempt of a step needs to know, with the run's parameters filled in. It does not change during a run. */
export interface StepDefinition {
  readonly function?: { readonly module: string; readonly export: string } | undefined;
  readonly command?: readonly string[] | undefined;
  /** Path below the working folder to digest. */
  readonly files?: Readonly<Record<string, string>> | undefined;
  readonly runtime?: Readonly<Record<string, string>> | undefined;
  readonly params: Readonly<Record<string, Json>>;
  /** Name of the input to where it comes from, see `Source`. */
  readonly inputs: Readonly<Record<string, string>>;
  /** What stood for references and inputs of the pipeline when the run was started. */
  readonly pinned: Readonly<Record<string, Artifact>>;
  readonly outputs: readonly string[];
  readonly cache: boolean;
  /** Work that is older is not taken from the cache. */
  readonly cacheMaxAgeMs?: number | undefined;
  readonly deterministic?: boolean | undefined;
  /** How it is tried again, where that is not the number of its state with the usual pauses. */
  readonly retry?: RetryPolicy | undefined;
  readonly timeoutMs: number;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly resources?: Readonly<Record<string, number>> | undefined;
  readonly pool?: { readonly name: string; readonly slots: number } | undefined;
  /** Labels that its worker must have besides, until it was pre-empted so often and after that. */
  readonly preemptible?:
    | { readonly on: Readonly<Record<string, string>>; readonly after: Readonly<Record<string, string>> }
    | undefined;
  readonly when?: Condition | undefined;
  readonly approval?:
    | { readonly message: string; readonly independent: boolean; readonly withinMs: number }
    | undefined;
  /** The step is divided into units. */
  readonly map?: ResolvedMap | undefined;
  /** How many units go on at a time that are runs, and whether the first failure ends the others. */
  readonly unitLimits?: { readonly concurrency: number; readonly stopsAtFailure: boolean } | undefined;
  /** What a unit is about that is a run of another pipeline, whose parameters may not have it. */
  readonly item?: Json | undefined;
  /** What the cache has of a step that this one does again, to compare. Outputs and the result by digest. */
  readonly verifies?:
    | {
        readonly run: string;
        readonly step: string;
        readonly key: Digest;
        readonly outputs: Readonly<Record<string, Artifact>>;
        readonly result: Digest;
      }
    | undefined;
  /** The step runs another pipeline as that was declared when the run was started. */
  readonly pipeline?: NestedDefinition | undefined;
  readonly wait?: ResolvedWait | undefined;
}

/** What a step produced, by a process or from the cache. */
export interface StepProduct {
  readonly outputs: Readonly<Record<string, Artifact>>;
  readonly result: Json;
  readonly metrics: Readonly<Record<string, number>>;
}

/** The cache key of a step and what went into it. */
export interface KeyedStep {
  readonly run: string;
  readonly step: string;
  readonly key: Digest;
  readonly ingredients: Json;
  readonly keyedAt: number;
}

export type StoredStep = Omit<StepView, 'attempts' | 'units' | 'verification' | 'child'>;

export async function insertSteps(
  db: Db,
  run: {
    readonly run: string;
    readonly pipeline: string;
    readonly project: string | null;
    readonly priority: number;
  },
  steps: readonly { readonly state: StepState; readonly definition: StepDefinition }[],
): Promise<void> {
  const dependants = dependantsOf(steps.map(({ state }) => state));
  const rows = steps.map(({ state, definition }, position) => ({
    run: run.run,
    pipeline: run.pipeline,
    position,
    name: state.name,
    status: state.status,
    needs: JSON.stringify(state.needs),
    dependants: JSON.stringify(dependants.get(state.name) ?? []),
    epoch: state.epoch,
    retries: state.retries,
    failures: state.failures,
    losses: state.losses,
    labels: canonicalJson(definition.labels),
    class: classOf(definition, run.project, definition.preemptible?.on),
    class_after: definition.preemptible ? classOf(definition, run.project, definition.preemptible.after) : null,
    preemptible: state.preemptible,
    preemptions: 0,
    within_ms: state.withinMs,
    rank: -run.priority,
    resources: canonicalJson(definition.resources ?? {}),
    pool: definition.pool?.name ?? null,
    pool_slots: definition.pool?.slots ?? 0,
    on_failure: state.onFailure ? 1 : 0,
    pause_max_ms: definition.retry?.backoff?.capMs ?? null,
    awaits: definition.wait && 'event' in definition.wait ? definition.wait.event : null,
    definition: JSON.stringify(definition),
    metrics: '{}',
    outputs: '{}',
    result: 'null',
  }));
  await tables(db)
    .insertInto('pipeline_step')
    .values(rows.map((row) => ({ ...emptyStep, ...row })))
    .execute();
}

/** By step, the names of those that need it. */
function dependantsOf(states: readonly Pick<StepState, 'name' | 'needs'>[]): Map<string, string[]> {
  const dependants = new Map<string, string[]>();
  for (const { name, needs } of states) {
    for (const needed of needs) dependants.set(needed, [...(dependants.get(needed) ?? []), name]);
  }
  return dependants;
}

/** What steps that may run in the same places have in common, `StepClass` in `matching.ts`, as canonical JSON. */
function classOf(
  { labels: own, resources = {}, pool }: StepDefinition,
  project: string | null,
  more: Readonly<Record<string, string>> = {},
): string {
  const labels = { ...own, ...more };
  return canonicalJson({ labels, resources, pool: pool ? { name: pool.name, slots: pool.slots } : null, project });
}

/** The columns of a step that has not begun. */
export const emptyStep = {
  ready_at: null,
  reason: null,
  inputs: null,
  cache_key: null,
  ingredients: null,
  keyed_at: null,
  started_at: null,
  finished_at: null,
  progress: null,
  cached_from: null,
  class: null,
  class_paused: null,
  deadline_at: null,
  parent: null,
  dependants: null,
  awaits: null,
  pause_max_ms: null,
};

export interface StepAddress {
  readonly run: string;
  readonly step: string;
}

export async function saveInputs(
  db: Db,
  { run, step }: StepAddress,
  inputs: Readonly<Record<string, Artifact>>,
): Promise<void> {
  await tables(db)
    .updateTable('pipeline_step')
    .set({ inputs: JSON.stringify(inputs) })
    .where('run', '=', run)
    .where('name', '=', step)
    .execute();
}

export async function saveKey(db: Db, keyed: KeyedStep): Promise<void> {
  await tables(db)
    .updateTable('pipeline_step')
    .set({ cache_key: keyed.key, ingredients: JSON.stringify(keyed.ingredients), keyed_at: keyed.keyedAt })
    .where('run', '=', keyed.run)
    .where('name', '=', keyed.step)
    .execute();
}

export async function saveProduct(
  db: Db,
  { run, step }: StepAddress,
  product: StepProduct & { readonly cachedFrom?: string },
): Promise<void> {
  await updateProduct(db, {
    ...{ run, step, cachedFrom: product.cachedFrom ?? null },
    outputs: JSON.stringify(product.outputs),
    result: JSON.stringify(product.result),
    metrics: JSON.stringify(product.metrics),
  });
}

interface ProductTexts extends StepAddress {
  readonly outputs: string;
  readonly result: string;
  readonly metrics: string;
  readonly cachedFrom: string | null;
}

const updateProduct = statement(
  ['run', 'step', 'outputs', 'result', 'metrics', 'cachedFrom'],
  (db, { run, step, outputs, result, metrics, cachedFrom }: ProductTexts) =>
    tables(db)
      .updateTable('pipeline_step')
      .set({ outputs, result, metrics, cached_from: cachedFrom })
      .where('run', '=', run)
      .where('name', '=', step),
);

export async function saveProgress(
  db: Db,
  { run, step }: StepAddress,
  seen: { readonly progress?: StepView['progress'] | undefined; readonly metrics?: StepView['metrics'] | undefined },
): Promise<void> {
  if (!seen.progress && !seen.metrics) return;
  await tables(db)
    .updateTable('pipeline_step')
    .set({
      ...(seen.progress ? { progress: JSON.stringify(seen.progress) } : {}),
      ...(seen.metrics ? { metrics: JSON.stringify(seen.metrics) } : {}),
    })
    .where('run', '=', run)
    .where('name', '=', step)
    .execute();
}

export async function definitionOf(db: Db, run: string, step: string): Promise<StepDefinition> {
  return (await limitsOf(db, run, step)).definition;
}

export async function limitsOf(
  db: Db,
  run: string,
  step: string,
): Promise<{ readonly definition: StepDefinition; readonly deadlineAt: number | null }> {
  const [row] = await selectLimits(db, { run, step });
  assert(row, `run ${run} has no step '${step}'`);
  return { definition: JSON.parse(row.definition), deadlineAt: row.deadline_at };
}

const selectLimits = statement(['run', 'step'], (db, { run, step }: StepAddress) =>
  tables(db)
    .selectFrom('pipeline_step')
    .select(['definition', 'deadline_at'])
    .where('run', '=', run)
    .where('name', '=', step),
);

/** What the steps of a run wrote, by step. */
export async function outputsByStep(db: Db, run: string): Promise<Map<string, Record<string, Artifact>>> {
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .select(['name', 'outputs'])
    .where('run', '=', run)
    .where('parent', 'is', null)
    .where('outputs', '!=', '{}')
    .execute();
  return new Map(rows.map((row) => [row.name, JSON.parse(row.outputs)]));
}

export async function listSteps(db: Db, run: string): Promise<StoredStep[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .selectAll()
    .where('run', '=', run)
    .where('parent', 'is', null)
    .orderBy('position')
    .execute();
  return rows.map(stepOf);
}

export async function findStep(db: Db, run: string, step: string): Promise<StoredStep | undefined> {
  const row = await tables(db)
    .selectFrom('pipeline_step')
    .selectAll()
    .where('run', '=', run)
    .where('name', '=', step)
    .executeTakeFirst();
  return row && stepOf(row);
}

export async function findKey(db: Db, run: string, step: string): Promise<KeyedStep | undefined> {
  const [row] = await selectKey(db, { run, step });
  return row && keyedOf(row);
}

const selectKey = statement(['run', 'step'], (db, { run, step }: StepAddress) =>
  tables(db)
    .selectFrom('pipeline_step')
    .select(['run', 'name', 'cache_key', 'ingredients', 'keyed_at'])
    .where('run', '=', run)
    .where('name', '=', step)
    .where('cache_key', 'is not', null),
);

/** Earlier keys of the same step whose work is in the cache, newest first. */
export async function earlierKeys(
  db: Db,
  of: { readonly pipeline: string; readonly step: string; readonly run: string; readonly keyedAt: number },
  limit: number,
): Promise<KeyedStep[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .select(['run', 'name', 'cache_key', 'ingredients', 'keyed_at'])
    .where('pipeline', '=', of.pipeline)
    .where('name', '=', of.step)
    .where('keyed_at', '<=', of.keyedAt)
    .where('run', '!=', of.run)
    .where('status', 'in', ['succeeded', 'cached'])
    .orderBy('keyed_at', 'desc')
    .orderBy('run', 'desc')
    .limit(limit)
    .execute();
  return rows.map(keyedOf);
}

function keyedOf(
  row: Pick<Tables['pipeline_step'], 'run' | 'name' | 'cache_key' | 'ingredients' | 'keyed_at'>,
): KeyedStep {
  return {
    run: row.run,
    step: row.name,
    key: row.cache_key as Digest,
    ingredients: JSON.parse(row.ingredients ?? 'null'),
    keyedAt: row.keyed_at ?? 0,
  };
}

function stepOf(row: Tables['pipeline_step']): StoredStep {
  return {
    step: row.name,
    status: row.status as StepStatus,
    needs: JSON.parse(row.needs),
    readyAt: row.ready_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    reason: row.reason,
    progress: row.progress === null ? null : JSON.parse(row.progress),
    metrics: JSON.parse(row.metrics),
    outputs: JSON.parse(row.outputs),
    result: JSON.parse(row.result),
    cachedFrom: row.cached_from,
  };
}
