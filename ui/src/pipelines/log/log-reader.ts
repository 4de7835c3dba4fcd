import type { LogPage } from '#pipelines/contract';
import { kedge } from '../../data/read.ts';
import { appended, emptyWindow, type LogWindow, prepended } from './log-window.ts';

const POLL_MS = 1_000;
const RETRY_MS = 3_000;
const PAGE_LINES = 1_000;
/** A search that has found so many waits until they are scrolled past. */
const ENOUGH_LINES = 200;

export interface LogState extends LogWindow {
  /** The step is over and its end is in the window. */
  readonly isDone: boolean;
  readonly isLoaded: boolean;
  /** A search goes on in the lines that it has not looked at. */
  readonly isSearching: boolean;
  readonly error: Error | null;
}

export const initialLog: LogState = { ...emptyWindow, isDone: false, isLoaded: false, isSearching: false, error: null };

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
  /** Up to where was looked before the window, if that is further than its first line. */
  #previous: number | undefined;
  #isFollowed = true;
  /** What is read now, until it is over. */
  #current: Promise<void> | undefined;
  /** Somebody wants to be elsewhere: a search that goes on is given up for it. */
  #isLeaving = false;
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
      const window = { ...emptyWindow, hasOlder: before.more, hasNewer: after.more };
      this.#set({ ...appended(appended(window, before.items), after.items), isDone: after.done });
      this.#next = after.next;
    });
  }

  stop(): void {
    this.#abort.abort();
    window.clearTimeout(this.#timer);
  }

  /** Whether these lines are what is in the window now: a page draws them a moment later. */
  holds(lines: LogState['lines']): boolean {
    return this.#state.lines === lines;
  }

  /** Whether the end is looked at: then the window stays at it, however much is written. */
  follows(isFollowed: boolean): void {
    this.#isFollowed = isFollowed;
  }

  toEnd(): Promise<void> {
    return this.#leaving(() => this.#readEnd());
  }

  toStart(): Promise<void> {
    return this.#leaving(async () => {
      const page = await this.#read({ after: 0, limit: PAGE_LINES });
      this.#previous = undefined;
      this.#next = page.next;
      const isSearching = page.more && page.items.length < ENOUGH_LINES;
      const window = appended({ ...emptyWindow, hasNewer: page.more }, page.items);
      this.#set({ ...window, isDone: page.done, isSearching });
      if (isSearching) await this.#readNewer();
    });
  }

  older(): Promise<void> {
    return this.#state.hasOlder ? this.#reading(() => this.#readOlder(0)) : Promise.resolve();
  }

  newer(): Promise<void> {
    return this.#state.hasNewer ? this.#reading(() => this.#readNewer()) : Promise.resolve();
  }

  async #readEnd(): Promise<void> {
    const page = await this.#read({ before: Number.MAX_SAFE_INTEGER, limit: PAGE_LINES });
    this.#previous = page.previous;
    const isSearching = page.more && page.items.length < ENOUGH_LINES;
    this.#set({
      ...appended({ ...emptyWindow, hasOlder: page.more }, page.items),
      ...{ isDone: page.done, isSearching },
    });
    this.#next = page.next;
    if (isSearching) await this.#readOlder(page.items.length);
  }

  /** A search may look at many lines and find few: it goes on until there is something to look at. */
  async #readOlder(already: number): Promise<void> {
    let found = already;
    let page: LogPage;
    do {
      const before = this.#previous ?? this.#state.lines[0]?.position ?? Number.MAX_SAFE_INTEGER;
      page = await this.#read({ before, limit: PAGE_LINES });
      this.#previous = page.previous;
      found += page.items.length;
      const window = prepended(this.#state, { items: page.items, hasOlder: page.more });
      if (window.hasNewer && !this.#state.hasNewer) this.#next = window.lines.at(-1)?.position ?? this.#next;
      this.#set({ ...window, isSearching: page.more && found < ENOUGH_LINES });
    } while (this.#state.isSearching && !this.#isLeaving);
  }

  async #readNewer(): Promise<void> {
    let found = 0;
    let page: LogPage;
    do {
      page = await this.#read({ after: this.#next, limit: PAGE_LINES });
      found += page.items.length;
      this.#append(page, { isSearching: page.more && found < ENOUGH_LINES, hasNewer: page.more });
    } while (this.#state.isSearching && !this.#isLeaving);
  }

  #follow(): Promise<void> {
    return this.#reading(async () => {
      const page = await this.#read({ after: this.#next, limit: PAGE_LINES });
      // More is written than is read this way, and what is between would be seen by nobody.
      if (page.more && this.#isFollowed) await this.#readEnd();
      else this.#append(page, { hasNewer: page.more });
    });
  }

  #append(page: LogPage, change: Partial<LogState>): void {
    const [first] = this.#state.lines;
    const window = appended(this.#state, page.items);
    // What was looked at in vain before the window is no longer next to it.
    if (first && window.lines[0] !== first) this.#previous = undefined;
    this.#next = page.next;
    this.#set({ ...window, isDone: page.done, ...change });
  }

  /** Goes elsewhere as soon as what is read now is over. */
  async #leaving(run: () => Promise<void>): Promise<void> {
    this.#isLeaving = true;
    while (this.#current) await this.#current;
    this.#isLeaving = false;
    await this.#reading(run);
  }

  /** Does one thing at a time, then waits for what is written next. */
  #reading(run: () => Promise<void>): Promise<void> {
    if (this.#current) return Promise.resolve();
    window.clearTimeout(this.#timer);
    this.#current = this.#run(run);
    return this.#current;
  }

  async #run(read: () => Promise<void>): Promise<void> {
    try {
      await read();
      if (this.#state.error) this.#set({ error: null });
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#set({ error: error as Error, isSearching: false });
    } finally {
      this.#current = undefined;
    }
    this.#plan();
  }

  #plan(): void {
    const { isDone, isLoaded, hasNewer, error } = this.#state;
    if (this.#abort.signal.aborted || (isLoaded && (isDone || hasNewer))) return;
    const again = () => void (isLoaded ? this.#follow() : this.toEnd());
    this.#timer = window.setTimeout(again, error ? RETRY_MS : POLL_MS);
  }

  async #read(page: { readonly after?: number; readonly before?: number; readonly limit: number }): Promise<LogPage> {
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
