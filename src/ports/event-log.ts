import { defineErrors } from '#core/errors';

/**
 * An append-only log of byte records, read in order by any number of consumers that keep their place in named cursors.
 *
 * - **Offsets** count records: the first record is 1, and an offset is never used again, also after a trim. Everywhere
 *   an offset means "up to and including this record", so 0 means "nothing yet" and a reader continues `after` it.
 * - An append is acknowledged by its result. Acknowledged records are read back after a crash of the process; whether
 *   also after a crash of the machine is the adapter's documented setting.
 * - An append is there whole or not at all, and its records are adjacent. One that was never acknowledged because the
 *   process died may be there: the log is at-least-once, and records carry their own identity.
 * - An append that fails leaves nothing behind, except after `log/failed`, when only opening the log again can tell.
 * - One writer; any number of readers, also in other processes, while it writes.
 * - Nothing is skipped in silence: a read into trimmed records fails with `log/trimmed`, into damaged ones with
 *   `log/corrupt`, and both say from where reading can go on.
 */
export interface EventLogReader {
  /** Records after an offset, in order. At the end of the log the page is empty and `last` is `after`. */
  read(query: ReadQuery): Promise<LogPage>;

  /** The offset of the newest record; 0 while nothing was ever appended. */
  end(): Promise<number>;

  /** The offset before the oldest record that is kept: the smallest `after` that can be read. 0 until a trim. */
  start(): Promise<number>;

  /** The named place of a consumer. Names are 1 to 64 of `a-z 0-9 . _ -`, beginning with a letter or digit. */
  cursor(name: string): LogCursor;

  close(): Promise<void>;
}

export interface EventLog extends EventLogReader {
  /** Appends the records. Fails with `log/too-large`, `log/no-space` or `log/failed`. */
  append(records: readonly Uint8Array[]): Promise<Appended>;

  /**
   * Gives up records with an offset below `before`, as far as that frees storage: some of them may stay readable. The
   * offsets of the rest do not change. Resolves to the new {@link EventLogReader.start}.
   */
  trim(before: number): Promise<number>;
}

/**
 * A log on this machine, whose append can be over when the function returns: a gateway may record a prediction before
 * it answers, without giving up its turn. A remote log cannot offer this.
 */
export interface SyncEventLog extends EventLog {
  /** {@link EventLog.append}, over when it returns. */
  appendSync(records: readonly Uint8Array[]): Appended;
  /** The same for records that lie behind one another already, which saves a copy of each. */
  appendPackedSync(packed: PackedRecords): Appended;
  /**
   * The same on another thread, which is what a slow disk holds up then. Until it is over, the bytes stay as they are
   * and nothing else may be appended.
   */
  appendPacked(packed: PackedRecords): Promise<Appended>;
}

/** Records in one piece of memory, each behind its length. */
export interface PackedRecords {
  /** {@link PACKED_ROOM} bytes that the log may write to, then for each record its length (32 bits, LE) and itself. */
  readonly bytes: Buffer;
  readonly count: number;
}

export const PACKED_ROOM = 20;
export const PACKED_LENGTH = 4;

export interface ReadQuery {
  readonly after: number;
  /** The largest number of records of the page, at most {@link PAGE_RECORDS_MAX}, which it is by default. */
  readonly limit?: number;
  /** The page ends before the record that would exceed it, but has at least one. {@link PAGE_BYTES} by default. */
  readonly bytesMax?: number;
}

export interface LogRecord {
  readonly offset: number;
  readonly data: Uint8Array;
}

export interface LogPage {
  readonly records: readonly LogRecord[];
  /** The `after` of the next page. */
  readonly last: number;
}

export interface Appended {
  readonly first: number;
  readonly last: number;
}

export interface LogCursor {
  /** The offset that was set last; 0 when none was. */
  get(): Promise<number>;
  /** Sets the place, atomically. It may go back, to read again. */
  set(offset: number): Promise<void>;
}

/** The largest record. */
export const RECORD_BYTES_MAX = 16 * 1024 * 1024;
/** The largest sum of the records of one append. */
export const APPEND_BYTES_MAX = 64 * 1024 * 1024;
export const APPEND_RECORDS_MAX = 10_000;
export const PAGE_RECORDS_MAX = 10_000;
export const PAGE_BYTES = 4 * 1024 * 1024;

export const logErrors = defineErrors('log', {
  invalid: { status: 400, title: 'Not a usable request to the log' },
  'too-large': { status: 413, title: 'The record or append is too large' },
  trimmed: { status: 410, title: 'The records are no longer kept' },
  corrupt: { status: 500, title: 'Records of the log are damaged' },
  locked: { status: 409, title: 'Another process writes to the log' },
  closed: { status: 503, title: 'The log is closed' },
  'no-space': { status: 507, title: 'The log is full' },
  failed: { status: 500, title: 'The log cannot be written any more' },
});

/** Throws `log/invalid` or `log/too-large` if an append breaks the limits of the port. Returns the sum of the bytes. */
export function assertRecords(records: readonly Uint8Array[]): number {
  assertCount(records.length);
  let bytesTotal = 0;
  for (const [index, record] of records.entries()) {
    if (record.length > RECORD_BYTES_MAX) {
      const what = `record ${index} of the append has ${record.length} bytes`;
      throw logErrors['too-large'](`${what}, the limit is ${RECORD_BYTES_MAX}`);
    }
    bytesTotal += record.length;
  }
  assertBytes(bytesTotal);
  return bytesTotal;
}

/** Throws `log/invalid` or `log/too-large`. That each record is no longer than one may be is up to who packed them. */
export function assertPacked({ bytes, count }: PackedRecords): void {
  assertCount(count);
  assertBytes(bytes.length - PACKED_ROOM - PACKED_LENGTH * count);
}

function assertCount(count: number): void {
  if (count === 0) throw logErrors.invalid('an append has at least one record');
  if (count <= APPEND_RECORDS_MAX) return;
  throw logErrors['too-large'](`the append has ${count} records, the limit is ${APPEND_RECORDS_MAX}`);
}

function assertBytes(bytes: number): void {
  if (bytes <= APPEND_BYTES_MAX) return;
  throw logErrors['too-large'](`the append has ${bytes} bytes, the limit is ${APPEND_BYTES_MAX}`);
}

/** Throws `log/invalid` unless `offset` is an integer from 0; `field` names it in the error. */
export function assertOffset(offset: number, field: string): void {
  if (Number.isSafeInteger(offset) && offset >= 0) return;
  throw logErrors.invalid(`${field} ${offset} is not an offset: expected an integer from 0`);
}

/** The query with its defaults. Throws `log/invalid` if it breaks the limits of the port. */
export function resolveQuery(query: ReadQuery): Required<ReadQuery> {
  const { after, limit = PAGE_RECORDS_MAX, bytesMax = PAGE_BYTES } = query;
  assertOffset(after, 'after');
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_RECORDS_MAX) {
    throw logErrors.invalid(`limit ${limit} is not an integer from 1 to ${PAGE_RECORDS_MAX}`);
  }
  if (!Number.isInteger(bytesMax) || bytesMax < 1 || bytesMax > APPEND_BYTES_MAX) {
    throw logErrors.invalid(`bytesMax ${bytesMax} is not an integer from 1 to ${APPEND_BYTES_MAX}`);
  }
  return { after, limit, bytesMax };
}

const CURSOR_NAME_PATTERN = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** Throws `log/invalid` unless `name` can name a cursor. */
export function assertCursorName(name: string): void {
  if (CURSOR_NAME_PATTERN.test(name)) return;
  const shown = JSON.stringify(name.slice(0, 80));
  throw logErrors.invalid(`cursor name ${shown} is not 1 to 64 of a-z 0-9 . _ - beginning with a letter or digit`);
}
