import { digestOf } from '#core/hash';
import type { Json } from '#core/json';
import type { Tx } from '#platform/db';
import { cacheKeyOf, ingredientsOf } from '../cache-key.ts';
import { type Artifact, RESULT_LENGTH_MAX } from '../contract.ts';
import { type AttemptStatus, decide, type Fact, type StepState } from '../model.ts';
import { nestedUnits } from '../nested/units.ts';
import { freshSince } from '../store/cache.ts';
import type { StoredRun } from '../store/runs.ts';
import { updateStepState } from '../store/step-state.ts';
import { definitionOf, type StepDefinition, saveProduct } from '../store/steps.ts';
import type { Db } from '../store/tables.ts';
import { failedUnit, findCacheEntries, insertUnits, type NewUnit, unitProducts, unitState } from '../store/units.ts';
import { itemsOf, type ResolvedMap, unitName, unitParams } from '../units.ts';

export type UnitFact = Extract<Fact, { readonly step: string }>;

/**
 * Divides a step that may run now into its units, and takes those from the cache whose work is there. Throws a
 * `RangeError` for items that are no list.
 */
export async function expand(
  tx: Tx,
  run: StoredRun,
  of: {
    readonly step: string;
    readonly map: ResolvedMap;
    readonly result: Json | undefined;
    readonly definition: StepDefinition;
    readonly inputs: Readonly<Record<string, Artifact>>;
  },
): Promise<void> {
  const { map: _map, when: _when, ...shared } = of.definition;
  const items = itemsOf(of.map, of.result);
  const to = { run: run.run, step: of.step, now: tx.now, paused: run.pausedAt !== null };
  if (shared.pipeline) {
    return insertUnits(
      tx.db,
      { ...to, nested: true },
      await nestedUnits(tx, { ...of, pipeline: shared.pipeline, items }),
    );
  }
  const drafts = items.map((item, index): Omit<NewUnit, 'hit'> => {
    const definition = { ...shared, params: unitParams(shared.params, item, index) };
    const base = { name: unitName(of.step, index), definition, inputs: of.inputs };
    if (!definition.cache) return { ...base, keyed: undefined };
    const ingredients = ingredientsOf({ definition, inputs: of.inputs, code: run.code, seed: run.seed });
    return { ...base, keyed: { key: cacheKeyOf(ingredients), ingredients } };
  });
  const known = await findCacheEntries(
    tx.db,
    drafts.flatMap(({ keyed }) => (keyed ? [keyed.key] : [])),
    freshSince(shared, tx.now),
  );
  const units = drafts.map((draft) => ({ ...draft, hit: draft.keyed && known.get(draft.keyed.key) }));
  await insertUnits(tx.db, { ...to, nested: false }, units);
}

/**
 * Applies a fact to a unit alone: what it costs does not depend on how many there are. What follows for its step is for
 * the caller.
 */
export async function advanceUnit(
  tx: Tx,
  run: StoredRun,
  fact: UnitFact,
): Promise<
  | {
      readonly unit: StepState;
      readonly attempt: AttemptStatus | undefined;
      /** It failed, and its step says that the others are not to go on: why they are cancelled. */
      readonly stop: string | undefined;
    }
  | 'stale'
> {
  const before = await unitState(tx.db, run.run, fact.step);
  if (!before) return 'stale';
  const decision = decide({ status: run.status, paused: run.pausedAt !== null, steps: [before] }, fact);
  if (decision === 'stale') return 'stale';
  for (const state of decision.changed) await updateStepState(tx.db, run.run, state, tx.now);
  const unit = decision.run.steps[0] ?? before;
  const mayStop =
    unit.status === 'failed' && (await definitionOf(tx.db, run.run, unit.name)).unitLimits?.stopsAtFailure;
  const stop = mayStop ? `unit '${unit.name}' failed` : undefined;
  return { unit, attempt: decision.attempt, stop };
}

/** All units of a step have ended: keeps their results as its own, if they are not too large together. */
export async function gather(tx: Tx, run: string, step: string): Promise<Fact> {
  const failed = await failedUnit(tx.db, run, step);
  const now = tx.now;
  if (failed) return { type: 'mapped', step, now, ok: false, reason: `unit '${failed.name}' failed: ${failed.reason}` };
  const results = (await unitProducts(tx.db, run, step)).map(({ result }) => result);
  const isSmall = JSON.stringify(results).length <= RESULT_LENGTH_MAX;
  await saveProduct(tx.db, { run, step }, { outputs: {}, result: isSmall ? results : null, metrics: {} });
  return { type: 'mapped', step, now, ok: true, reason: null };
}

/**
 * What a step gets that reads an output of all units of another: a list of them as JSON, in the order of the units. The
 * worker adds the path of each file. It is put into the blob store when the step is leased.
 */
export async function unitManifest(
  tx: { readonly db: Db },
  of: { readonly run: string; readonly step: string; readonly output: string },
): Promise<{ readonly text: string; readonly artifact: Artifact }> {
  const blobs = (await unitProducts(tx.db, of.run, of.step)).flatMap(({ name, outputs }) => {
    const artifact = outputs[of.output];
    return artifact ? [listed(name, artifact)] : [];
  });
  return listOf(blobs);
}

type Listed = ReturnType<typeof listed>;

/** What a unit wrote, in the list of what all wrote. */
export function listed(unit: string, { digest, bytes, directory }: Artifact) {
  return { unit, digest, bytes, ...(directory ? { directory: true } : {}) };
}

export function listOf(blobs: readonly Listed[]): { readonly text: string; readonly artifact: Artifact } {
  const text = JSON.stringify({ blobs });
  return { text, artifact: { digest: digestOf(text), bytes: Buffer.byteLength(text), manifest: true } };
}
