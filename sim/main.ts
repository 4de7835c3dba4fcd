import { parseArgs } from 'node:util';
import { systemClock } from '#core/clock';
import { applyMutation } from './mutations/apply.ts';
import { summaryOf, Tally } from './tally.ts';
import type { Violation } from './world/world.ts';

/**
 * `npm run sim -- --seeds 10000` plays many worlds, `--seed 7 --trace` shows one. `--first` stops at the first that
 * fails, `--mutation` plays them with a product that is broken on purpose, `--try 37` plays that world before all
 * others. An interrupt ends after the present world.
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
  },
});

const PROGRESS_EVERY = 250;

async function main(): Promise<number> {
  if (values.mutation !== undefined) applyMutation(values.mutation);
  // Loaded only now, so that a mutation is in force.
  const { Stage } = await import('./play.ts');
  const stage = await Stage.open();
  const say = (text: string): void => console.log(text);
  const from = Number(values.seed ?? values.from);
  const count = values.seed === undefined ? Number(values.seeds) : 1;
  const seeds = Array.from({ length: count }, (_, i) => from + i);
  if (values.try !== undefined) seeds.unshift(Number(values.try));
  const onTrace = values.trace ? say : undefined;
  const tally = new Tally();
  const startedMs = systemClock.monotonic();
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
      if (tally.seeds % PROGRESS_EVERY === 0) say(`${tally.seeds} of ${count} seeds, ${tally.failed} failed`);
    }
  } finally {
    stage.close();
  }
  say(`${summaryOf(tally)}\nin ${((systemClock.monotonic() - startedMs) / 1_000).toFixed(1)} s`);
  return tally.failed > 0 ? 1 : 0;
}

function wordsOf(seed: number, { invariant, message }: Violation): string {
  return `seed ${seed}: invariant ${invariant}: ${message}\n  again: npm run sim -- --seed ${seed} --trace`;
}

process.exitCode = await main();
