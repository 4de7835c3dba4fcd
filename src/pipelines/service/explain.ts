import type { Json } from '#core/json';
import { differencesOf, type IngredientDifference } from '../cache-key.ts';
import type { CacheExplanation } from '../contract.ts';
import { pipelineErrors } from '../errors.ts';
import { childrenOf } from '../nested/store.ts';
import { findCacheEntry } from '../store/cache.ts';
import { findRun } from '../store/runs.ts';
import { definitionOf, earlierKeys, findKey, findStep, type KeyedStep, type StepDefinition } from '../store/steps.ts';
import type { Db } from '../store/tables.ts';
import { lastVerification } from '../store/verifications.ts';

/** Earlier keys among which the nearest is sought. */
const EARLIER_MAX = 50;

type Explained = Omit<CacheExplanation, 'verification'>;

/** Why a step ran or did not: who did the work, or the ingredients in which its key differs from the nearest one. */
export async function explainCache(db: Db, runId: string, stepName: string): Promise<CacheExplanation> {
  const run = await findRun(db, runId);
  if (!run) throw pipelineErrors['run-not-found'](`there is no pipeline run '${runId}'`);
  const step = await findStep(db, runId, stepName);
  if (!step) throw pipelineErrors['step-not-found'](`run '${runId}' has no step '${stepName}'`);
  const definition = await definitionOf(db, runId, stepName);
  const { cache, pipeline, map } = definition;
  const nothing = { key: null, other: null, verification: null, differences: [] };
  if (pipeline) {
    const child = (await childrenOf(db, runId)).get(stepName);
    const notYet = map ? 'in the run of its unit' : 'once it is started';
    const where = child === undefined ? notYet : `in run ${child}`;
    const text = `the step runs pipeline '${pipeline.name}', of which each step is looked for in the cache ${where}`;
    return { outcome: 'off', text, ...nothing };
  }
  if (!cache) return { outcome: 'off', text: 'the step declares cache: false, so it always runs', ...nothing };
  const keyed = await findKey(db, runId, stepName);
  if (!keyed) {
    const text = 'the key is known when the inputs of the step are, and they are not (yet)';
    return { outcome: 'waiting', text, ...nothing };
  }
  const verification = await lastVerification(db, keyed.key);
  if (step.status === 'cached') return { ...(await explainHit(db, keyed, step.cachedFrom)), verification };
  const earlier = await earlierKeys(
    db,
    { pipeline: run.pipeline, step: stepName, run: runId, keyedAt: keyed.keyedAt },
    EARLIER_MAX,
  );
  return { ...explainMiss(keyed, earlier, definition), verification };
}

/** The cache may have newer work by now than that which was taken. */
async function explainHit(db: Db, { key }: KeyedStep, run: string | null): Promise<Explained> {
  const entry = await findCacheEntry(db, key);
  const taken = entry?.run === run ? entry : undefined;
  const step = taken ? `step '${taken.step}' of ` : 'what was taken from ';
  const other = run === null ? null : { run, key, at: taken?.createdAt ?? (await findRun(db, run))?.createdAt ?? 0 };
  const text = `every ingredient is equal to that of ${step}run ${run}, which did the work`;
  return { outcome: 'hit', key, text, other, differences: [] };
}

/** Names the ingredients in which a key differs from the nearest of earlier ones. */
export function explainMiss(
  keyed: KeyedStep,
  earlier: readonly KeyedStep[],
  { cacheMaxAgeMs }: Pick<StepDefinition, 'cacheMaxAgeMs'>,
): Explained {
  let nearest: { readonly keyed: KeyedStep; readonly differences: IngredientDifference[] } | undefined;
  for (const candidate of earlier) {
    const differences = differencesOf(candidate.ingredients, keyed.ingredients);
    if (!nearest || differences.length < nearest.differences.length) nearest = { keyed: candidate, differences };
  }
  const base = { outcome: 'miss' as const, key: keyed.key };
  if (!nearest) {
    const text = 'no earlier run of this step has succeeded with the cache on';
    return { ...base, text, other: null, differences: [] };
  }
  const { run, key, keyedAt } = nearest.keyed;
  const names = nearest.differences.map(({ ingredient }) => ingredient).join(', ');
  const absent =
    cacheMaxAgeMs === undefined ? 'not in the cache yet' : 'not in the cache yet, or older than its maxAge,';
  const text =
    nearest.differences.length > 0
      ? `compared with the nearest earlier key, that of run ${run}, these differ: ${names}`
      : `run ${run} has the same key, but its work was ${absent} when this step became ready`;
  const differences = nearest.differences.map((item): { ingredient: string; before: Json; now: Json } => ({ ...item }));
  return { ...base, text, other: { run, key, at: keyedAt }, differences };
}
