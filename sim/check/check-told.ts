import { type Broken, broken, nameOf } from './broken.ts';
import {
  type AuditRow,
  type EventRow,
  FINAL_RUN,
  FINAL_STEP,
  type History,
  isDivided,
  type RunRow,
  runOf,
} from './history.ts';

/** Events and audit rows tell each end once, as it is in the tables: state, events and audit are one transaction. */
export function checkTold(history: History): Broken | undefined {
  const events = Map.groupBy(history.events, runOf);
  const audit = Map.groupBy(history.audit, runOf);
  const steps = Map.groupBy(history.steps, (step) => step.run);
  for (const run of history.runs) {
    const told = events.get(run.id) ?? [];
    const found =
      checkRunEvents(run, told) ??
      (steps.get(run.id) ?? [])
        .filter(({ parent }) => parent === null)
        .map((step) => checkStepEvents(step, told))
        .find(Boolean) ??
      checkAudit(run, history, audit.get(run.id) ?? []);
    if (found) return found;
  }
  return checkChains(history);
}

function checkRunEvents(run: RunRow, told: readonly EventRow[]): Broken | undefined {
  const started = told.filter((event) => event.type === 'pipeline.run-started');
  if (started.length !== 1) return broken(2, `the start of run ${run.id} was told ${started.length} times`);
  const finished = told.filter((event) => event.type === 'pipeline.run-finished');
  if (finished.length !== (FINAL_RUN.has(run.status) ? 1 : 0)) {
    return broken(2, `run ${run.id} is ${run.status} and its end was told ${finished.length} times`);
  }
  const status = finished[0] ? JSON.parse(finished[0].data).status : run.status;
  return status === run.status ? undefined : broken(2, `run ${run.id} is ${run.status}, its event says ${status}`);
}

function checkStepEvents(step: History['steps'][number], told: readonly EventRow[]): Broken | undefined {
  const own = told.filter(
    (event) => event.type === 'pipeline.step-finished' && JSON.parse(event.data).step === step.name,
  );
  if (own.length !== (FINAL_STEP.has(step.status) ? 1 : 0)) {
    return broken(2, `step ${nameOf(step)} is ${step.status} and its end was told ${own.length} times`);
  }
  const status = own[0] ? JSON.parse(own[0].data).status : step.status;
  if (status === step.status) return undefined;
  return broken(2, `step ${nameOf(step)} is ${step.status}, its event says ${status}`);
}

function checkAudit(run: RunRow, history: History, rows: readonly AuditRow[]): Broken | undefined {
  const details = rows.map((row) => JSON.parse(row.detail));
  const ends = details.filter((detail) => detail.finished !== undefined);
  if (ends.length !== (FINAL_RUN.has(run.status) ? 1 : 0)) {
    return broken(2, `run ${run.id} is ${run.status} and its end was audited ${ends.length} times`);
  }
  for (const step of history.steps) {
    // Of a divided step, each unit is audited.
    if (step.run !== run.id || isDivided(step) || (step.status !== 'succeeded' && step.status !== 'failed')) continue;
    const own = details.filter((detail) => detail.step === step.name);
    if (own.length === 1 && own[0].status === step.status && own[0].epoch === step.epoch) continue;
    return broken(2, `step ${nameOf(step)} is ${step.status}; audited: ${JSON.stringify(own)}`);
  }
  return undefined;
}

/** Of the runs that an event starts, each event starts one. */
function checkChains({ runs, events }: History): Broken | undefined {
  const leaders = new Set(runs.filter((run) => run.pipeline === 'leader').map((run) => run.id));
  const ended = events.filter((event) => event.type === 'pipeline.run-finished' && leaders.has(runOf(event)));
  const followed = runs.filter((run) => run.pipeline === 'follower').map((run) => JSON.parse(run.cause).id as string);
  const twice = followed.find((id, i) => followed.indexOf(id) !== i);
  if (twice) return broken(2, `the end of run ${twice} started two runs`);
  const unknown = followed.find((id) => !ended.some((event) => runOf(event) === id));
  return unknown ? broken(2, `a run was started by the end of ${unknown}, which has not ended`) : undefined;
}
