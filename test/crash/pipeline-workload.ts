import { setTimeout as pause } from 'node:timers/promises';
import { connect, type Kedge, type Resource } from '#client';
import { type Random, seededRandom } from '#core/random';
import { drawSteps, type Step } from '../../sim/workload.ts';
import { insist } from './insist.ts';

/** Graphs that are declared, each of which many runs execute. */
const GRAPHS = 12;
const LANES = 4;
const WITHIN_MS = 4 * 60_000;

export interface PipelineWorkload {
  /** Where control planes listen: each request goes to one of them. */
  readonly urls: readonly string[];
  readonly runs: number;
  readonly seed: number;
}

/** Declares random graphs of real commands and starts runs of them, a few of which are cancelled. Answers their ids. */
export async function startRuns({ urls, runs, seed }: PipelineWorkload): Promise<string[]> {
  const random = seededRandom(seed);
  const clients = urls.map((url) => connect({ url }));
  const client = (n: number): Kedge => clients[n % clients.length]!;
  const resources = Array.from({ length: GRAPHS }, (_, i) => pipelineOf(`graph-${i}`, random));
  await insist('declare', () => client(0).resources.applyResources({ body: { resources } }));
  const isCancelled = Array.from({ length: runs }, () => random.next() < 0.1);
  return inLanes(runs, async (n) => {
    const body = { key: `run-${n}` };
    const params = { pipeline: `graph-${n % GRAPHS}` };
    const { run } = await insist('start', () => client(n).pipelines.startPipelineRun({ params, body }));
    // A request that is repeated because its answer got lost may find the run cancelled.
    if (isCancelled[n]) {
      await insist('cancel', () => client(n).pipelines.cancelPipelineRun({ params: { run }, body: {} })).catch(
        () => {},
      );
    }
    return run;
  });
}

/** Resolves when all runs have ended; rejects after four minutes. */
export async function allEnded(urls: readonly string[], runs: readonly string[]): Promise<void> {
  const client = connect({ url: urls[0] ?? '' });
  const open = new Set(runs);
  for (const giveUpAt = performance.now() + WITHIN_MS; open.size > 0; await pause(200)) {
    for (const run of open) {
      const { finishedAt } = await insist('read', () => client.pipelines.getPipelineRun({ params: { run } }));
      if (finishedAt === null) break;
      open.delete(run);
    }
    if (performance.now() > giveUpAt) throw new Error(`${open.size} runs do not end: ${[...open].slice(0, 5)}`);
  }
}

function pipelineOf(name: string, random: Random): Resource {
  // Real workers have no labels, and how long they take tells of the machine.
  const steps = drawSteps(random, 2 + random.int(6)).map(({ preemptible: _spot, within: _within, ...step }) => ({
    ...step,
    command: ['/bin/sh', '-c', scriptOf(step, random)],
    retries: 3,
    timeout: '60s',
  }));
  return { kind: 'pipeline', name, spec: { steps } };
}

/** Works for a moment, fails now and then, and writes what it read. What is not cached differs each time. */
function scriptOf({ name, inputs, outputs, cache, command }: Step, random: Random): string {
  const isFlaky = random.next() < 0.2;
  const read = ['/dev/null', ...Object.keys(inputs).map((input) => `"$KEDGE_INPUT_${input.toUpperCase()}"`)].join(' ');
  const own = cache ? '' : 'echo "$$ $(date +%s%N)";';
  return [
    `sleep 0.${random.int(5)}`,
    isFlaky ? '[ $(($(date +%s) % 3)) -ne 0 ] || exit 1' : 'true',
    ...outputs.map((output) => {
      const path = `"$KEDGE_OUTPUT_${output.toUpperCase()}"`;
      return `{ echo ${cache ? command?.[1] : name} ${output}; ${own} cat ${read}; } > ${path}`;
    }),
  ].join('; ');
}

async function inLanes<T>(count: number, work: (n: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) results[n] = await work(n);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return results;
}
