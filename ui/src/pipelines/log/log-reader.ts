import type { LogLine } from '#pipelines/contract';
import { kedge } from '../../data/read.ts';
import { appended, emptyWindow, LIMITS, type LogWindow, prepended } from './log-window.ts';

const POLL_MS = 1_000;
const RETRY_MS = 3_000;
const PAGE_LINES = 1_000;

export interface LogState extends LogWindow {
  /** The step is over and its end is in the window. */
  readonly isDone: boolean;
  readonly isLoaded: boolean;
  readonly error: Error | null;
}

export const initialLog: LogState = { ...emptyWindow, isDone: false, isLoaded: false, error: null };

interface OfLog {
  readonly run: string;
  readonly step: string;
  /** Only lines with this text; all of them when it is empty. */
  readonly contains: string;
}

/**
 * Reads a log from its end, older and newer pages as they are asked for, and what is written as long as the end is in
 * the window and the step goes on. One request goes on at a time.
 */
export class LogReader {
  readonly #of: OfLog;
  readonly #tell: (state: LogState) => void;
  readonly #abort = new AbortController();
  #state = initialLog;
  #next = 0;
  #isBusy = false;
  #timer: number | undefined;

  constructor(of: OfLog, tell: (state: LogState) => void) {
    this.#of = of;
    this.#tell = tell;
  }

  /** Begins at the end, or around a line. */
  start(line?: number): void {
    if (line === undefined) return void this.toEnd();
    void this.#reading(async () => {
      const before = await this.#read({ before: line, limit: PAGE_LINES / 2 });
      const after = await this.#read({ after: line - 1, limit: PAGE_LINES });
      const hasNewer = after.items.length === PAGE_LINES;
      const window = { ...emptyWindow, hasOlder: before.items.length === PAGE_LINES / 2, hasNewer };
      this.#set({ ...appended(appended(window, before.items), after.items), isDone: after.done });
      this.#next = after.next;
    });
  }

  stop(): void {
    this.#abort.abort();
    window.clearTimeout(this.#timer);
  }

  toEnd(): Promise<void> {
    return this.#reading(async () => {
      const { items, next, done } = await this.#read({ before: Number.MAX_SAFE_INTEGER, limit: PAGE_LINES });
      const isAll = items.length < PAGE_LINES;
      this.#set({ ...appended({ ...emptyWindow, hasOlder: !isAll }, items), isDone: done });
      this.#next = next;
    });
  }

  older(): Promise<void> {
    const [first] = this.#state.lines;
    if (!first || !this.#state.hasOlder) return Promise.resolve();
    return this.#reading(async () => {
      const { items } = await this.#read({ before: first.position, limit: PAGE_LINES });
      this.#set(prepended(this.#state, { items, hasOlder: items.length === PAGE_LINES }));
    });
  }

  newer(): Promise<void> {
    const last = this.#state.lines.at(-1);
    if (!last || !this.#state.hasNewer) return Promise.resolve();
    return this.#reading(async () => {
      const { items, next, done } = await this.#read({ after: last.position, limit: PAGE_LINES });
      this.#next = next;
      this.#set({ ...appended(this.#state, items, LIMITS), hasNewer: items.length === PAGE_LINES, isDone: done });
    });
  }

  async #follow(): Promise<void> {
    await this.#reading(async () => {
      const { items, next, done } = await this.#read({ after: this.#next, limit: PAGE_LINES });
      this.#next = next;
      this.#set({ ...appended(this.#state, items), isDone: done });
    });
  }

  /** Does one thing at a time, then waits for what is written next. */
  async #reading(run: () => Promise<void>): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    window.clearTimeout(this.#timer);
    try {
      await run();
      if (this.#state.error) this.#set({ error: null });
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#set({ error: error as Error });
    } finally {
      this.#isBusy = false;
    }
    this.#plan();
  }

  #plan(): void {
    const { isDone, isLoaded, hasNewer, error } = this.#state;
    if (this.#abort.signal.aborted || (isLoaded && (isDone || hasNewer))) return;
    const again = () => void (isLoaded ? this.#follow() : this.toEnd());
    this.#timer = window.setTimeout(again, error ? RETRY_MS : POLL_MS);
  }

  async #read(page: { readonly after?: number; readonly before?: number; readonly limit: number }): Promise<{
    readonly items: LogLine[];
    readonly next: number;
    readonly done: boolean;
  }> {
    const { run, step, contains } = this.#of;
    const query = { ...page, ...(contains ? { contains } : {}) };
    const reply = await kedge.pipelines.readStepLog({ params: { run, step }, query, signal: this.#abort.signal });
    if (this.#abort.signal.aborted) throw this.#abort.signal.reason;
    return reply;
  }

  #set(change: Partial<LogState>): void {
    this.#state = { ...this.#state, ...change, isLoaded: this.#state.isLoaded || change.lines !== undefined };
    this.#tell(this.#state);
  }
}
