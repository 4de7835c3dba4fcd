import type { Json } from '#core/json';
import { differencesOf } from '../cache-key.ts';
import { environmentDifferences, productsOf } from './compare.ts';
import type { RecordView, RunDifference, RunRecord, StepDifference, StepRecord } from './contract.ts';
import type { StepKey } from './store.ts';

/** A run as it is compared: its record, and when each step ran under which cache key. */
export interface ComparedRun {
  readonly view: RecordView;
  readonly keys: ReadonlyMap<string, StepKey>;
}

const DONE = new Set(['succeeded', 'cached']);

/** What differs between any two runs: what they were made from, and step by step what came of it. */
export function differenceOf(before: ComparedRun, now: ComparedRun): RunDifference {
  const named = (run: ComparedRun) => new Map(run.view.record.steps.map((step) => [step.step, step]));
  const [earlier, later] = [named(before), named(now)];
  const steps = [...new Set([...earlier.keys(), ...later.keys()])].map((step) => {
    const sides = [earlier.get(step), later.get(step)] as const;
    return stepDifference(step, { run: before, step: sides[0] }, { run: now, step: sides[1] });
  });
  const made = differencesOf(origins(before.view.record), origins(now.view.record));
  return {
    before: sideOf(before.view),
    now: sideOf(now.view),
    made: made.map(({ ingredient: name, before: was, now: is }) => ({ name, before: was, now: is })),
    steps,
  };
}

/** What a run is made from, beside its steps. */
function origins(record: RunRecord): Json {
  const { pipeline, generation, project, partition, params, seed, code, source } = record;
  return JSON.parse(JSON.stringify({ pipeline, generation, project, partition, params, seed, code, source }));
}

function sideOf({ digest, record }: RecordView): RunDifference['before'] {
  const { run, pipeline, generation, status, cause, params, seed, code } = record;
  const { createdAt, startedAt, finishedAt } = record;
  return { run, pipeline, generation, status, cause, params, seed, code, createdAt, startedAt, finishedAt, digest };
}

interface OfRun {
  readonly run: ComparedRun;
  readonly step: StepRecord | undefined;
}

function stepDifference(step: string, before: OfRun, now: OfRun): StepDifference {
  const [then, found] = [before.step, now.step];
  const base = { step, before: stepSide(before), now: stepSide(now) };
  const nothing = { products: [], ingredients: [], environment: [], metrics: [] };
  if (!then || !found) return { ...base, verdict: 'absent', ...nothing };
  const areDone = DONE.has(then.status) && DONE.has(found.status);
  const products = areDone ? productsOf(then, found) : [];
  const isSame = products.every(({ same }) => same);
  return {
    ...base,
    verdict: !areDone
      ? 'undone'
      : isSame
        ? 'same'
        : then.deterministic && found.deterministic
          ? 'different'
          : 'varying',
    products,
    ingredients: differencesOf(ingredientsOf(before, then), ingredientsOf(now, found)),
    environment: areDone
      ? environmentDifferences(
          { record: before.run.view.record, step: then },
          { record: now.run.view.record, step: found },
        )
      : [],
    metrics: [...new Set([...Object.keys(then.metrics), ...Object.keys(found.metrics)])].map((name) => ({
      ...{ name, before: then.metrics[name] ?? null, now: found.metrics[name] ?? null },
    })),
  };
}

function stepSide({ run, step }: OfRun): StepDifference['before'] {
  if (!step) return null;
  const { key = null, startedAt = null, finishedAt = null } = run.keys.get(step.step) ?? {};
  return { status: step.status, startedAt, finishedAt, key, cachedFrom: step.cachedFrom, reason: step.reason };
}

/** The ingredients of its cache key; of a step without one, what the record has of them. */
function ingredientsOf({ run }: OfRun, record: StepRecord): Json {
  const { program, params, env, files, runtime, inputs, outputs } = record;
  const known = run.keys.get(record.step)?.ingredients;
  if (known !== undefined && known !== null) return known;
  const { code, seed } = run.view.record;
  const digests = Object.fromEntries(Object.entries(inputs).map(([name, { digest }]) => [name, digest]));
  const own = program.function ? { code, ...program.function } : { command: program.command ?? [] };
  const more = { ...(files ? { files } : {}), ...(runtime ? { runtime } : {}) };
  return { program: own, params, inputs: digests, outputs: Object.keys(outputs).sort(), env, seed, ...more };
}
