import { canonicalJson, type Json } from '#core/json';
import { differencesOf } from '../cache-key.ts';
import type { RunRecord, StepComparison, StepRecord } from './contract.ts';

/** The name under which what a step returned stands among its outputs. No output has such a name. */
const RESULT = '(result)';

const DONE = new Set(['succeeded', 'cached']);
const FINAL = new Set(['succeeded', 'cached', 'failed', 'skipped', 'cancelled']);

/** Compares two records step by step, by the digests of what each made. */
export function compareRecords(before: RunRecord, now: RunRecord): StepComparison[] {
  return before.steps.map((then) => {
    const found = now.steps.find(({ step }) => step === then.step);
    return compareSteps({ record: before, step: then }, { record: now, step: found ?? { ...then, status: 'skipped' } });
  });
}

interface OfRun {
  readonly record: RunRecord;
  readonly step: StepRecord;
}

function compareSteps(before: OfRun, now: OfRun): StepComparison {
  const [then, found] = [before.step, now.step];
  const bothDone = DONE.has(then.status) && DONE.has(found.status);
  const products = bothDone ? productsOf(then, found) : [];
  return {
    ...{ step: then.step, before: then.status, now: found.status, reason: found.reason },
    deterministic: then.deterministic,
    verdict: verdictOf(
      then,
      found,
      products.every(({ same }) => same),
    ),
    products,
    environment: bothDone ? environmentDifferences(before, now) : [],
  };
}

function verdictOf(then: StepRecord, now: StepRecord, same: boolean): StepComparison['verdict'] {
  if (!FINAL.has(now.status)) return 'pending';
  if (now.program.waits || (!DONE.has(then.status) && then.status !== 'failed' && then.status === now.status)) {
    return 'kept';
  }
  const alike = DONE.has(then.status) ? DONE.has(now.status) : then.status === now.status;
  if (!alike) return 'different';
  if (same) return 'same';
  return then.deterministic ? 'different' : 'varying';
}

/** What two steps made, by name, with whether the digests are equal. */
export function productsOf(then: StepRecord, now: StepRecord): StepComparison['products'] {
  const names = [...new Set([...Object.keys(then.outputs), ...Object.keys(now.outputs)])];
  const products = names.map((output) => {
    const [a, b] = [then.outputs[output]?.digest ?? null, now.outputs[output]?.digest ?? null];
    return { output, before: a, now: b, same: a === b };
  });
  if (then.result === null && now.result === null) return products;
  return [...products, { output: RESULT, before: then.result, now: now.result, same: then.result === now.result }];
}

/** Where the environments differ, of a step that ran in one each; else their digests, if those differ. */
export function environmentDifferences(before: OfRun, now: OfRun): StepComparison['environment'] {
  const of = ({ record, step }: OfRun): Json => {
    const [only, ...further] = step.environments;
    if (only === undefined) return null;
    if (further.length > 0) return { environments: step.environments };
    return JSON.parse(canonicalJson(record.environments[only] ?? null));
  };
  const [then, found] = [of(before), of(now)];
  if (then === null || found === null) return [];
  return differencesOf(then, found).map(({ ingredient, before: was, now: is }) => ({
    name: ingredient,
    before: was,
    now: is,
  }));
}
