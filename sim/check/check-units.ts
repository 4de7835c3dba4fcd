import { type Broken, broken, nameOf } from './broken.ts';
import { FINAL_STEP, isDivided, type StepRow } from './history.ts';

/** Steps that were divided: they end with the last of their units, and as those did. */
export function checkUnits(steps: readonly StepRow[]): Broken | undefined {
  const units = Map.groupBy(
    steps.filter(({ parent }) => parent !== null),
    ({ parent }) => parent,
  );
  for (const step of steps.filter(isDivided)) {
    const found = checkDivided(step, units.get(step.name) ?? []);
    if (found) return found;
  }
  return undefined;
}

function checkDivided(step: StepRow, units: readonly StepRow[]): Broken | undefined {
  const name = nameOf(step);
  const open = units.filter(({ status }) => !FINAL_STEP.has(status));
  if (FINAL_STEP.has(step.status) && open.length > 0) {
    return broken(14, `step ${name} is ${step.status} while ${open.length} of its units are not over`);
  }
  if (step.status === 'running' && open.length === 0) return broken(14, `step ${name} has outlived its units`);
  const undone = units.find(({ status }) => status !== 'succeeded' && status !== 'cached');
  if (step.status === 'succeeded' && undone) {
    return broken(14, `step ${name} succeeded, its unit ${undone.name} is ${undone.status}`);
  }
  const failed = units.find(({ status }) => status === 'failed');
  if (step.status === 'failed' && !failed && units.length > 0) {
    return broken(14, `step ${name} failed, none of its units did`);
  }
  const { unitLimits } = JSON.parse(step.definition);
  const waiting = units.find(({ status }) => status === 'queued');
  if (unitLimits?.stopsAtFailure && failed && waiting) {
    return broken(14, `unit ${waiting.name} of ${name} waits, and ${failed.name} failed, which ends it`);
  }
  const running = units.filter(({ status, epoch }) => status === 'running' && epoch === 0);
  return running.length > (unitLimits?.concurrency ?? Number.POSITIVE_INFINITY)
    ? broken(19, `${running.length} units of step ${name} are runs at a time`)
    : undefined;
}
