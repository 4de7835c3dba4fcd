import { type Broken, broken, nameOf } from './broken.ts';
import { FINAL_RUN, FINAL_STEP, type History, type StepRow } from './history.ts';

type State = Pick<History, 'runs' | 'steps' | 'attempts'>;

const stepKey = ({ run, name }: StepRow): string => `${run}/${name}`;

/** What must hold between one committed state and a later one: what is final stays, and nothing disappears. */
export function checkChange(before: State, after: State): Broken | undefined {
  const runs = new Map(after.runs.map((run) => [run.id, run]));
  for (const run of before.runs) {
    const now = runs.get(run.id);
    if (!now) return broken(3, `run ${run.id} is gone`);
    if (now.inputs !== run.inputs) return broken(22, `run ${run.id} has other inputs now`);
    if (FINAL_RUN.has(run.status) && (now.status !== run.status || now.outputs !== run.outputs)) {
      return broken(3, `run ${run.id} was ${run.status} and is ${now.status} now`);
    }
  }
  const steps = new Map(after.steps.map((step) => [stepKey(step), step]));
  for (const step of before.steps) {
    const found = stepChange(step, steps.get(stepKey(step)));
    if (found) return found;
  }
  const attempts = new Map(after.attempts.map((attempt) => [attempt.id, attempt]));
  for (const attempt of before.attempts) {
    const now = attempts.get(attempt.id);
    if (now && (attempt.status === 'running' || now.status === attempt.status)) continue;
    return broken(1, `attempt ${attempt.id} was ${attempt.status} and is ${now?.status ?? 'gone'} now`);
  }
  return undefined;
}

/** The moves between two committed states, in words. */
export function movesBetween(before: State, after: State): string[] {
  const moves = <Row extends { readonly status: string }>(
    name: (row: Row) => string,
    rows: readonly (readonly Row[])[],
  ) => {
    const was = new Map(rows[0]?.map((row) => [name(row), row.status]));
    return (rows[1] ?? []).flatMap((row) => {
      const from = was.get(name(row)) ?? 'new';
      return from === row.status ? [] : [`${name(row)} ${from} -> ${row.status}`];
    });
  };
  return [
    ...moves((run) => run.id, [before.runs, after.runs]),
    ...moves(stepKey, [before.steps, after.steps]),
    ...moves(({ id, worker, run, step }) => `${id} of ${worker} (${run}/${step})`, [before.attempts, after.attempts]),
  ];
}

function stepChange(step: StepRow, now: StepRow | undefined): Broken | undefined {
  if (!now) return broken(3, `step ${nameOf(step)} is gone`);
  if (FINAL_STEP.has(step.status) && now.status !== step.status) {
    return broken(3, `step ${nameOf(step)} was ${step.status} and is ${now.status} now`);
  }
  if (FINAL_STEP.has(step.status) && now.outputs !== step.outputs) {
    return broken(2, `the outputs of step ${nameOf(step)} were changed after it was ${step.status}`);
  }
  if (now.definition !== step.definition) return broken(7, `step ${nameOf(step)} has another definition now`);
  if (now.epoch < step.epoch) return broken(1, `step ${nameOf(step)} went back from epoch ${step.epoch}`);
  return undefined;
}
