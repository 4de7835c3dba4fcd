import { defineErrors } from '#core/errors';

/**
 * A store of small values under text keys: the online feature store.
 *
 * - Keys sort by their UTF-8 bytes. A key has 1 to {@link KEY_BYTES_MAX} bytes and no lone surrogates
 *   (`kv/invalid-key`); a value has at most {@link VALUE_BYTES_MAX} (`kv/too-large`).
 * - A write is atomic over all its entries and has reached the disk when its promise resolves.
 * - One process writes; any number read. A reader sees every write that resolved before its read began, and never half
 *   of one write within one call.
 * - A returned value belongs to the caller.
 * - A store opened read-only refuses writes with `kv/read-only`; a closed one refuses everything with `kv/closed`.
 */
export interface KeyValue {
  get(key: string): Promise<Uint8Array | undefined>;

  /** The values in the order of the keys, all of one moment. */
  getMany(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]>;

  /**
   * The same without a promise, for callers that must not give up their turn. Only a store in the memory of this
   * process can offer it, so whoever takes it has a way without: `kv.getManySync?.(keys) ?? (await kv.getMany(keys))`.
   */
  getManySync?(keys: readonly string[]): readonly (Uint8Array | undefined)[];

  /** Stores all entries or none. Of several entries with one key the last wins. Fails with `kv/no-space`. */
  putMany(entries: readonly KeyValueEntry[]): Promise<void>;

  /** Removes all of the keys or none. A key that is not there is not an error. */
  deleteMany(keys: readonly string[]): Promise<void>;

  /** Entries in the order of their keys. A page shorter than `limit` is the last. */
  range(query: KeyValueRange): Promise<readonly KeyValueEntry[]>;

  close(): Promise<void>;
}

export interface KeyValueEntry {
  readonly key: string;
  readonly value: Uint8Array;
}

export interface KeyValueRange {
  /** Only keys that begin with it. The empty prefix means all keys. */
  readonly prefix: string;
  /** Only keys that sort after it: the last key of the previous page. */
  readonly after?: string;
  /** At most {@link BATCH_ENTRIES_MAX}. */
  readonly limit: number;
}

export const KEY_BYTES_MAX = 1_024;
export const VALUE_BYTES_MAX = 16 * 1024 * 1024;
/** The largest number of keys or entries of one call. */
export const BATCH_ENTRIES_MAX = 10_000;
/** The largest sum of the values of one `putMany`. */
export const BATCH_BYTES_MAX = 64 * 1024 * 1024;

export const keyValueErrors = defineErrors('kv', {
  'invalid-key': { status: 400, title: 'Not a usable key' },
  'invalid-range': { status: 400, title: 'Not a usable range' },
  'too-large': { status: 413, title: 'The value or batch is too large' },
  'not-found': { status: 404, title: 'The key-value store does not exist' },
  'read-only': { status: 409, title: 'The key-value store is open for reading only' },
  closed: { status: 503, title: 'The key-value store is closed' },
  corrupt: { status: 500, title: 'The key-value store is damaged' },
  'no-space': { status: 507, title: 'The key-value store is full' },
});

/** The UTF-8 bytes of a key. Throws `kv/invalid-key` if it breaks the limits of the port. */
export function keyBytes(key: string): Buffer {
  const bytes = Buffer.from(key, 'utf8');
  if (bytes.length === 0) throw keyValueErrors['invalid-key']('a key has at least one character');
  if (bytes.length > KEY_BYTES_MAX) {
    const shown = JSON.stringify(key.slice(0, 40));
    throw keyValueErrors['invalid-key'](`key ${shown}… has ${bytes.length} bytes, the limit is ${KEY_BYTES_MAX}`);
  }
  if (!key.isWellFormed()) throw keyValueErrors['invalid-key'](`key ${JSON.stringify(key)} has a lone surrogate`);
  return bytes;
}

/** Throws `kv/too-large` or `kv/invalid-key` if the entries break the limits of the port. */
export function assertEntries(entries: readonly KeyValueEntry[]): void {
  assertBatch(entries.length);
  let bytesTotal = 0;
  for (const { key, value } of entries) {
    if (value.length > VALUE_BYTES_MAX) {
      const what = `the value of key ${JSON.stringify(key.slice(0, 80))} has ${value.length} bytes`;
      throw keyValueErrors['too-large'](`${what}, the limit is ${VALUE_BYTES_MAX}`);
    }
    bytesTotal += value.length;
  }
  if (bytesTotal <= BATCH_BYTES_MAX) return;
  throw keyValueErrors['too-large'](`the values of a batch have ${bytesTotal} bytes, the limit is ${BATCH_BYTES_MAX}`);
}

/** Throws `kv/too-large` if one call names too many keys or entries. */
export function assertBatch(count: number): void {
  if (count <= BATCH_ENTRIES_MAX) return;
  throw keyValueErrors['too-large'](`a call has ${count} entries, the limit is ${BATCH_ENTRIES_MAX}`);
}

/** Throws `kv/invalid-range` unless `limit` is an integer from 1 to {@link BATCH_ENTRIES_MAX}. */
export function assertRangeLimit(limit: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= BATCH_ENTRIES_MAX) return;
  throw keyValueErrors['invalid-range'](`limit ${limit} is not an integer from 1 to ${BATCH_ENTRIES_MAX}`);
}
