import { assert } from '#core/assert';
import type { Tx } from '#platform/db';
import { cacheKeyOf, ingredientsOf } from '../cache-key.ts';
import type { Artifact } from '../contract.ts';
import { pipelineRunFinished, pipelineStepFinished } from '../events.ts';
import { parseOutputRef } from '../graph.ts';
import { type AttemptStatus, decide, type Fact, isFinalRun, type RunState, type StepState } from '../model.ts';
import { type CacheEntry, findCacheEntry } from '../store/cache.ts';
import { type StoredRun, updateRun } from '../store/runs.ts';
import {
  definitionOf,
  outputsByStep,
  type StepDefinition,
  saveInputs,
  saveKey,
  saveProduct,
  stepStates,
  updateStepState,
} from '../store/steps.ts';

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
  let state: RunState = { status: run.status, steps: await stepStates(tx.db, run.run) };
  let attempt: AttemptStatus | undefined;
  const pending: Fact[] = [fact];
  for (const next of pending) {
    const decision = decide(state, next);
    if (decision === 'stale') {
      assert(next === fact, `a hit of run ${run.run} was refused`);
      return 'stale';
    }
    const before = new Map(state.steps.map((step) => [step.name, step]));
    state = decision.run;
    attempt ??= decision.attempt;
    for (const step of decision.changed) {
      await updateStepState(tx.db, run.run, step, tx.now);
      emitStepFinished(tx, run, step);
      const becameReady = step.readyAt !== null && before.get(step.name)?.readyAt === null;
      const hit = becameReady && step.status === 'queued' ? await prepare(tx, run, step.name) : undefined;
      if (!hit) continue;
      await takeFromCache(tx, { run: run.run, step: step.name }, hit);
      pending.push({ type: 'hit', step: step.name, now: tx.now });
    }
  }
  await saveRun(tx, run, { state, reason: fact.type === 'cancelled' ? fact.reason : undefined });
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

/** Resolves the inputs of a step that may run now, and looks for its work in the cache. */
async function prepare(tx: Tx, run: StoredRun, step: string): Promise<CacheEntry | undefined> {
  const definition = await definitionOf(tx.db, run.run, step);
  const inputs = await resolveInputs(tx, run.run, definition);
  await saveInputs(tx.db, { run: run.run, step }, inputs);
  if (!definition.cache) return undefined;
  const ingredients = ingredientsOf({ definition, inputs, code: run.code, seed: run.seed });
  const key = cacheKeyOf(ingredients);
  await saveKey(tx.db, { run: run.run, step, key, ingredients, keyedAt: tx.now });
  return findCacheEntry(tx.db, key);
}

async function resolveInputs(
  tx: Pick<Tx, 'db'>,
  run: string,
  { inputs, pinned }: StepDefinition,
): Promise<Record<string, Artifact>> {
  const entries = Object.entries(inputs).filter(([name]) => !pinned[name]);
  if (entries.length === 0) return { ...pinned };
  const outputs = await outputsByStep(tx.db, run);
  const resolved = entries.map(([name, text]) => {
    const ref = parseOutputRef(text);
    const artifact = ref && outputs.get(ref.step)?.[ref.output];
    assert(artifact, `the input '${name}' of a ready step, ${text}, does not exist in run ${run}`);
    return [name, artifact] as const;
  });
  return { ...pinned, ...Object.fromEntries(resolved) };
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
  assert(status === 'succeeded' || status === 'failed' || status === 'cancelled', `${status} is not final`);
  const { pipeline, generation, project, cause } = run;
  const data = { run: run.run, pipeline, generation, project, status, cause, reason, outputs };
  tx.emit(pipelineRunFinished.draft(runSubject(run.run), data));
  tx.audit(runSubject(run.run), { finished: status, reason });
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

function emitStepFinished(tx: Tx, run: StoredRun, { name, status, reason }: StepState): void {
  if (status === 'queued' || status === 'running') return;
  const data = { run: run.run, pipeline: run.pipeline, step: name, status, reason };
  tx.emit(pipelineStepFinished.draft(runSubject(run.run), data));
}
