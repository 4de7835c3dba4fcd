import type { Played } from './play.ts';

/** What many worlds have shown together. */
export class Tally {
  seeds = 0;
  failed = 0;
  steps = 0;
  commits = 0;
  runs = 0;
  virtualMs = 0;
  /** How often each fault has happened, and in how many worlds. */
  readonly faults = new Map<string, { times: number; seeds: number }>();

  add(played: Played): void {
    this.seeds += 1;
    this.failed += played.violation ? 1 : 0;
    this.steps += played.steps;
    this.commits += played.commits;
    this.runs += played.runs;
    this.virtualMs += played.virtualMs;
    for (const [name, times] of played.faults) {
      const known = this.faults.get(name) ?? { times: 0, seeds: 0 };
      this.faults.set(name, { times: known.times + times, seeds: known.seeds + 1 });
    }
  }
}

export function summaryOf(tally: Tally): string {
  const { seeds, failed, steps, commits, runs, virtualMs } = tally;
  const rows = [...tally.faults]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { times, seeds: in_ }]) => `  ${name.padEnd(28)} ${String(times).padStart(9)} in ${in_} seeds`);
  return [
    `${seeds} seeds, ${failed} failed`,
    `${steps} events, ${commits} commits, ${runs} runs, ${(virtualMs / 3_600_000).toFixed(1)} hours of virtual time`,
    'faults that happened:',
    ...rows,
  ].join('\n');
}
