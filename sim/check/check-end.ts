import { digestOf } from '#core/hash';
import { type Broken, broken, nameOf } from './broken.ts';
import { checkGiven, checkTaken } from './check-nested.ts';
import { FINAL_RUN, type History, isDivided, runOf, type StepRow } from './history.ts';

/** The length of stored content, or undefined where there is none. */
export type Stored = (digest: string) => { readonly bytes: number; readonly text?: string } | undefined;

interface Artifact {
  readonly digest: string;
  readonly bytes: number;
}

/** What must hold when faults have ended and time has passed: nothing is stuck, held or missing. */
export function checkEnd(history: History, stored: Stored): Broken | undefined {
  const { runs, steps, attempts } = history;
  const stuck = runs.find((run) => !FINAL_RUN.has(run.status));
  if (stuck) {
    const own = steps.filter((step) => step.run === stuck.id).map((step) => `${step.name} ${step.status}`);
    return broken(4, `run ${stuck.id} of ${stuck.pipeline} is still ${stuck.status}: ${own.join(', ')}`);
  }
  const held = attempts.find((attempt) => attempt.status === 'running');
  if (held) return broken(8, `${held.worker} still holds attempt ${held.id} of ${held.run}/${held.step}`);
  return checkOutputs(history, stored) ?? checkTaken(history) ?? checkGiven(history) ?? checkFollowers(history);
}

/** Where every worker was heard all the time, no lease ended. */
export function checkNoLoss({ attempts }: History): Broken | undefined {
  const lost = attempts.find((attempt) => attempt.status === 'lost');
  return lost && broken(8, `${lost.worker} was heard all the time and lost attempt ${lost.id}`);
}

function checkOutputs({ steps }: History, stored: Stored): Broken | undefined {
  const byName = new Map(steps.map((step) => [nameOf(step), step]));
  for (const step of steps) {
    const outputs: Record<string, Artifact> = JSON.parse(step.outputs);
    for (const [output, { digest, bytes }] of Object.entries(outputs)) {
      const content = stored(digest);
      if (content?.bytes === bytes) continue;
      return broken(6, `output ${nameOf(step)}.${output} (${digest}) is not stored with ${bytes} bytes`);
    }
    const found = checkInputs(step, byName) ?? checkCached(step, steps);
    if (found) return found;
  }
  return undefined;
}

/** A step that was tried got what the steps before it committed. */
function checkInputs(step: StepRow, byName: ReadonlyMap<string, StepRow>): Broken | undefined {
  const declared: Record<string, string> = JSON.parse(step.definition).inputs;
  const got: Record<string, Artifact> | null = JSON.parse(step.inputs ?? 'null');
  for (const [input, text] of Object.entries(got ? declared : {})) {
    const [name = '', ...rest] = text.split('.');
    const output = rest.join('.');
    const source = byName.get(nameOf({ run: step.run, name }));
    // Of a divided step it is the list of what its units wrote.
    if (!source || isDivided(source)) continue;
    const expected: Artifact | undefined = JSON.parse(source.outputs)[output];
    if (expected?.digest === got?.[input]?.digest) continue;
    return broken(2, `step ${nameOf(step)} got another ${input} than step ${name} committed`);
  }
  return undefined;
}

/** What came from the cache is what a step with the same key committed. */
function checkCached(step: StepRow, steps: readonly StepRow[]): Broken | undefined {
  if (step.status !== 'cached') return undefined;
  const source = steps.find(
    (other) => other.run === step.cached_from && other.cache_key === step.cache_key && other.status === 'succeeded',
  );
  if (source && digestOf(source.outputs) === digestOf(step.outputs)) return undefined;
  return broken(2, `step ${nameOf(step)} took work of run ${step.cached_from} that was not committed there`);
}

function checkFollowers({ runs, events }: History): Broken | undefined {
  const leaders = new Set(runs.filter((run) => run.pipeline === 'leader').map((run) => run.id));
  const followed = new Set(runs.filter((run) => run.pipeline === 'follower').map((run) => JSON.parse(run.cause).id));
  const lost = events.find(
    (event) => event.type === 'pipeline.run-finished' && leaders.has(runOf(event)) && !followed.has(runOf(event)),
  );
  return lost ? broken(2, `the end of run ${runOf(lost)} started nothing`) : undefined;
}
