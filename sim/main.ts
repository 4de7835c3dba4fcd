import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { systemClock } from '#core/clock';
import { applyMutation } from './mutations/apply.ts';
import { playSpread } from './spread.ts';
import { type Shown, summaryOf, Tally } from './tally.ts';
import type { Violation } from './world/world.ts';

/**
 * `npm run sim -- --seeds 10000` plays many worlds, `--seed 7 --trace` shows one. `--first` stops at the first that
 * fails, `--mutation` plays them with a product that is broken on purpose, `--try 37` plays that world before all
 * others. Many worlds are played in as many processes as there are cores, or `--processes`. An interrupt ends after the
 * present world.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    try: { type: 'string' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    first: { type: 'boolean', default: false },
    mutation: { type: 'string' },
    processes: { type: 'string' },
  },
});

const PROGRESS_EVERY = 250;

const say = (text: string): void => console.log(text);

async function main(): Promise<number> {
  const startedMs = systemClock.monotonic();
  const processes = processesOf();
  const tally = processes > 1 ? await spread(processes) : await playHere();
  if (process.send) return end(tally);
  say(`${summaryOf(tally)}\nin ${((systemClock.monotonic() - startedMs) / 1_000).toFixed(1)} s`);
  return tally.failed > 0 ? 1 : 0;
}

/** A search for one world, and what is to be looked at, stays in this process. */
function processesOf(): number {
  if (values.processes !== undefined) return Number(values.processes);
  const { seed, first, trace, mutation } = values;
  const isOne = [seed, mutation, values.try].some((each) => each !== undefined) || first || trace;
  return isOne ? 1 : Math.min(availableParallelism(), Math.ceil(Number(values.seeds) / PROGRESS_EVERY));
}

function spread(processes: number): Promise<Tally> {
  const count = Number(values.seeds);
  let told = 0;
  return playSpread({
    ...{ from: Number(values.from), count, processes },
    onProgress({ seeds, failed }) {
      if (seeds - told < PROGRESS_EVERY) return;
      told = seeds;
      say(`${seeds} of ${count} seeds, ${failed} failed`);
    },
  });
}

/** Tells the process that started this one, and waits until it has been told. */
async function end(tally: Tally): Promise<number> {
  await new Promise((resolve) => process.send?.(shownBy(tally), resolve));
  process.disconnect();
  return tally.failed > 0 ? 1 : 0;
}

async function playHere(): Promise<Tally> {
  if (values.mutation !== undefined) applyMutation(values.mutation);
  // Loaded only now, so that a mutation is in force.
  const { Stage } = await import('./play.ts');
  const stage = await Stage.open();
  const from = Number(values.seed ?? values.from);
  const count = values.seed === undefined ? Number(values.seeds) : 1;
  const seeds = Array.from({ length: count }, (_, i) => from + i);
  if (values.try !== undefined) seeds.unshift(Number(values.try));
  const onTrace = values.trace ? say : undefined;
  const tally = new Tally();
  let isInterrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      isInterrupted = true;
    });
  }
  try {
    for (const seed of seeds) {
      if (isInterrupted) break;
      const played = await stage.play(seed, { onTrace });
      tally.add(played);
      if (played.violation) say(wordsOf(seed, played.violation));
      if (played.violation && values.first) break;
      if (tally.seeds % PROGRESS_EVERY !== 0) continue;
      if (process.send) process.send(shownBy(tally));
      else say(`${tally.seeds} of ${count} seeds, ${tally.failed} failed`);
    }
  } finally {
    stage.close();
  }
  return tally;
}

/** As plain data, which is what can be sent. */
function shownBy({ seeds, failed, steps, commits, runs, virtualMs, faults }: Tally): Shown {
  return { seeds, failed, steps, commits, runs, virtualMs, faults };
}

function wordsOf(seed: number, { invariant, message }: Violation): string {
  return `seed ${seed}: invariant ${invariant}: ${message}\n  again: npm run sim -- --seed ${seed} --trace`;
}

process.exitCode = await main();
