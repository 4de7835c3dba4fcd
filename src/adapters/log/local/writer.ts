import { statSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { assert } from '#core/assert';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import {
  type Appended,
  assertOffset,
  assertPacked,
  assertRecords,
  type LogCursor,
  type LogPage,
  logErrors,
  type PackedRecords,
  type ReadQuery,
  type SyncEventLog,
} from '#ports/event-log';
import { FrameEncoder, frameOf } from './frame.ts';
import { LocalLogReader } from './reader.ts';
import { flushFolderAway, flushFolderOf, SegmentWriter } from './segment-writer.ts';
import { listSegments, PlaceIndex, segmentPath } from './segments.ts';
import { translateFull } from './system-error.ts';

interface WriterSettings {
  readonly folder: string;
  readonly clock: Clock;
  readonly segmentBytes: number;
  readonly logBytesMax: number;
  readonly fsync: 'always' | 'interval' | 'never';
  readonly fsyncIntervalMs: number;
}

/** Where the log ends: the newest segment, the length of its file, and the offset of its last record. */
export interface LogEnd {
  readonly base: number;
  readonly bytes: number;
  readonly end: number;
}

/** The one writer of a log. It holds the lock until it is closed. */
export class LocalLogWriter implements SyncEventLog {
  readonly #settings: WriterSettings;
  readonly #unlock: () => void;
  readonly #frames = new FrameEncoder();
  readonly #index = new PlaceIndex();
  readonly #reader: LocalLogReader;
  readonly #olderBytes = new Map<number, number>();
  #olderBytesTotal = 0;
  #segment: SegmentWriter;
  #base: number;
  #end: number;
  #cancelFlush: (() => void) | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #writing: Promise<void> | undefined;
  #failure: string | undefined;
  #closed = false;

  constructor(settings: WriterSettings, at: LogEnd, options: { bases: readonly number[]; unlock: () => void }) {
    this.#settings = settings;
    this.#unlock = options.unlock;
    this.#reader = new LocalLogReader(settings.folder, this.#index);
    for (const base of options.bases.filter((each) => each < at.base)) {
      this.#addOlder(base, statSync(segmentPath(settings.folder, base)).size);
    }
    this.#base = at.base;
    this.#end = at.end;
    this.#segment = new SegmentWriter(segmentPath(settings.folder, at.base), at.bytes);
  }

  appendSync(records: readonly Uint8Array[]): Appended {
    return this.appendPackedSync(this.#pack(records));
  }

  appendPackedSync(packed: PackedRecords): Appended {
    const appended = this.#write(packed);
    if (this.#settings.fsync === 'always') this.#orFail(() => this.#segment.flushSync());
    return appended;
  }

  async appendPacked(packed: PackedRecords): Promise<Appended> {
    const { frame, first } = this.#begin(packed);
    this.#writing = this.#writeAway(frame);
    try {
      await this.#writing;
    } finally {
      this.#writing = undefined;
    }
    const appended = this.#written(packed, first);
    if (this.#settings.fsync === 'always') await this.#segment.flush().catch((error) => this.#fail(error));
    return appended;
  }

  async append(records: readonly Uint8Array[]): Promise<Appended> {
    const appended = this.#write(this.#pack(records));
    if (this.#settings.fsync === 'always') await this.#segment.flush().catch((error) => this.#fail(error));
    return appended;
  }

  async trim(before: number): Promise<number> {
    this.#assertOpen();
    assertOffset(before, 'before');
    const bases = await listSegments(this.#settings.folder);
    // A segment can go if the next one begins with a record that may go as well. The one that is written to stays, also
    // while the next one is being opened, which is in the folder by then.
    while (bases[0]! < this.#base && bases[1]! < before) {
      const base = bases.shift()!;
      await unlink(segmentPath(this.#settings.folder, base));
      this.#olderBytesTotal -= this.#olderBytes.get(base) ?? 0;
      this.#olderBytes.delete(base);
    }
    this.#index.trim(bases[0]!);
    return bases[0]!;
  }

  read(query: ReadQuery): Promise<LogPage> {
    return this.#reader.read(query);
  }

  async end(): Promise<number> {
    this.#assertOpen();
    return this.#end;
  }

  start(): Promise<number> {
    return this.#reader.start();
  }

  cursor(name: string): LogCursor {
    return this.#reader.cursor(name);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelFlush?.();
    try {
      await this.#writing?.catch(() => undefined);
      await this.#flushing;
      if (this.#settings.fsync !== 'never' && this.#segment.isDirty) await this.#segment.flush();
    } finally {
      this.#segment.retire();
      await this.#reader.close();
      this.#unlock();
    }
  }

  #pack(records: readonly Uint8Array[]): PackedRecords {
    return this.#frames.pack(records, assertRecords(records));
  }

  #write(packed: PackedRecords): Appended {
    const { frame, first } = this.#begin(packed);
    if (this.#isFullFor(frame)) this.#roll();
    const before = this.#segment.bytes;
    try {
      this.#segment.write(frame);
    } catch (error) {
      this.#unwritten(error, before);
    }
    return this.#written(packed, first);
  }

  async #writeAway(frame: Buffer): Promise<void> {
    if (this.#isFullFor(frame)) await this.#rollAway();
    const before = this.#segment.bytes;
    try {
      await this.#segment.writeAway(frame);
    } catch (error) {
      this.#unwritten(error, before);
    }
  }

  #begin(packed: PackedRecords): { readonly frame: Buffer; readonly first: number } {
    this.#assertOpen();
    if (this.#failure !== undefined) throw this.#broken(this.#failure);
    assert(!this.#writing, 'one append at a time');
    assertPacked(packed);
    const first = this.#end + 1;
    const frame = frameOf(packed, first);
    this.#assertSpace(frame.length);
    return { frame, first };
  }

  #isFullFor(frame: Buffer): boolean {
    return this.#segment.bytes > 0 && this.#segment.bytes + frame.length > this.#settings.segmentBytes;
  }

  #unwritten(error: unknown, before: number): never {
    if (statSync(segmentPath(this.#settings.folder, this.#base)).size !== before) this.#fail(error);
    throw translateFull(error, this.#settings.folder);
  }

  #written({ count }: PackedRecords, first: number): Appended {
    this.#end += count;
    this.#index.note(this.#base, this.#end, this.#segment.bytes);
    if (this.#settings.fsync === 'interval') this.#flushSoon();
    return { first, last: this.#end };
  }

  #assertSpace(bytes: number): void {
    if (this.#olderBytesTotal + this.#segment.bytes + bytes <= this.#settings.logBytesMax) return;
    const { folder, logBytesMax } = this.#settings;
    throw logErrors['no-space'](`the log '${folder}' is at its limit of ${logBytesMax} bytes; trim it`);
  }

  #roll(): void {
    const path = this.#nextPath();
    let next: SegmentWriter | undefined;
    try {
      next = new SegmentWriter(path, 0);
      if (this.#settings.fsync !== 'never') flushFolderOf(path);
    } catch (error) {
      next?.retire();
      throw translateFull(error, this.#settings.folder);
    }
    this.#goOnIn(next);
  }

  /** {@link #roll} on another thread. */
  async #rollAway(): Promise<void> {
    const path = this.#nextPath();
    let next: SegmentWriter | undefined;
    try {
      next = await SegmentWriter.openAway(path);
      if (this.#settings.fsync !== 'never') await flushFolderAway(path);
    } catch (error) {
      next?.retire();
      throw translateFull(error, this.#settings.folder);
    }
    this.#goOnIn(next);
  }

  #nextPath(): string {
    assert(this.#end > this.#base, 'a segment that is rolled has records');
    return segmentPath(this.#settings.folder, this.#end);
  }

  #goOnIn(next: SegmentWriter): void {
    const full = this.#segment;
    this.#segment = next;
    this.#addOlder(this.#base, full.bytes);
    this.#base = this.#end;
    if (this.#settings.fsync !== 'never' && full.isDirty) this.#flushInBackground(full);
    full.retire();
  }

  #addOlder(base: number, bytes: number): void {
    this.#olderBytes.set(base, bytes);
    this.#olderBytesTotal += bytes;
  }

  #flushSoon(): void {
    if (this.#cancelFlush) return;
    this.#cancelFlush = this.#settings.clock.after(this.#settings.fsyncIntervalMs, () => {
      this.#cancelFlush = undefined;
      if (this.#segment.isDirty) this.#flushInBackground(this.#segment);
    });
  }

  #flushInBackground(segment: SegmentWriter): void {
    const before = this.#flushing;
    const flush = segment.flush().catch((error: unknown) => {
      this.#failure = messageOf(error);
    });
    this.#flushing = before.then(() => flush);
  }

  #orFail(operation: () => void): void {
    try {
      operation();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** What reached the disk is unknown now, so nothing more may be acknowledged. */
  #fail(error: unknown): never {
    this.#failure = messageOf(error);
    throw this.#broken(this.#failure);
  }

  #broken(cause: string): Error {
    return logErrors.failed(`the log '${this.#settings.folder}' failed to write (${cause}); open it again`);
  }

  #assertOpen(): void {
    if (this.#closed) throw logErrors.closed(`the log '${this.#settings.folder}' is closed`);
  }
}
