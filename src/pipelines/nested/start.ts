import { assert } from '#core/assert';
import { KedgeError } from '#core/errors';
import type { Tx } from '#platform/db';
import type { Consumer } from '#platform/events';
import type { GivenInput } from '../contract.ts';
import { pipelineErrors } from '../errors.ts';
import { pipelineNestedDue } from '../events.ts';
import { advance, auditNested, emitDue } from '../service/advance.ts';
import { inputsFor } from '../service/inputs.ts';
import { leftOf } from '../service/left.ts';
import type { PipelinesDeps } from '../service/service.ts';
import { begin, buildRun, furtherRun, keyedRunId } from '../service/start-run.ts';
import { parseSource } from '../sources.ts';
import { findLeasable } from '../store/leasable.ts';
import { findRun, type StoredRun } from '../store/runs.ts';
import { definitionOf, findStep, type StepDefinition } from '../store/steps.ts';
import { waitingUnits } from '../store/units.ts';
import { NESTED_AT_ONCE } from '../units.ts';
import type { NestedDefinition } from './pins.ts';
import { findGeneration } from './store.ts';

/** How long such a run waits for room among those of its pipeline. Pipelines that changed may wait for each other. */
const ADMITTED_WITHIN_MS = 7 * 86_400_000;

/** Units that are started in one transaction; others wait in line behind it. */
const STARTED_MAX = 20;

/** Starts the run of each step that runs another pipeline: once, in the transaction that takes the event. */
export function nestedConsumer(deps: PipelinesDeps): Consumer {
  return {
    name: 'pipelines.nested',
    types: [pipelineNestedDue.type],
    action: 'pipeline-run.start',
    async handle(tx, event) {
      const { run, step } = pipelineNestedDue.read(event);
      const parent = await findRun(tx.db, run);
      const found = parent && (await findStep(tx.db, run, step));
      // It may have been cancelled meanwhile.
      if (!parent || found?.status !== 'running' || parent.status === 'cancelling') return;
      const definition = await definitionOf(tx.db, run, step);
      if (definition.map) await startUnits(tx, { parent, step, definition }, deps);
      else await startOnce(tx, { parent, step, definition }, deps);
    },
  };
}

interface Due {
  readonly parent: StoredRun;
  readonly step: string;
  readonly definition: StepDefinition;
  readonly pipeline: NestedDefinition;
  readonly id: string;
}

async function startOnce(tx: Tx, due: Pick<Due, 'parent' | 'step' | 'definition'>, deps: PipelinesDeps): Promise<void> {
  const { pipeline } = due.definition;
  const id = keyedRunId(pipeline?.name ?? '', `${due.parent.run}/${due.step}`);
  if (!pipeline || (await findRun(tx.db, id))) return;
  await startNested(tx, { ...due, pipeline, id }, deps);
}

/** Starts the runs of as many units as may go on. What goes on is looked up and never counted along. */
async function startUnits(
  tx: Tx,
  { parent: { run }, step, definition }: Pick<Due, 'parent' | 'step' | 'definition'>,
  deps: PipelinesDeps,
): Promise<void> {
  const concurrency = definition.unitLimits?.concurrency ?? NESTED_AT_ONCE;
  const units = await waitingUnits(tx.db, { run, step }, { concurrency, limit: STARTED_MAX });
  for (const unit of units) {
    // Looked up again each time: a run of cached steps ends as it is started, and a failure may end the others.
    const parent = await findRun(tx.db, run);
    if (parent?.status !== 'running') return;
    const advanced = await advance(tx, parent, { type: 'expanded', step: unit, now: tx.now });
    if (advanced === 'stale') continue;
    await startOnce(tx, { parent, step: unit, definition: await definitionOf(tx.db, run, unit) }, deps);
  }
  const parent = await findRun(tx.db, run);
  if (parent?.status === 'running' && units.length === STARTED_MAX) emitDue(tx, parent, step);
}

async function startNested(tx: Tx, due: Due, deps: PipelinesDeps): Promise<void> {
  const { parent, step } = due;
  let built: Awaited<ReturnType<typeof buildNested>>;
  try {
    built = await buildNested(tx, due, deps);
  } catch (error) {
    if (!(error instanceof KedgeError)) throw error;
    const advanced = await advance(tx, parent, { type: 'mapped', step, now: tx.now, ok: false, reason: error.message });
    if (advanced !== 'stale') auditNested(tx, { run: parent.run, step, child: null }, advanced);
    return;
  }
  const { run, ...from } = built;
  const pausedAt = parent.pausedAt === null ? null : tx.now;
  await begin(tx, { ...run, pausedAt, deadlineAt: tx.now + ADMITTED_WITHIN_MS }, from);
}

/** The run of a step: with the project, seed and priority of its parent, and what is left of an earlier one if told. */
async function buildNested(tx: Tx, { parent, step, definition, pipeline, id }: Due, deps: PipelinesDeps) {
  const cause = { ...parent.cause, within: { run: parent.run, step } };
  const before = pipeline.resumes === undefined ? undefined : await findRun(tx.db, pipeline.resumes);
  if (before) {
    const run = furtherRun(tx, { run: before, as: { run: id, cause } });
    return { run: { ...run, priority: parent.priority }, ...(await leftOf(tx, before.run)) };
  }
  const { name, generation, generations, budget } = pipeline;
  const spec = await findGeneration(tx.db, name, generation);
  if (!spec) throw pipelineErrors['not-found'](`pipeline '${name}' is not there as it was under ${generation}`);
  const { project, seed, priority } = parent;
  const request = { pipeline: name, params: definition.params, cause, seed, priority };
  const pins = deps.pins ?? {};
  const given = await givenBy(tx, { parent, step, definition }, deps);
  const built = await buildRun(
    tx,
    { ...request, ...(project === null ? {} : { project }), key: `${parent.run}/${step}` },
    { system: deps.system, seed, pins, declared: { generation, spec }, generations, budget, given },
  );
  const steps = definition.cache
    ? built.steps
    : built.steps.map((inner) => ({ ...inner, definition: { ...inner.definition, cache: false } }));
  return { run: built.run, steps, source: built.source, taken: new Map() };
}

/** What a step hands on to the run that it is, each with what it is called where it comes from. */
async function givenBy(
  tx: Tx,
  { parent, step, definition }: Pick<Due, 'parent' | 'step' | 'definition'>,
  deps: PipelinesDeps,
): Promise<Record<string, GivenInput>> {
  const found = await findLeasable(tx.db, { run: parent.run, step });
  assert(found, `run ${parent.run} has no step '${step}'`);
  const artifacts = await inputsFor(tx, { run: parent.run, ...found }, deps);
  const given: Record<string, GivenInput> = {};
  for (const [name, artifact] of Object.entries(artifacts)) {
    const text = definition.inputs[name] ?? name;
    const source = parseSource(text);
    const own = `${parent.pipeline}/${text}`;
    const from =
      source?.kind === 'reference' ? text : source?.kind === 'input' ? (parent.inputs[source.name]?.from ?? own) : own;
    given[name] = { ...artifact, from };
  }
  return given;
}
