import { assert } from '#core/assert';
import type { Json } from '#core/json';
import { durationMs } from '#core/units';
import type { Tx } from '#platform/db';
import { cacheKeyOf, ingredientsOf } from '../cache-key.ts';
import { obstacleOf, sourceOf, valueAt } from '../conditions.ts';
import type { Artifact } from '../contract.ts';
import {
  pipelineNestedDue,
  pipelineRunFinished,
  pipelineRunRecovered,
  pipelineStepFinished,
  pipelineStepWaiting,
} from '../events.ts';
import {
  type AttemptStatus,
  decide,
  type Fact,
  isFinalRun,
  isFinalStep,
  type RunState,
  type StepState,
} from '../model.ts';
import { nestedProduct } from '../nested/product.ts';
import { openChildren } from '../nested/store.ts';
import type { Condition } from '../spec.ts';
import { type CacheEntry, findCacheEntry, freshSince } from '../store/cache.ts';
import { activeRuns, admitRun, findPipeline, findRun, type StoredRun, updateRun, waitingRuns } from '../store/runs.ts';
import { statesAround, stepStates, updateStepState } from '../store/step-state.ts';
import {
  definitionOf,
  findStep,
  outputsByStep,
  type StepDefinition,
  saveInputs,
  saveKey,
  saveProduct,
} from '../store/steps.ts';
import type { Db } from '../store/tables.ts';
import { cancelUnits, hasOpenUnit } from '../store/units.ts';
import { type ResolvedMap, stepOfUnit } from '../units.ts';
import { waitsUntil } from '../waits/spec.ts';
import { resolveInputs } from './inputs.ts';
import { advanceUnit, expand, gather } from './units.ts';

/** Runs that one end lets in; the job that looks every second lets in further ones. */
const ADMITTED_MAX = 100;
/** Runs that wait for their keys, among which one is looked for whose key is free. */
const WAITING_MAX = 100;

export const runSubject = (run: string): string => `pipeline-run/${run}`;

export interface Advanced {
  readonly state: RunState;
  readonly attempt: AttemptStatus | undefined;
}

/**
 * Applies a fact to a run and writes everything that follows from it in the same transaction: the states of its steps,
 * cache hits of the steps that it made ready (and what follows from those), events, and the end of the run.
 */
export async function advance(tx: Tx, run: StoredRun, fact: Fact): Promise<Advanced | 'stale'> {
  const step = 'step' in fact ? stepOfUnit(fact.step) : undefined;
  if (step === undefined || !('step' in fact)) return advanceRun(tx, run, fact);
  const advanced = await advanceUnit(tx, run, fact);
  if (advanced === 'stale') return 'stale';
  if (advanced.stop !== undefined) await stopUnits(tx, run, { step, reason: advanced.stop });
  await unitsFollow(tx, run, { step, unit: advanced.unit });
  const state = { status: run.status, paused: run.pausedAt !== null, steps: [advanced.unit] };
  return { state, attempt: advanced.attempt };
}

/** Cancels the units of a step that wait, and those that are runs. Programs that go on end by themselves. */
async function stopUnits(tx: Tx, run: StoredRun, { step, reason }: { step: string; reason: string }): Promise<void> {
  await cancelUnits(tx.db, { run: run.run, step, reason }, tx.now);
  for (const { run: id, cause } of await openChildren(tx.db, run.run)) {
    if (stepOfUnit(cause.within?.step ?? '') !== step) continue;
    // The end of one ends the others too, so that each is looked up as it is by now.
    const child = await findRun(tx.db, id);
    if (child && !isFinalRun(child.status)) await advance(tx, child, { type: 'cancelled', reason, now: tx.now });
  }
}

/** What follows from the state of a unit: the end of its step when it was the last, or the start of further ones. */
async function unitsFollow(tx: Tx, run: StoredRun, { step, unit }: { step: string; unit: StepState }): Promise<void> {
  if (!isFinalStep(unit.status)) return;
  if (!(await hasOpenUnit(tx.db, run.run, step))) {
    // It may have ended meanwhile, with other units that were cancelled because of this one: then this is stale.
    await advanceRun(tx, run, await gather(tx, run.run, step));
    return;
  }
  // A program was leased, so that nothing is asked about it.
  if (unit.epoch === 0 && (await definitionOf(tx.db, run.run, unit.name)).pipeline) emitDue(tx, run, step);
}

async function advanceRun(tx: Tx, run: StoredRun, fact: Fact): Promise<Advanced | 'stale'> {
  const stateOf = (steps: readonly StepState[]): RunState => {
    return { status: run.status, paused: run.pausedAt !== null, steps };
  };
  let around = fact.type === 'succeeded' ? await statesAround(tx.db, { run: run.run, step: fact.step }) : undefined;
  let state = stateOf(around ?? (await stepStates(tx.db, run.run)));
  let attempt: AttemptStatus | undefined;
  const pending: Fact[] = [fact];
  for (const next of pending) {
    // What follows from what became ready is decided about the whole run. Its status has not changed until then.
    if (around && next !== fact) {
      state = { ...stateOf(await stepStates(tx.db, run.run)), status: state.status };
      around = undefined;
    }
    const decision = decide(state, next);
    if (decision === 'stale') {
      assert(next === fact, `a ${next.type} of run ${run.run} was refused`);
      return 'stale';
    }
    const before = new Map(state.steps.map((step) => [step.name, step]));
    state = decision.run;
    attempt ??= decision.attempt;
    for (const step of decision.changed) {
      await updateStepState(tx.db, run.run, step, tx.now);
      emitStep(tx, run, step);
      const becameReady = step.readyAt !== null && before.get(step.name)?.readyAt === null;
      if (becameReady && step.status === 'queued') pending.push(...(await prepare(tx, run, step.name)));
    }
    if (next.type === 'cancelled') pending.push(...(await cancelAllUnits(tx, run, { state, reason: next.reason })));
  }
  await saveRun(tx, run, { state, reason: fact.type === 'cancelled' ? fact.reason : undefined });
  // Their ends are facts about this run, so they follow when it is written.
  if (fact.type === 'cancelled') {
    for (const child of await openChildren(tx.db, run.run)) await advance(tx, child, fact);
  }
  return { state, attempt };
}

/** Copies what a cache entry holds to a step. */
export async function takeFromCache(
  tx: Pick<Tx, 'db'>,
  of: { readonly run: string; readonly step: string },
  entry: CacheEntry,
): Promise<void> {
  const { outputs, result, metrics } = entry;
  await saveProduct(tx.db, of, { outputs, result, metrics, cachedFrom: entry.run });
}

/**
 * Prepares a step that may run now: checks its condition, resolves its inputs, looks for its work in the cache. Answers
 * the facts that follow, if any do before a worker takes the step.
 */
async function prepare(tx: Tx, run: StoredRun, step: string): Promise<Fact[]> {
  const definition = await definitionOf(tx.db, run.run, step);
  const { when, approval, wait } = definition;
  const reason = when && obstacleOf(when, await comparedOf(tx, run, when));
  if (reason !== undefined) return [{ type: 'unmet', step, reason, now: tx.now }];
  if (approval) return [{ type: 'opened', step, now: tx.now, until: tx.now + approval.withinMs }];
  if (wait) return [{ type: 'opened', step, now: tx.now, until: waitsUntil(wait, tx.now) }];
  let inputs: Record<string, Artifact>;
  try {
    inputs = await resolveInputs(tx, run.run, definition);
    if (Object.keys(inputs).length > 0) await saveInputs(tx.db, { run: run.run, step }, inputs);
    if (definition.map) return await divide(tx, run, { step, map: definition.map, definition, inputs });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const now = tx.now;
    return [
      { type: 'expanded', step, now },
      { type: 'mapped', step, now, ok: false, reason: error.message },
    ];
  }
  if (definition.pipeline) {
    emitDue(tx, run, step);
    return [{ type: 'expanded', step, now: tx.now }];
  }
  const hit = await lookUp(tx, run, { step, definition, inputs });
  if (!hit) return [];
  await takeFromCache(tx, { run: run.run, step }, hit);
  return [{ type: 'hit', step, now: tx.now }];
}

/** Throws a `RangeError` for items that are no list, or too many. */
async function divide(
  tx: Tx,
  run: StoredRun,
  of: {
    readonly step: string;
    readonly map: ResolvedMap;
    readonly definition: StepDefinition;
    readonly inputs: Readonly<Record<string, Artifact>>;
  },
): Promise<Fact[]> {
  const { step, map } = of;
  const result = 'result' in map ? (await findStep(tx.db, run.run, map.result[0]))?.result : undefined;
  await expand(tx, run, { ...of, result });
  const isOver = !(await hasOpenUnit(tx.db, run.run, step));
  if (!isOver && of.definition.pipeline) emitDue(tx, run, step);
  return [{ type: 'expanded', step, now: tx.now }, ...(isOver ? [await gather(tx, run.run, step)] : [])];
}

/** Says that runs of another pipeline are to be started: of a step, or as many of its units as there is room for. */
export function emitDue(tx: Pick<Tx, 'emit'>, { run, pipeline }: StoredRun, step: string): void {
  tx.emit(pipelineNestedDue.draft(runSubject(run), { run, pipeline, step }));
}

/** Cancels the units that wait, and tells of the steps that have none left and whose run is not there to end. */
async function cancelAllUnits(
  tx: Tx,
  run: StoredRun,
  { state, reason }: { readonly state: RunState; readonly reason: string },
): Promise<Fact[]> {
  const divided = state.steps.filter((step) => step.status === 'running' && step.epoch === 0);
  if (divided.length === 0) return [];
  await cancelUnits(tx.db, { run: run.run, reason }, tx.now);
  const children = await openChildren(tx.db, run.run);
  const over: Fact[] = [];
  for (const { name } of divided) {
    if (await hasOpenUnit(tx.db, run.run, name)) continue;
    if (children.some(({ cause }) => cause.within?.step === name)) continue;
    over.push({ type: 'mapped', step: name, now: tx.now, ok: false, reason });
  }
  return over;
}

async function comparedOf(tx: Tx, run: StoredRun, when: Condition): Promise<Json | undefined> {
  const { source, path } = sourceOf(when);
  if (source === 'params') return valueAt(run.params, path);
  return valueAt((await findStep(tx.db, run.run, source))?.result, path);
}

async function lookUp(
  tx: Tx,
  run: StoredRun,
  {
    step,
    definition,
    inputs,
  }: {
    readonly step: string;
    readonly definition: StepDefinition;
    readonly inputs: Readonly<Record<string, Artifact>>;
  },
): Promise<CacheEntry | undefined> {
  if (!definition.cache) return undefined;
  const ingredients = ingredientsOf({ definition, inputs, code: run.code, seed: run.seed });
  const key = cacheKeyOf(ingredients);
  await saveKey(tx.db, { run: run.run, step, key, ingredients, keyedAt: tx.now });
  return findCacheEntry(tx.db, key, freshSince(definition, tx.now));
}

async function saveRun(
  tx: Tx,
  run: StoredRun,
  after: { readonly state: RunState; readonly reason: string | undefined },
): Promise<void> {
  const { status } = after.state;
  const reason = after.reason ?? run.reason ?? reasonOf(after.state);
  if (status === run.status) return;
  if (!isFinalRun(status)) return updateRun(tx.db, run.run, { status, now: tx.now, reason });
  const outputs = await outputsOfRun(tx, run.run);
  await updateRun(tx.db, run.run, { status, now: tx.now, reason, outputs });
  await admitNext(tx, run.pipeline);
  assert(status === 'succeeded' || status === 'failed' || status === 'cancelled', `${status} is not final`);
  const { pipeline, generation, project, cause, verifies } = run;
  const data = { run: run.run, pipeline, generation, project, status, cause, reason, verifies, outputs };
  tx.emit(pipelineRunFinished.draft(runSubject(run.run), data));
  if (run.lateSince !== null) {
    const lateMs = Math.max(0, tx.now - (run.lateAt ?? run.lateSince));
    tx.emit(pipelineRunRecovered.draft(runSubject(run.run), { run: run.run, pipeline, status, lateMs }));
  }
  tx.audit(runSubject(run.run), { finished: status, reason });
  await endStepOf(tx, { ...run, status, reason, outputs });
}

/** The end of a run is a fact about the step that it is, in the same transaction. */
async function endStepOf(tx: Tx, child: StoredRun): Promise<void> {
  const { within } = child.cause;
  const parent = within && (await findRun(tx.db, within.run));
  if (!within || !parent) return;
  const ended = await nestedProduct(tx.db, child, await definitionOf(tx.db, within.run, within.step));
  if ('product' in ended) await saveProduct(tx.db, within, ended.product);
  const told = 'product' in ended ? { ok: true, reason: null } : { ok: false, reason: ended.reason };
  const advanced = await advance(tx, parent, { type: 'mapped', step: within.step, now: tx.now, ...told });
  assert(advanced !== 'stale', `step '${within.step}' of run ${within.run} ended before its run ${child.run}`);
  auditNested(tx, { ...within, child: child.run }, advanced);
}

/** One audit row for the end of a step that is a run, as each step has one that a worker reported. */
export function auditNested(
  tx: Tx,
  of: { readonly run: string; readonly step: string; readonly child: string | null },
  { state }: Advanced,
): void {
  const found = state.steps.find(({ name }) => name === of.step);
  assert(found, `run ${of.run} has no step '${of.step}'`);
  const { status, reason, epoch } = found;
  tx.audit(runSubject(of.run), { step: of.step, status, reason, epoch, child: of.child });
}

/** Lets in the runs of a pipeline for which there is room. */
export async function admitNext(tx: Tx, pipeline: string): Promise<void> {
  for (let admitted = 0; admitted < ADMITTED_MAX; admitted++) {
    // Asked again each time: a run that is all in the cache ends as it is let in, which lets in others.
    const run = await nextAdmitted(tx.db, pipeline);
    if (!run) return;
    const spec = (await findPipeline(tx.db, pipeline))?.spec;
    const after = (span: string | undefined): number | null => (span ? tx.now + durationMs(span) : null);
    const expectedAt = after(spec?.expected);
    const lateAt = Math.min(expectedAt ?? Number.POSITIVE_INFINITY, run.lateAt ?? Number.POSITIVE_INFINITY);
    const times = { deadlineAt: after(spec?.timeout), lateAt: Number.isFinite(lateAt) ? lateAt : null };
    await admitRun(tx.db, run.run, { at: tx.now, ...times });
    await advance(tx, run, { type: 'started', now: tx.now });
  }
}

/**
 * The run of a pipeline that is let in next, if there is room for one: what goes on is looked up and never counted
 * along, so no death can leave a place taken. A run that waits for its key does not hold up those of other keys.
 */
export async function nextAdmitted(db: Db, pipeline: string): Promise<StoredRun | undefined> {
  const {
    runs = Number.POSITIVE_INFINITY,
    key,
    runsOfKey = 1,
  } = (await findPipeline(db, pipeline))?.spec.concurrency ?? {};
  // Without a limit nothing has to be counted, however many runs go on.
  if (Number.isFinite(runs) && (await activeRuns(db, pipeline)) >= runs) return undefined;
  const full = new Set<string>();
  for (const run of await waitingRuns(db, pipeline, key === undefined ? 1 : WAITING_MAX)) {
    if (run.lane === null || key === undefined) return run;
    if (full.has(run.lane)) continue;
    if ((await activeRuns(db, pipeline, run.lane)) < runsOfKey) return run;
    full.add(run.lane);
  }
  return undefined;
}

function reasonOf(state: RunState): string | null {
  const failed = state.steps.find((step) => step.status === 'failed');
  return failed ? `step '${failed.name}' failed: ${failed.reason}` : null;
}

async function outputsOfRun(tx: Pick<Tx, 'db'>, run: string): Promise<Record<string, Artifact>> {
  const outputs: Record<string, Artifact> = {};
  for (const [step, artifacts] of await outputsByStep(tx.db, run)) {
    for (const [name, artifact] of Object.entries(artifacts)) outputs[`${step}.${name}`] = artifact;
  }
  return outputs;
}

function emitStep(tx: Tx, run: StoredRun, { name, status, reason, readyAt }: StepState): void {
  if (status === 'waiting') {
    const waiting = { run: run.run, pipeline: run.pipeline, step: name, until: readyAt };
    tx.emit(pipelineStepWaiting.draft(runSubject(run.run), waiting));
  }
  if (status === 'queued' || status === 'running' || status === 'waiting') return;
  const data = { run: run.run, pipeline: run.pipeline, step: name, status, reason };
  tx.emit(pipelineStepFinished.draft(runSubject(run.run), data));
}
