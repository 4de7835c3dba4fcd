import type { Cause } from '#core/cause';
import { digestOfJson } from '#core/hash';
import type { System } from '#core/system';
import { durationMs } from '#core/units';
import type { Tx } from '#platform/db';
import type { Artifact } from '../contract.ts';
import { pipelineErrors } from '../errors.ts';
import { pipelineRunStarted } from '../events.ts';
import { upstreamOf } from '../graph.ts';
import type { StepState } from '../model.ts';
import { interpolate, type ParamValue, resolveParams } from '../params.ts';
import { type Pins, pinReferences } from '../references.ts';
import type { StepSpec } from '../spec.ts';
import { findPipeline, findRun, insertRun, type StoredRun } from '../store/runs.ts';
import { insertSteps, type StepDefinition } from '../store/steps.ts';
import { advance, runSubject } from './advance.ts';

export interface StartRun {
  readonly pipeline: string;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly cause: Cause;
  readonly project?: string | undefined;
  /** Seeds the random numbers of the steps; part of the cache key. */
  readonly seed?: number | undefined;
  /** Makes the request idempotent: the same key of the same pipeline is the same run. */
  readonly key?: string | undefined;
}

/** Creates a run of the pipeline as it is declared in this transaction. */
export async function startRun(
  tx: Tx,
  request: StartRun,
  { system, seed, pins }: { readonly system: System; readonly seed: number; readonly pins: Pins },
): Promise<StoredRun> {
  const pipeline = await findPipeline(tx.db, request.pipeline);
  if (!pipeline) {
    throw pipelineErrors['not-found'](`there is no pipeline '${request.pipeline}': declare it with kedge apply`);
  }
  const { params, issues } = resolveParams(pipeline.spec.params, request.params ?? {});
  if (issues.length > 0) {
    const first = `${issues[0]?.path} ${issues[0]?.message}`;
    throw pipelineErrors['invalid-params'](`pipeline '${request.pipeline}': ${first}`, issues.slice(0, 20));
  }
  const run: StoredRun = {
    run: request.key === undefined ? system.ids.next('prun') : keyedRunId(request.pipeline, request.key),
    pipeline: request.pipeline,
    generation: pipeline.generation,
    project: request.project ?? null,
    status: 'queued',
    params,
    seed: request.seed ?? seed,
    code: pipeline.spec.code ?? null,
    cause: request.cause,
    createdAt: tx.now,
    startedAt: null,
    finishedAt: null,
    reason: null,
    outputs: {},
  };
  const steps = [];
  for (const step of pipeline.spec.steps) {
    const pinned = await pinReferences(tx, step.inputs, pins);
    steps.push({ state: initialState(step), definition: definitionFrom(step, params, pinned) });
  }
  await insertRun(tx.db, run);
  await insertSteps(tx.db, run, steps);
  const { generation, project, cause } = run;
  const started = { run: run.run, pipeline: run.pipeline, generation, project, cause };
  tx.emit(pipelineRunStarted.draft(runSubject(run.run), started));
  tx.audit(runSubject(run.run), {
    pipeline: run.pipeline,
    generation,
    params,
    cause: { ...cause, at: cause.at ?? null },
  });
  await advance(tx, run, { type: 'started', now: tx.now });
  return (await findRun(tx.db, run.run)) ?? run;
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
    retries: step.retries,
    failures: 0,
    losses: 0,
    readyAt: null,
    reason: null,
  };
}

function definitionFrom(
  step: StepSpec,
  params: Readonly<Record<string, ParamValue>>,
  pinned: Readonly<Record<string, Artifact>>,
): StepDefinition {
  const values = Object.entries(step.params).map(([name, value]) => [name, interpolate(value, params)] as const);
  return {
    function: step.function,
    command: step.command,
    params: Object.fromEntries(values),
    inputs: step.inputs,
    pinned,
    outputs: step.outputs,
    cache: step.cache,
    timeoutMs: durationMs(step.timeout),
    env: step.env,
    labels: step.labels,
  };
}
