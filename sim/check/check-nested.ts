import { type Broken, broken, nameOf } from './broken.ts';
import {
  type AttemptRow,
  FINAL_RUN,
  FINAL_STEP,
  type History,
  isDivided,
  isNested,
  type RunRow,
  type StepRow,
} from './history.ts';

const NESTING_MAX = 5;

/** Steps that are runs: one run each and no attempt, and both end together. */
export function checkNested({
  runs,
  steps,
  attempts,
}: Pick<History, 'runs' | 'steps' | 'attempts'>): Broken | undefined {
  const inside = runs.filter((run) => run.parent_run !== null);
  const byId = new Map(runs.map((run) => [run.id, run]));
  const children = Map.groupBy(inside, (run) => nameOf({ run: run.parent_run ?? '', name: run.parent_step ?? '' }));
  for (const step of steps.filter(isNested)) {
    const own = children.get(nameOf(step)) ?? [];
    children.delete(nameOf(step));
    const found = checkStep(step, { own, attempts });
    if (found) return found;
  }
  const [stray] = children.keys();
  if (stray !== undefined) return broken(19, `a run is inside of ${stray}, which is no step that runs a pipeline`);
  return inside.map((run) => checkWay(run, byId)).find(Boolean);
}

function checkStep(
  step: StepRow,
  { own, attempts }: { readonly own: readonly RunRow[]; readonly attempts: readonly AttemptRow[] },
): Broken | undefined {
  const name = nameOf(step);
  if (step.epoch !== 0 || attempts.some((attempt) => nameOf({ run: attempt.run, name: attempt.step }) === name)) {
    return broken(19, `step ${name} is a run and was leased too`);
  }
  const [child, ...more] = own;
  if (isDivided(step)) return child && broken(19, `step ${name} is divided, and is run ${child.id} too`);
  if (more.length > 0) return broken(19, `step ${name} is ${own.length} runs`);
  if (!child && step.parent !== null && step.status === 'running') return broken(19, `unit ${name} runs and is no run`);
  if (!child) {
    if (step.cached_from !== null) return undefined;
    return step.status === 'succeeded' ? broken(19, `step ${name} succeeded and never was a run`) : undefined;
  }
  const isOver = FINAL_RUN.has(child.status);
  if (!isOver && FINAL_STEP.has(step.status)) {
    return broken(20, `step ${name} is ${step.status} while its run ${child.id} is ${child.status}`);
  }
  if (isOver && (step.status === 'succeeded') !== (child.status === 'succeeded')) {
    return broken(19, `step ${name} is ${step.status}, its run ${child.id} ${child.status}`);
  }
  return isOver && !FINAL_STEP.has(step.status)
    ? broken(19, `step ${name} has outlived its run ${child.id}`)
    : undefined;
}

/** The way from a run to the outermost meets no pipeline twice. */
function checkWay(run: RunRow, byId: ReadonlyMap<string, RunRow>): Broken | undefined {
  const way = [run.pipeline];
  for (let at = byId.get(run.parent_run ?? ''); at; at = byId.get(at.parent_run ?? '')) {
    if (way.includes(at.pipeline))
      return broken(21, `run ${run.id} lies in one of its own kind: ${[...way, at.pipeline]}`);
    way.push(at.pipeline);
  }
  return way.length > NESTING_MAX ? broken(21, `run ${run.id} lies too deep: ${way}`) : undefined;
}

/** A run inside was given what its step has, and its programs read that. */
export function checkGiven({ runs, steps }: Pick<History, 'runs' | 'steps'>): Broken | undefined {
  const byId = new Map(steps.map((step) => [nameOf(step), step]));
  const inputsOf = new Map(runs.map((run) => [run.id, digestsOf(run.inputs)]));
  for (const run of runs.filter(({ parent_run }) => parent_run !== null)) {
    const step = byId.get(nameOf({ run: run.parent_run ?? '', name: run.parent_step ?? '' }));
    const handed = JSON.stringify(digestsOf(step?.inputs ?? '{}'));
    if (JSON.stringify(inputsOf.get(run.id)) === handed) continue;
    return broken(22, `run ${run.id} was given something else than step ${run.parent_step} of ${run.parent_run} has`);
  }
  for (const step of steps.filter(({ inputs }) => inputs !== null)) {
    const declared: Record<string, string> = JSON.parse(step.definition).inputs;
    const read = digestsOf(step.inputs ?? '{}');
    const wrong = Object.entries(declared).find(
      ([name, text]) =>
        text.startsWith('input:') && read[name] !== inputsOf.get(step.run)?.[text.slice('input:'.length)],
    );
    if (wrong) return broken(22, `step ${nameOf(step)} reads another ${wrong[1]} than its run was given`);
  }
  return undefined;
}

function digestsOf(json: string): Record<string, string> {
  const artifacts: Record<string, { readonly digest: string }> = JSON.parse(json);
  return Object.fromEntries(Object.entries(artifacts).map(([name, { digest }]) => [name, digest]));
}

/** What a step has of its run is what that wrote. */
export function checkTaken({ runs, steps }: Pick<History, 'runs' | 'steps'>): Broken | undefined {
  const byId = new Map(steps.map((step) => [nameOf(step), step]));
  for (const run of runs.filter(({ status, parent_run }) => status === 'succeeded' && parent_run !== null)) {
    const step = byId.get(nameOf({ run: run.parent_run ?? '', name: run.parent_step ?? '' }));
    const wrote = JSON.parse(run.outputs);
    for (const [output, { digest }] of Object.entries<{ digest: string }>(JSON.parse(step?.outputs ?? '{}'))) {
      if (wrote[output]?.digest === digest) continue;
      return broken(19, `run ${run.id} wrote another ${output} than step ${run.parent_step} of ${run.parent_run} has`);
    }
  }
  return undefined;
}
