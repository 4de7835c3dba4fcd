import { KedgeError } from '#core/errors';
import type { Tx } from '#platform/db';
import type { Consumer } from '#platform/events';
import { pipelineErrors } from '../errors.ts';
import { pipelineNestedDue } from '../events.ts';
import { advance, auditNested } from '../service/advance.ts';
import { leftOf } from '../service/left.ts';
import type { PipelinesDeps } from '../service/service.ts';
import { begin, buildRun, furtherRun, keyedRunId } from '../service/start-run.ts';
import { findRun, type StoredRun } from '../store/runs.ts';
import { definitionOf, findStep, type StepDefinition } from '../store/steps.ts';
import type { NestedDefinition } from './pins.ts';
import { findGeneration } from './store.ts';

/** How long such a run waits for room among those of its pipeline. Pipelines that changed may wait for each other. */
const ADMITTED_WITHIN_MS = 7 * 86_400_000;

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
      const { pipeline } = definition;
      const id = keyedRunId(pipeline?.name ?? '', `${run}/${step}`);
      if (!pipeline || (await findRun(tx.db, id))) return;
      await startNested(tx, { parent, step, definition, pipeline, id }, deps);
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
  const { name, generation, generations } = pipeline;
  const spec = await findGeneration(tx.db, name, generation);
  if (!spec) throw pipelineErrors['not-found'](`pipeline '${name}' is not there as it was under ${generation}`);
  const { project, seed, priority } = parent;
  const request = { pipeline: name, params: definition.params, cause, seed, priority };
  const pins = deps.pins ?? {};
  const built = await buildRun(
    tx,
    { ...request, ...(project === null ? {} : { project }), key: `${parent.run}/${step}` },
    { system: deps.system, seed, pins, declared: { generation, spec }, generations },
  );
  const steps = definition.cache
    ? built.steps
    : built.steps.map((inner) => ({ ...inner, definition: { ...inner.definition, cache: false } }));
  return { run: built.run, steps, source: built.source, taken: new Map() };
}
