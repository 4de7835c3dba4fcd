import type { Played } from './play.ts';

interface Count {
  readonly times: number;
  readonly seeds: number;
}

/** A tally as it is sent from one process to another. */
export type Shown = Pick<Tally, 'seeds' | 'failed' | 'steps' | 'commits' | 'runs' | 'virtualMs' | 'faults'>;

/** What many worlds have shown together. */
export class Tally {
  seeds = 0;
  failed = 0;
  steps = 0;
  commits = 0;
  runs = 0;
  virtualMs = 0;
  /** How often each fault has happened, and in how many worlds. */
  readonly faults = new Map<string, Count>();

  add(played: Played): void {
    this.seeds += 1;
    this.failed += played.violation ? 1 : 0;
    this.steps += played.steps;
    this.commits += played.commits;
    this.runs += played.runs;
    this.virtualMs += played.virtualMs;
    for (const [name, times] of played.faults) this.#count(name, { times, seeds: 1 });
  }

  /** Adds what other worlds have shown. */
  merge(other: Shown): void {
    this.seeds += other.seeds;
    this.failed += other.failed;
    this.steps += other.steps;
    this.commits += other.commits;
    this.runs += other.runs;
    this.virtualMs += other.virtualMs;
    for (const [name, count] of other.faults) this.#count(name, count);
  }

  #count(name: string, { times, seeds }: Count): void {
    const known = this.faults.get(name) ?? { times: 0, seeds: 0 };
    this.faults.set(name, { times: known.times + times, seeds: known.seeds + seeds });
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
