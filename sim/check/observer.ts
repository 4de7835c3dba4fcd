import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Broken } from './broken.ts';
import { checkChange, movesBetween } from './check-change.ts';
import { checkNested } from './check-nested.ts';
import { checkState } from './check-state.ts';
import { checkTold } from './check-told.ts';
import { FINAL_RUN, HISTORY_QUERIES, type History } from './history.ts';

/** Reads what was committed with a connection of its own, and judges every commit. */
export class Observer {
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<keyof History, StatementSync>>;
  #last: Pick<History, 'runs' | 'steps' | 'attempts'> = { runs: [], steps: [], attempts: [] };

  constructor(path: string) {
    this.#database = new DatabaseSync(path, { readOnly: true });
    const prepared = Object.entries(HISTORY_QUERIES).map(([part, sql]) => [part, this.#database.prepare(sql)]);
    this.#statements = Object.fromEntries(prepared);
  }

  /** Judges the state after a commit, by itself and against the one before. `onMove` gets what has moved, in words. */
  afterCommit(onMove?: (move: string) => void): Broken | undefined {
    const now = { runs: this.#read('runs'), steps: this.#read('steps'), attempts: this.#read('attempts') };
    const found = checkState(now) ?? checkNested(now) ?? checkChange(this.#last, now);
    if (onMove) for (const move of movesBetween(this.#last, now)) onMove(move);
    this.#last = now;
    return found;
  }

  /** Judges what was told of the states. */
  told(): Broken | undefined {
    return checkTold(this.history());
  }

  history(): History {
    return { ...this.#last, events: this.#read('events'), audit: this.#read('audit') };
  }

  /** Whether every run has ended, those included that the end of another starts. */
  get quiet(): boolean {
    const { runs } = this.#last;
    const of = (pipeline: string): number => runs.filter((run) => run.pipeline === pipeline).length;
    return runs.every((run) => FINAL_RUN.has(run.status)) && of('leader') === of('follower');
  }

  get runs(): number {
    return this.#last.runs.length;
  }

  /** The status of an attempt as it was last committed. */
  attemptStatus(id: string): string | undefined {
    return this.#last.attempts.find((attempt) => attempt.id === id)?.status;
  }

  close(): void {
    this.#database.close();
  }

  #read<Part extends keyof History>(part: Part): History[Part] {
    const rows: unknown = this.#statements[part].all();
    return rows as History[Part];
  }
}
