import type { Tx } from '#platform/db';
import { isFinalRun, type StepState } from '../model.ts';
import { childrenOf } from '../nested/store.ts';
import { originOf } from '../record/store.ts';
import { definitionsOf, productsOf } from '../store/kept-steps.ts';
import { findRun } from '../store/runs.ts';
import { stepStates } from '../store/step-state.ts';
import type { StepDefinition } from '../store/steps.ts';
import type { NewStep } from './start-run.ts';

/** What is left to do of a run that is over: its steps as they were declared, and what those that succeeded made. */
export async function leftOf(tx: Pick<Tx, 'db'>, runId: string) {
  const taken = await productsOf(tx.db, runId);
  const children = await childrenOf(tx.db, runId);
  const definitions = new Map(
    (await definitionsOf(tx.db, runId)).map(({ name, definition }) => [name, definition] as const),
  );
  const steps: NewStep[] = [];
  for (const state of await stepStates(tx.db, runId)) {
    const definition = definitions.get(state.name);
    if (!definition) continue;
    const again = taken.has(state.name) ? definition : await resumed(tx, definition, children.get(state.name));
    const isDivided = again.pipeline && again.map && !taken.has(state.name);
    const pipeline = isDivided ? { ...again.pipeline, resumesUnitsOf: runId } : again.pipeline;
    steps.push({ state: freshState(state), definition: { ...again, pipeline } });
  }
  const { source } = await originOf(tx.db, runId);
  return { steps, taken, source };
}

/** A step that is a run goes on where that ended, unless there is nothing to go on with. */
async function resumed(
  tx: Pick<Tx, 'db'>,
  definition: StepDefinition,
  resumes: string | undefined,
): Promise<StepDefinition> {
  const before = resumes === undefined ? undefined : await findRun(tx.db, resumes);
  if (!definition.pipeline || !before || !isFinalRun(before.status) || before.status === 'succeeded') return definition;
  return { ...definition, pipeline: { ...definition.pipeline, resumes: before.run } };
}

/** The state of a step before anything of it is done. */
export function freshState(state: StepState): StepState {
  const fresh = { losses: 0, preemptions: 0, deadlineAt: null, readyAt: null, reason: null };
  return { ...state, status: 'queued', epoch: 0, failures: 0, ...fresh };
}
