import type { ExpressionBuilder } from 'kysely';
import { statement } from '#platform/db';
import { isFinalStep, type StepState, type StepStatus } from '../model.ts';
import type { StepAddress } from './steps.ts';
import { type Db, storableText, type Tables, tables } from './tables.ts';

/** The states of all steps of a run, in the order in which they were declared. */
export async function stepStates(db: Db, run: string): Promise<StepState[]> {
  return (await selectStates(db, { run })).map(stateOf);
}

/** A step with more dependants than this is not looked at without the others. */
const DEPENDANTS_MAX = 4;

/**
 * The states that decide what the success of a step brings, where these are few: its own, and those of the steps that
 * need it and no other. One of them at least waits for it, so that the run does not end with it, and nothing that
 * depends on the end of the run follows. Undefined where the whole run has to be read.
 */
export async function statesAround(db: Db, { run, step }: StepAddress): Promise<StepState[] | undefined> {
  const [own] = await selectState(db, { run, step });
  if (!own || own.parent !== null) return undefined;
  const dependants: string[] = JSON.parse(own.dependants ?? '[]');
  if (dependants.length === 0 || dependants.length > DEPENDANTS_MAX) return undefined;
  const around: StepState[] = [];
  for (const name of dependants) {
    const [row] = await selectState(db, { run, step: name });
    if (row) around.push(stateOf(row));
  }
  const needsNoOther = around.every(({ needs, onFailure }) => needs.length === 1 && !onFailure);
  return needsNoOther && around.some(({ status }) => status === 'queued') ? [stateOf(own), ...around] : undefined;
}

const selectState = statement(['run', 'step'], (db, { run, step }: StepAddress) =>
  tables(db)
    .selectFrom('pipeline_step')
    .select([...STATE_COLUMNS, 'parent', 'dependants'])
    .where('run', '=', run)
    .where('name', '=', step),
);

export const STATE_COLUMNS = [
  ...(['name', 'status', 'needs', 'epoch', 'retries', 'failures', 'losses', 'ready_at', 'reason'] as const),
  ...(['on_failure', 'preemptible', 'preemptions', 'within_ms', 'deadline_at'] as const),
] as const;
const selectStates = statement(['run'], (db, { run }: Pick<StepAddress, 'run'>) =>
  tables(db)
    .selectFrom('pipeline_step')
    .select(STATE_COLUMNS)
    .where('run', '=', run)
    .where('parent', 'is', null)
    .orderBy('position'),
);

type StateRow = Pick<Tables['pipeline_step'], (typeof STATE_COLUMNS)[number]>;

export function stateOf(row: StateRow): StepState {
  return {
    name: row.name,
    status: row.status as StepStatus,
    needs: JSON.parse(row.needs),
    epoch: row.epoch,
    retries: row.retries,
    failures: row.failures,
    losses: row.losses,
    preemptible: row.preemptible,
    preemptions: row.preemptions,
    withinMs: row.within_ms,
    deadlineAt: row.deadline_at,
    onFailure: row.on_failure === 1,
    readyAt: row.ready_at,
    reason: row.reason,
  };
}

/** Writes the state of a step. Its first lease is its start; an end without one leaves the start empty. */
export async function updateStepState(db: Db, run: string, step: StepState, now: number): Promise<void> {
  const begins = step.status === 'running' || step.status === 'waiting';
  await updateState(db, {
    ...{ run, step: step.name, status: step.status, epoch: step.epoch, failures: step.failures },
    ...{ losses: step.losses, preemptions: step.preemptions, deadlineAt: step.deadlineAt, readyAt: step.readyAt },
    reason: step.reason && storableText(step.reason),
    begins: begins ? 1 : 0,
    startedAt: begins ? now : null,
    finishedAt: isFinalStep(step.status) ? now : null,
  });
  if (!isPreemptedForGood(step)) return;
  await tables(db)
    .updateTable('pipeline_step')
    .set((e) => classesAfter(e))
    .where('run', '=', run)
    .where('name', '=', step.name)
    .execute();
}

interface StateChange
  extends StepAddress,
    Pick<StepState, 'status' | 'epoch' | 'failures' | 'losses' | 'preemptions' | 'deadlineAt' | 'readyAt' | 'reason'> {
  /** Whether a program, a person or a time has it from now on, whose progress is not that of another before: 1 or 0. */
  readonly begins: number;
  /** These are kept where they are null. */
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}

const updateState = statement(
  [
    ...(['run', 'step', 'status', 'epoch', 'failures', 'losses', 'preemptions', 'deadlineAt'] as const),
    ...(['readyAt', 'reason', 'begins', 'startedAt', 'finishedAt'] as const),
  ],
  (db, to: StateChange) =>
    tables(db)
      .updateTable('pipeline_step')
      .set((e) => ({
        status: to.status,
        epoch: to.epoch,
        failures: to.failures,
        losses: to.losses,
        preemptions: to.preemptions,
        deadline_at: to.deadlineAt,
        ready_at: to.readyAt,
        reason: to.reason,
        started_at: e.fn.coalesce('started_at', e.val(to.startedAt)),
        progress: e.case().when(e.val(to.begins), '=', 1).then(null).else(e.ref('progress')).end(),
        finished_at: e.fn.coalesce('finished_at', e.val(to.finishedAt)),
      }))
      .where('run', '=', to.run)
      .where('name', '=', to.step),
);

function isPreemptedForGood({ preemptible, preemptions }: StepState): boolean {
  return preemptible > 0 && preemptions >= preemptible;
}

/** The step is queued by what it asks for once it is pre-emptible no more; in a paused run, when that goes on. */
function classesAfter(e: ExpressionBuilder<Tables, 'pipeline_step'>) {
  const where = (column: 'class' | 'class_paused') =>
    e.case().when(column, 'is', null).then(null).else(e.ref('class_after')).end();
  return { class: where('class'), class_paused: where('class_paused') };
}
