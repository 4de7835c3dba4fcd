import { digestOfJson } from '#core/hash';
import { pipelineErrors } from '../errors.ts';
import { childrenOf } from '../nested/store.ts';
import { outputName } from '../outputs.ts';
import { unitManifest } from '../service/units.ts';
import { placesOf } from '../store/attempts.ts';
import { definitionsOf } from '../store/kept-steps.ts';
import { findRun, type StoredRun } from '../store/runs.ts';
import { stepStates } from '../store/step-state.ts';
import type { Db } from '../store/tables.ts';
import { unitProducts } from '../store/units.ts';
import { stepOfUnit } from '../units.ts';
import type { RecordView, RunRecord, StepRecord } from './contract.ts';
import type { Environment } from './environment.ts';
import { environmentsOf, findRecord, originOf, type RunOrigin, type StepFacts, stepFacts } from './store.ts';

/** Differing units that a comparison names. */
const UNITS_NAMED_MAX = 20;

/** The sealed record of a run that is over; of one that goes on, what is known so far. */
export async function recordView(db: Db, run: string): Promise<RecordView> {
  const sealed = await findRecord(db, run);
  if (sealed) return { digest: sealed.digest, sealedAt: sealed.sealedAt, record: sealed.body as RunRecord };
  return { digest: null, sealedAt: null, record: await recordOf(db, run) };
}

/** All that a run was made from and made. Of a run that is over nothing of it changes any more. */
export async function recordOf(db: Db, runId: string): Promise<RunRecord> {
  const run = await findRun(db, runId);
  if (!run) throw pipelineErrors['run-not-found'](`there is no pipeline run '${runId}'`);
  const { source, reproduces } = await originOf(db, runId);
  const { bySteps, environments } = await environmentsOf(db, runId);
  const places = await placesOf(db, runId);
  const children = await childrenOf(db, runId);
  const steps: StepRecord[] = [];
  for (const facts of await stepFacts(db, runId)) {
    const outputs = facts.definition.map ? await dividedOutputs(db, runId, facts) : facts.outputs;
    const made = { outputs, environments: bySteps.get(facts.step) ?? [], places: places.get(facts.step) ?? [] };
    steps.push(stepRecord(facts, { ...made, child: children.get(facts.step) ?? null }));
  }
  const { pipeline, generation, project, status, params, seed, cause, origin, partition } = run;
  return {
    schema: 1,
    ...{ run: runId, pipeline, generation, project, status },
    ...{ source: source ?? null, code: run.code, params, seed, cause },
    ...{ origin, reproduces: reproduces ?? null, partition, inputs: run.inputs },
    ...{ createdAt: run.createdAt, startedAt: run.startedAt, finishedAt: run.finishedAt },
    steps,
    environments,
  };
}

function stepRecord(
  facts: StepFacts,
  { child: run, ...made }: Pick<StepRecord, 'outputs' | 'environments' | 'places'> & { readonly child: string | null },
): StepRecord {
  const { definition, inputs } = facts;
  const { pipeline } = definition;
  const { wait } = definition;
  const waited = wait && ('event' in wait ? ('event' as const) : ('time' as const));
  const waits = definition.approval ? ('approval' as const) : waited;
  return {
    ...{ step: facts.step, status: facts.status },
    program: {
      ...(definition.function ? { function: definition.function } : {}),
      ...(definition.command ? { command: [...definition.command] } : {}),
      ...(waits ? { waits } : {}),
      ...(pipeline ? { pipeline: { name: pipeline.name, generation: pipeline.generation, run } } : {}),
    },
    params: { ...definition.params },
    env: { ...definition.env },
    ...(definition.files ? { files: { ...definition.files } } : {}),
    ...(definition.runtime ? { runtime: { ...definition.runtime } } : {}),
    deterministic: definition.deterministic !== false,
    inputs: Object.fromEntries(
      Object.entries(inputs).map(([name, found]) => [name, { ...found, from: definition.inputs[name] ?? '' }]),
    ),
    ...made,
    result: facts.result === null ? null : digestOfJson(facts.result),
    metrics: { ...facts.metrics },
    ...{ cachedFrom: facts.cachedFrom, reason: facts.reason },
  };
}

/** The outputs of a step that was divided, each as the list of what its units wrote. */
async function dividedOutputs(db: Db, run: string, { step, definition }: StepFacts): Promise<StepRecord['outputs']> {
  const products = await unitProducts(db, run, step);
  const outputs: Record<string, StepRecord['outputs'][string]> = {};
  for (const output of definition.outputs.map(outputName)) {
    const units = products.filter((product) => product.outputs[output]).length;
    if (units > 0) outputs[output] = { ...(await unitManifest({ db }, { run, step, output })).artifact, units };
  }
  return outputs;
}

/** Units of a divided step whose output differs between two runs, at most twenty. */
export async function differingUnits(
  db: Db,
  of: { readonly before: string; readonly now: string; readonly step: string; readonly output: string },
): Promise<string[]> {
  const [before, now] = await Promise.all([of.before, of.now].map((run) => unitProducts(db, run, of.step)));
  const known = new Map((before ?? []).map(({ name, outputs }) => [name, outputs[of.output]?.digest]));
  return (now ?? [])
    .filter(({ name, outputs }) => known.get(name) !== outputs[of.output]?.digest)
    .slice(0, UNITS_NAMED_MAX)
    .map(({ name }) => name);
}

/** A run with those of its steps that are asked for: what others tell of it. */
export interface RunFacts {
  readonly run: StoredRun;
  /** The step that it is, of which run; null for one by itself. Of a unit, the step that was divided. */
  readonly within: { readonly run: string; readonly pipeline: string; readonly step: string } | null;
  /** The outermost run that it lies in, itself if in none. */
  readonly root: { readonly run: string; readonly pipeline: string };
  readonly origin: RunOrigin;
  readonly steps: readonly StepFacts[];
  readonly environments: readonly Environment[];
}

/** The facts of a run and of one of its steps; without a name, of the run alone. */
export async function runFacts(db: Db, runId: string, step?: string): Promise<RunFacts | undefined> {
  const run = await findRun(db, runId);
  if (!run) return undefined;
  const { bySteps, environments } = step === undefined ? NOWHERE : await environmentsOf(db, runId, step);
  const ran = bySteps.get(step ?? '') ?? [];
  const steps = step === undefined ? [] : await stepFacts(db, runId, step);
  return {
    run,
    ...(await aroundOf(db, run)),
    origin: await originOf(db, runId),
    steps: await Promise.all(steps.map((facts) => withDivided(db, runId, facts))),
    environments: ran.flatMap((digest) => environments[digest] ?? []),
  };
}

/** A divided step that is over, with the list of what its units wrote for each output. */
async function withDivided(db: Db, run: string, facts: StepFacts): Promise<StepFacts> {
  if (!facts.definition.map || facts.status !== 'succeeded') return facts;
  const lists = Object.entries(await dividedOutputs(db, run, facts));
  return { ...facts, outputs: Object.fromEntries(lists.map(([name, { units: _units, ...list }]) => [name, list])) };
}

/** Where a run lies: in which step, and in which run in the end. */
async function aroundOf(db: Db, run: StoredRun): Promise<Pick<RunFacts, 'within' | 'root'>> {
  const { within } = run.cause;
  const around = within && (await findRun(db, within.run));
  if (!within || !around) return { within: null, root: { run: run.run, pipeline: run.pipeline } };
  const { root } = await aroundOf(db, around);
  const step = stepOfUnit(within.step) ?? within.step;
  return { within: { run: around.run, pipeline: around.pipeline, step }, root };
}

/** The steps of a run with what each needs, and which of them are runs of another pipeline or divided. */
export async function runGraph(db: Db, run: string) {
  const definitions = new Map((await definitionsOf(db, run)).map(({ name, definition }) => [name, definition]));
  return (await stepStates(db, run)).map(({ name, needs }) => {
    const { pipeline, map } = definitions.get(name) ?? {};
    return { step: name, needs, pipeline: pipeline?.name ?? null, divided: map !== undefined };
  });
}

const NOWHERE = { bySteps: new Map<string, never>(), environments: {} as Record<string, Environment> };
