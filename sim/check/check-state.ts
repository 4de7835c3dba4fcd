import { type Broken, broken, nameOf } from './broken.ts';
import { checkUnits } from './check-units.ts';
import {
  type AttemptRow,
  byRun,
  FINAL_RUN,
  FINAL_STEP,
  type History,
  isDivided,
  isNested,
  type RunRow,
  type StepRow,
} from './history.ts';

type State = Pick<History, 'runs' | 'steps' | 'attempts'>;

const LOSSES_MAX = 3;
const EPOCHS_MAX = 100;
const BACKOFF_MS_MAX = 60_000;
const NOT_TRIED_AGAIN = new Set(['missing-output', 'invalid-result', 'worker-lost']);

/** Everything that must hold in every committed state. Returns what does not, if anything. */
export function checkState({ runs, steps, attempts }: State): Broken | undefined {
  const [stepsOf, attemptsOf] = [byRun(steps), byRun(attempts)];
  for (const run of runs) {
    const own = stepsOf.get(run.id) ?? [];
    const declared = own.filter(({ parent }) => parent === null);
    const found =
      checkRun(run, declared) ??
      checkUnits(own) ??
      checkSteps(
        own,
        Map.groupBy(attemptsOf.get(run.id) ?? [], (row) => row.step),
      );
    if (found) return found;
  }
  return checkLeases(attempts) ?? checkTwins(steps);
}

/** A lease is taken from a worker only when its time is over. */
function checkLeases(attempts: readonly AttemptRow[]): Broken | undefined {
  const robbed = attempts.find(
    ({ status, lease_until, finished_at }) => status === 'lost' && finished_at !== null && finished_at <= lease_until,
  );
  if (!robbed) return undefined;
  const spareMs = robbed.lease_until - Number(robbed.finished_at);
  return broken(8, `attempt ${robbed.id} was taken from ${robbed.worker} ${spareMs} ms before the end of its lease`);
}

/** Work that is the same is done once at a time. */
function checkTwins(steps: readonly StepRow[]): Broken | undefined {
  const running = new Map<string, StepRow>();
  for (const step of steps) {
    if (step.status !== 'running' || step.cache_key === null) continue;
    const twin = running.get(step.cache_key);
    if (twin) return broken(9, `steps ${nameOf(twin)} and ${nameOf(step)} do the same work at the same time`);
    running.set(step.cache_key, step);
  }
  return undefined;
}

function checkRun(run: RunRow, steps: readonly StepRow[]): Broken | undefined {
  const isOver = steps.every((step) => FINAL_STEP.has(step.status));
  if (FINAL_RUN.has(run.status) !== isOver) {
    return broken(3, `run ${run.id} is ${run.status} while its steps are ${steps.map((step) => step.status)}`);
  }
  if (run.status === 'cancelling' && !steps.some((step) => step.status === 'running')) {
    return broken(4, `run ${run.id} is cancelling and none of its steps runs: nothing will end it`);
  }
  const failed = steps.some((step) => step.status === 'failed');
  const done = steps.every((step) => step.status === 'succeeded' || step.status === 'cached');
  if (run.status === 'succeeded' && !done) return broken(3, `run ${run.id} succeeded, not all of its steps did`);
  if (run.status === 'failed' && !failed) return broken(3, `run ${run.id} failed, none of its steps did`);
  return undefined;
}

function checkSteps(
  steps: readonly StepRow[],
  attempts: ReadonlyMap<string, readonly AttemptRow[]>,
): Broken | undefined {
  const byName = new Map(steps.map((step) => [step.name, step]));
  for (const step of steps) {
    const own = attempts.get(step.name) ?? [];
    const ofPrograms =
      isNested(step) || isDivided(step)
        ? undefined
        : (checkAttempts(step, own) ?? checkTries(step, own) ?? checkPlaces(step, own));
    const found = ofPrograms ?? checkGraph(step, byName) ?? checkProduct(step, own);
    if (found) return found;
  }
  return undefined;
}

function checkAttempts(step: StepRow, attempts: readonly AttemptRow[]): Broken | undefined {
  const name = nameOf(step);
  const live = attempts.filter((attempt) => attempt.status === 'running');
  if (live.length !== (step.status === 'running' ? 1 : 0)) {
    return broken(1, `step ${name} is ${step.status} and has ${live.length} live attempts`);
  }
  if (live[0] && live[0].epoch !== step.epoch) {
    return broken(1, `step ${name} is at epoch ${step.epoch}, its live attempt at ${live[0].epoch}`);
  }
  const epochs = attempts.map((attempt) => attempt.epoch);
  if (epochs.length !== step.epoch || epochs.some((epoch, i) => epoch !== i + 1)) {
    return broken(1, `step ${name} is at epoch ${step.epoch}, its attempts are ${epochs}`);
  }
  const won = attempts.filter((attempt) => attempt.status === 'succeeded');
  if (won.length !== (step.status === 'succeeded' ? 1 : 0)) {
    return broken(2, `step ${name} is ${step.status} by ${won.length} successful attempts`);
  }
  if (won[0] && won[0].epoch !== step.epoch) {
    return broken(2, `step ${name} succeeded by attempt ${won[0].epoch} of ${step.epoch}: not its last`);
  }
  return undefined;
}

function checkTries(step: StepRow, attempts: readonly AttemptRow[]): Broken | undefined {
  const name = nameOf(step);
  // What happens to the attempt of a run that is being cancelled ends the step and is not counted.
  const counted = step.status === 'cancelled' ? attempts.slice(0, -1) : attempts;
  const failures = counted.filter((attempt) => attempt.status === 'failed').length;
  const { losses, preemptions } = lossesOf(counted, step.preemptible);
  const last = attempts.at(-1);
  const spare = step.status === 'cancelled' && last ? 1 : 0;
  if (step.failures < failures || step.failures > failures + (last?.status === 'failed' ? spare : 0)) {
    return broken(4, `step ${name} counts ${step.failures} failures, its attempts show ${failures}`);
  }
  if (step.losses < losses || step.losses > losses + (last?.status === 'lost' ? spare : 0)) {
    return broken(4, `step ${name} counts ${step.losses} losses, its attempts show ${losses}`);
  }
  if (step.preemptions !== preemptions && step.status !== 'cancelled') {
    return broken(17, `step ${name} counts ${step.preemptions} pre-emptions, its attempts show ${preemptions}`);
  }
  if (failures > step.retries + 1 || losses > LOSSES_MAX + 1 || step.epoch > EPOCHS_MAX) {
    return broken(4, `step ${name} was tried too often: ${failures} failures, ${losses} losses, epoch ${step.epoch}`);
  }
  if (step.status !== 'failed') return undefined;
  const kind: string | undefined = last?.error ? JSON.parse(last.error).kind : undefined;
  const mayFail =
    failures > step.retries ||
    losses > LOSSES_MAX ||
    step.epoch >= EPOCHS_MAX ||
    isOutOfTime(step) ||
    (kind !== undefined && NOT_TRIED_AGAIN.has(kind));
  return mayFail ? undefined : broken(4, `step ${name} failed after ${failures} failures and ${losses} losses only`);
}

/** Of the losses of a pre-emptible step the first ones are expected, also where the worker gave the step back. */
function lossesOf(attempts: readonly AttemptRow[], preemptible: number) {
  let [losses, preemptions] = [0, 0];
  for (const { status } of attempts) {
    const isOver = status === 'lost' || status === 'released';
    if (isOver && preemptions < preemptible) preemptions += 1;
    else if (status === 'lost') losses += 1;
  }
  return { losses, preemptions };
}

/** Another attempt would have begun after its time, at most a back-off from the end. */
function isOutOfTime({ deadline_at, finished_at }: StepRow): boolean {
  return deadline_at !== null && finished_at !== null && finished_at + BACKOFF_MS_MAX >= deadline_at;
}

function checkPlaces(step: StepRow, attempts: readonly AttemptRow[]): Broken | undefined {
  const name = nameOf(step);
  const late = attempts.find(({ started_at }) => step.deadline_at !== null && started_at >= step.deadline_at);
  if (late) return broken(16, `attempt ${late.epoch} of step ${name} began when the time of the step was over`);
  const isFallen = step.preemptible > 0 && step.preemptions >= step.preemptible;
  if (isFallen && step.class !== step.class_after) {
    return broken(17, `step ${name} was pre-empted ${step.preemptions} times and still asks for ${step.class}`);
  }
  return undefined;
}

function checkGraph(step: StepRow, byName: ReadonlyMap<string, StepRow>): Broken | undefined {
  const needs: string[] = JSON.parse(step.needs);
  const open = needs.filter((need) => !['succeeded', 'cached'].includes(byName.get(need)?.status ?? 'unknown'));
  const name = nameOf(step);
  if (['running', 'succeeded', 'cached'].includes(step.status) && open.length > 0) {
    return broken(2, `step ${name} is ${step.status} before ${open}, which it needs`);
  }
  const culprits = needs.filter((need) => ['failed', 'skipped'].includes(byName.get(need)?.status ?? ''));
  if (step.status === 'queued' && culprits.length > 0) {
    return broken(4, `step ${name} waits for ${culprits}, which will never succeed`);
  }
  if (step.status === 'skipped' && culprits.length === 0) {
    return broken(3, `step ${name} was skipped and nothing that it needs failed`);
  }
  if (step.status === 'queued' && open.length === 0 && step.ready_at === null) {
    return broken(4, `step ${name} has everything that it needs and is not ready: nothing will start it`);
  }
  return undefined;
}

function checkProduct(step: StepRow, attempts: readonly AttemptRow[]): Broken | undefined {
  const name = nameOf(step);
  const outputs = Object.keys(JSON.parse(step.outputs)).sort();
  if (step.status !== 'succeeded' && step.status !== 'cached') {
    return outputs.length === 0 ? undefined : broken(2, `step ${name} is ${step.status} and shows outputs: ${outputs}`);
  }
  const declared: string[] = isDivided(step) ? [] : JSON.parse(step.definition).outputs;
  if (outputs.join() !== [...declared].sort().join()) {
    return broken(6, `step ${name} committed ${outputs} and declares ${declared}`);
  }
  if (step.status === 'cached' && (attempts.some((row) => row.status === 'succeeded') || !step.cached_from)) {
    return broken(2, `step ${name} is cached and was done as well, or nobody did its work`);
  }
  return undefined;
}
