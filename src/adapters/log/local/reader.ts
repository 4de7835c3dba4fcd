import { type FileHandle, open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errorCode } from '#core/errors';
import {
  type EventLogReader,
  type LogCursor,
  type LogPage,
  type LogRecord,
  logErrors,
  type ReadQuery,
  resolveQuery,
} from '#ports/event-log';
import { openCursor } from './cursor.ts';
import type { Frame } from './frame.ts';
import { type Gap, scanSegment } from './scan.ts';
import { listSegments, PlaceIndex, segmentName, segmentPath } from './segments.ts';

/** Reads the segments of a folder, which this or another process may be writing. */
export class LocalLogReader implements EventLogReader {
  readonly #folder: string;
  readonly #index: PlaceIndex;
  #closed = false;

  constructor(folder: string, index = new PlaceIndex()) {
    this.#folder = resolve(folder);
    this.#index = index;
  }

  async read(query: ReadQuery): Promise<LogPage> {
    this.#assertOpen();
    const resolved = resolveQuery(query);
    for (;;) {
      const page = await this.#tryRead(resolved);
      if (page) return page;
    }
  }

  async end(): Promise<number> {
    this.#assertOpen();
    const last = (await listSegments(this.#folder)).at(-1);
    if (last === undefined) return 0;
    const from = this.#index.find(last, Number.MAX_SAFE_INTEGER);
    let end = from.after;
    const file = await openSegment(this.#folder, last);
    // The segment was trimmed meanwhile, so there is a newer one.
    if (!file) return this.end();
    try {
      for await (const found of scanSegment(file, from)) {
        if (found.kind === 'gap') continue;
        end = found.place.after;
        this.#index.note(last, end, found.place.position);
      }
    } finally {
      await file.close();
    }
    return end;
  }

  async start(): Promise<number> {
    this.#assertOpen();
    return (await listSegments(this.#folder))[0] ?? 0;
  }

  cursor(name: string): LogCursor {
    return openCursor(join(this.#folder, 'cursors'), name);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  /** Nothing if the segment to read was trimmed between looking and reading. */
  async #tryRead(query: Required<ReadQuery>): Promise<LogPage | undefined> {
    const bases = await listSegments(this.#folder);
    const start = bases[0] ?? 0;
    if (query.after < start) {
      throw logErrors.trimmed(`records after ${query.after} are asked for, but they are kept after ${start} only`);
    }
    const page = new PageBuilder(query);
    let reached = start;
    const first = bases.findLastIndex((base) => base <= query.after);
    for (let i = Math.max(0, first); i < bases.length && !page.isFull; i++) {
      const base = bases[i]!;
      const file = await openSegment(this.#folder, base);
      if (!file) return page.isEmpty ? undefined : page.done();
      try {
        const end = await this.#readSegment(file, { base, next: bases[i + 1] }, page);
        if (end === 'damaged') return page.done();
        reached = end;
      } finally {
        await file.close();
      }
    }
    if (query.after > reached) {
      throw logErrors.invalid(`after ${query.after} lies beyond the end of the log, which is ${reached}`);
    }
    return page.done();
  }

  /** Adds the records of a segment to the page, up to damage or the end of either. Returns the offset reached. */
  async #readSegment(
    file: FileHandle,
    { base, next }: { readonly base: number; readonly next: number | undefined },
    page: PageBuilder,
  ): Promise<number | 'damaged'> {
    let reached = this.#index.find(base, page.last);
    for await (const found of scanSegment(file, reached)) {
      if (found.kind === 'frame') {
        reached = found.place;
        this.#index.note(base, reached.after, reached.position);
        if (!page.add(found.frame)) return reached.after;
        continue;
      }
      const end = found.gap.next?.after ?? next;
      // Bytes without a sound frame at the very end are an append in progress, or one that a crash cut off.
      if (end === undefined) break;
      if (!page.passes(found.gap.after, end)) return this.#stopAtGap({ base, gap: found.gap, end }, page);
      reached = found.gap.next ?? reached;
    }
    if (next === undefined || reached.after >= next) return reached.after;
    const gap = { ...reached, bytes: 0 };
    return page.passes(reached.after, next) ? next : this.#stopAtGap({ base, gap, end: next }, page);
  }

  #stopAtGap({ base, gap, end }: { base: number; gap: Gap; end: number }, page: PageBuilder): 'damaged' {
    if (!page.isEmpty) return 'damaged';
    const where = `segment ${segmentName(base)} of '${this.#folder}' at byte ${gap.position}`;
    throw logErrors.corrupt(
      `records ${gap.after + 1} to ${end} are damaged or lost (${where}); reading can go on after ${end}`,
    );
  }

  #assertOpen(): void {
    if (this.#closed) throw logErrors.closed(`the log '${this.#folder}' is closed`);
  }
}

/** Collects records until one of the limits of the query. */
class PageBuilder {
  readonly #query: Required<ReadQuery>;
  readonly #records: LogRecord[] = [];
  #bytes = 0;
  #full = false;

  constructor(query: Required<ReadQuery>) {
    this.#query = query;
  }

  get last(): number {
    return this.#records.at(-1)?.offset ?? this.#query.after;
  }

  get isEmpty(): boolean {
    return this.#records.length === 0;
  }

  get isFull(): boolean {
    return this.#full;
  }

  /** Takes what fits of the frame. Tells whether all of it did. */
  add(frame: Frame): boolean {
    if (frame.last <= this.last) return true;
    for (const [index, data] of frame.records().entries()) {
      const offset = frame.first + index;
      if (offset <= this.last) continue;
      const fits = this.#records.length < this.#query.limit && this.#bytes + data.length <= this.#query.bytesMax;
      if (!fits && !this.isEmpty) {
        this.#full = true;
        return false;
      }
      this.#records.push({ offset, data });
      this.#bytes += data.length;
    }
    return true;
  }

  /** Whether none of the lost records after `after` up to `end` was asked for. */
  passes(after: number, end: number): boolean {
    return end <= after || end <= this.#query.after;
  }

  done(): LogPage {
    return { records: this.#records, last: this.last };
  }
}

async function openSegment(folder: string, base: number): Promise<FileHandle | undefined> {
  try {
    return await open(segmentPath(folder, base), 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
