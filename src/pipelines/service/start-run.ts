import { auditedCause, type Cause } from '#core/cause';
import { digestOfJson } from '#core/hash';
import type { System } from '#core/system';
import { durationMs } from '#core/units';
import type { Context, Tx } from '#platform/db';
import { partitionOf } from '../backfills/partitions.ts';
import type { Artifact, GivenInput, RunView } from '../contract.ts';
import { pipelineErrors } from '../errors.ts';
import { pipelineRunStarted } from '../events.ts';
import { upstreamOf } from '../graph.ts';
import type { StepState } from '../model.ts';
import { pinNested } from '../nested/pins.ts';
import { interpolate, type ParamValue, resolveParams } from '../params.ts';
import type { Source } from '../record/source.ts';
import { type RunOrigin, saveOrigin } from '../record/store.ts';
import { type Pins, parseReference, pinReferences } from '../references.ts';
import { retriesMax, retryPolicyOf } from '../retries.ts';
import type { PipelineSpec, StepSpec } from '../spec.ts';
import { findPipeline, findRun, insertRun, type StoredRun } from '../store/runs.ts';
import { updateStepState } from '../store/step-state.ts';
import { pauseSteps } from '../store/step-times.ts';
import { insertSteps, type StepDefinition, type StepProduct, saveProduct } from '../store/steps.ts';
import { type MapSpec, NESTED_AT_ONCE, type ResolvedMap, resolveMap } from '../units.ts';
import { resolveWait } from '../waits/spec.ts';
import { admitNext, runSubject } from './advance.ts';
import { givenInputsOf } from './given.ts';

const CACHED = 'cached' as const;

export interface StartRun {
  readonly pipeline: string;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  /** References for what the pipeline declares as inputs. */
  readonly inputs?: Readonly<Record<string, string>> | undefined;
  readonly cause: Cause;
  readonly project?: string | undefined;
  /** Seeds the random numbers of the steps; part of the cache key. */
  readonly seed?: number | undefined;
  /** Makes the request idempotent: the same key of the same pipeline is the same run. */
  readonly key?: string | undefined;
  /** Instead of that of the pipeline. */
  readonly priority?: number | undefined;
}

/** Creates a run of the pipeline as it is declared in this transaction. */
export async function startRun(tx: Tx, request: StartRun, surroundings: Surroundings): Promise<StoredRun> {
  const { run, ...built } = await buildRun(tx, request, surroundings);
  return begin(tx, run, { ...built, taken: new Map() });
}

interface Surroundings {
  /** Instead of the pipeline as it is declared. */
  readonly declared?: { readonly generation: number; readonly spec: PipelineSpec };
  /** Instead of the pipelines inside it as they are declared. */
  readonly generations?: Readonly<Record<string, number>>;
  /** What it is given by the step that runs it, or was in an earlier run. */
  readonly given?: Readonly<Record<string, GivenInput>>;
  /** Steps that units of one of its steps may have together, with all inside. */
  readonly budget?: number | undefined;
  readonly system: System;
  readonly seed: number;
  readonly pins: Pins;
}

interface BuiltRun {
  readonly run: StoredRun;
  readonly steps: readonly NewStep[];
  readonly source: Source | undefined;
}

/** A run of the pipeline as it is declared in this transaction, not written yet. */
export async function buildRun(
  tx: Tx,
  request: StartRun,
  { system, seed, pins, declared, generations, given = {}, budget }: Surroundings,
): Promise<BuiltRun> {
  const pipeline = declared ?? (await findPipeline(tx.db, request.pipeline));
  if (!pipeline) {
    throw pipelineErrors['not-found'](`there is no pipeline '${request.pipeline}': declare it with kedge apply`);
  }
  const { params, issues } = resolveParams(pipeline.spec.params, request.params ?? {});
  if (issues.length > 0) {
    const first = `${issues[0]?.path} ${issues[0]?.message}`;
    throw pipelineErrors['invalid-params'](`pipeline '${request.pipeline}': ${first}`, issues.slice(0, 20));
  }
  const of = { pipeline: request.pipeline, declared: pipeline.spec.inputs };
  const project = request.project ?? null;
  const inputs = await givenInputsOf(tx, of, { given, asked: request.inputs ?? {}, pins, project });
  const run: StoredRun = {
    run: request.key === undefined ? system.ids.next('prun') : keyedRunId(request.pipeline, request.key),
    pipeline: request.pipeline,
    generation: pipeline.generation,
    project,
    status: 'queued',
    params,
    seed: request.seed ?? seed,
    code: pipeline.spec.code ?? null,
    cause: request.cause,
    createdAt: tx.now,
    startedAt: null,
    finishedAt: null,
    reason: null,
    inputs,
    outputs: {},
    lane: laneOf(pipeline.spec, params),
    priority: request.priority ?? pipeline.spec.priority ?? 0,
    admittedAt: null,
    pausedAt: null,
    deadlineAt: null,
    origin: null,
    partition: partitionOfRun(pipeline.spec, params),
    verifies: null,
    lateAt: pipeline.spec.sla === undefined ? null : tx.now + durationMs(pipeline.spec.sla),
    lateSince: null,
  };
  const steps = [];
  const inside = await pinNested(tx, { name: request.pipeline, spec: pipeline.spec, generations, budget });
  for (const step of pipeline.spec.steps) {
    const references = await pinReferences(tx, step.inputs, { pins, project: run.project });
    const pinned = { ...givenTo(step, inputs), ...references };
    const definition = definitionFrom(step, { params, pinned, now: tx.now });
    const nested = step.pipeline === undefined ? undefined : inside.get(step.pipeline);
    steps.push({ state: initialState(step), definition: { ...definition, ...(nested ? { pipeline: nested } : {}) } });
  }
  return { run, steps, source: pipeline.spec.source };
}

/** What a step reads of what its run was given. */
function givenTo(step: StepSpec, inputs: Readonly<Record<string, GivenInput>>): Record<string, Artifact> {
  const given: Record<string, Artifact> = {};
  for (const [input, text] of Object.entries(step.inputs)) {
    const reference = parseReference(text);
    const found = reference?.kind === 'input' ? inputs[reference.name] : undefined;
    if (!found) continue;
    const { from: _from, ...artifact } = found;
    given[input] = artifact;
  }
  return given;
}

export type NewStep = Parameters<typeof insertSteps>[2][number];

/**
 * Writes a new run and lets it in, if there is room for it. Steps of `taken` are not done again: they have what another
 * run produced, and count as cached.
 */
export async function begin(
  tx: Tx,
  run: StoredRun,
  {
    steps,
    taken,
    ...from
  }: {
    readonly steps: readonly NewStep[];
    readonly taken: ReadonlyMap<string, StepProduct & { readonly from: string }>;
  } & Partial<RunOrigin>,
): Promise<StoredRun> {
  await insertRun(tx.db, run);
  await saveOrigin(tx.db, run.run, from);
  const isTaken = ({ name, onFailure }: StepState): boolean => taken.has(name) && !onFailure;
  const begun = steps.map((step) =>
    isTaken(step.state) ? { ...step, state: { ...step.state, status: CACHED } } : step,
  );
  await insertSteps(tx.db, run, begun);
  if (run.pausedAt !== null) await pauseSteps(tx.db, run.run, true);
  for (const { state } of begun.filter((step) => isTaken(step.state))) {
    const { from, ...product } = taken.get(state.name) as StepProduct & { readonly from: string };
    await saveProduct(tx.db, { run: run.run, step: state.name }, { ...product, cachedFrom: from });
    await updateStepState(tx.db, run.run, { ...state, reason: `taken over from run ${from}` }, tx.now);
  }
  const { generation, project, cause } = run;
  const started = { run: run.run, pipeline: run.pipeline, generation, project, cause };
  tx.emit(pipelineRunStarted.draft(runSubject(run.run), started));
  tx.audit(runSubject(run.run), {
    pipeline: run.pipeline,
    generation,
    params: run.params,
    origin: run.origin,
    cause: auditedCause(cause),
  });
  await admitNext(tx, run.pipeline);
  return (await findRun(tx.db, run.run)) ?? run;
}

/** A run that does something of an earlier one again, as that was declared. */
export function furtherRun(
  tx: Pick<Tx, 'now'>,
  { run, as }: { readonly run: StoredRun; readonly as: { readonly run: string; readonly cause: Cause } },
): StoredRun {
  const unset = {
    startedAt: null,
    finishedAt: null,
    reason: null,
    admittedAt: null,
    pausedAt: null,
    deadlineAt: null,
    lateAt: null,
    lateSince: null,
  };
  return {
    ...run,
    ...unset,
    ...as,
    status: 'queued',
    createdAt: tx.now,
    outputs: {},
    origin: run.run,
  };
}

export function causeOf({ actor }: Context) {
  return { kind: 'user', id: actor.id, depth: 0 } as const;
}

/** The id of a run that was asked for under a key. */
export function keyedRunId(pipeline: string, key: string): string {
  return `prun_k${digestOfJson([pipeline, key]).slice(7, 31)}`;
}

function initialState(step: StepSpec): StepState {
  return {
    name: step.name,
    status: 'queued',
    needs: upstreamOf(step),
    epoch: 0,
    retries: retriesMax(step.retries),
    failures: 0,
    losses: 0,
    preemptible: step.preemptible?.losses ?? 0,
    preemptions: 0,
    withinMs: step.within === undefined ? null : durationMs(step.within),
    deadlineAt: null,
    onFailure: step.onFailure ?? false,
    readyAt: null,
    reason: null,
  };
}

/** The text under which runs of equal key are counted together. */
function laneOf({ concurrency }: PipelineSpec, params: Readonly<Record<string, ParamValue>>): string | null {
  return concurrency?.key === undefined ? null : String(interpolate(concurrency.key, params));
}

function partitionOfRun({ partitions }: PipelineSpec, params: Readonly<Record<string, ParamValue>>): string | null {
  return (partitions && partitionOf(partitions, params[partitions.param])) ?? null;
}

function mapOf({ name }: StepSpec, map: MapSpec, from: Parameters<typeof resolveMap>[1]): ResolvedMap {
  try {
    return resolveMap(map, from);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw pipelineErrors['invalid-params'](`step '${name}': ${error.message}`);
  }
}

function unitLimitsOf({ map, pipeline }: StepSpec): StepDefinition['unitLimits'] {
  if (!map || (pipeline === undefined && map.failures !== 'stop')) return undefined;
  return { concurrency: map.concurrency ?? NESTED_AT_ONCE, stopsAtFailure: map.failures === 'stop' };
}

function definitionFrom(
  step: StepSpec,
  from: {
    readonly params: Readonly<Record<string, ParamValue>>;
    readonly pinned: Readonly<Record<string, Artifact>>;
    readonly now: number;
  },
): StepDefinition {
  const { params, pinned } = from;
  const values = Object.entries(step.params).map(([name, value]) => [name, interpolate(value, params)] as const);
  return {
    function: step.function,
    command: step.command,
    files: step.files,
    runtime: step.runtime,
    params: Object.fromEntries(values),
    inputs: step.inputs,
    pinned,
    outputs: step.outputs,
    cache: step.cache !== false && !step.onFailure,
    cacheMaxAgeMs: typeof step.cache === 'object' ? durationMs(step.cache.maxAge) : undefined,
    deterministic: step.deterministic,
    retry: retryPolicyOf(step),
    timeoutMs: durationMs(step.timeout),
    env: step.env,
    labels: step.labels,
    resources: step.resources,
    pool: step.pool,
    preemptible: step.preemptible && { on: step.preemptible.on, after: step.preemptible.after },
    when: step.when,
    map: step.map && mapOf(step, step.map, from),
    unitLimits: unitLimitsOf(step),
    approval: step.approval && {
      message: step.approval.message,
      independent: step.approval.independent,
      withinMs: durationMs(step.approval.within),
    },
    wait: step.wait && resolveWait(step.name, step.wait, params),
  };
}

export function viewOf({ code: _code, lane: _lane, deadlineAt: _deadlineAt, ...view }: StoredRun): RunView {
  return view;
}
