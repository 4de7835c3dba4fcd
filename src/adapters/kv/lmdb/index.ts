import { mkdir, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { messageOf } from '#core/errors';
import {
  assertBatch,
  assertEntries,
  assertRangeLimit,
  BATCH_BYTES_MAX,
  type KeyValue,
  type KeyValueEntry,
  type KeyValueRange,
  keyBytes,
  keyValueErrors,
} from '#ports/key-value';
import { checkFile } from './check-file.ts';

export interface LmdbOptions {
  /** The path of the database file. LMDB keeps a lock file beside it, named with `-lock` at the end. */
  readonly path: string;
  /** Reads what another process writes. The file must exist. */
  readonly readOnly?: boolean;
}

/** Its reads are over when they return, as the store is a memory map of this process. */
export type LmdbKeyValue = KeyValue & Required<Pick<KeyValue, 'getManySync'>>;

/**
 * Opens a key-value store in an LMDB file. Fails with `kv/not-found` if it is to be read and does not exist, and with
 * `kv/corrupt` if the file is damaged.
 */
export async function openLmdbKeyValue(options: LmdbOptions): Promise<LmdbKeyValue> {
  const path = resolve(options.path);
  const readOnly = options.readOnly ?? false;
  if (!readOnly) await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const state = await checkFile(path);
  if (state === 'absent' && readOnly) {
    throw keyValueErrors['not-found'](`the key-value store '${path}' does not exist: its writer makes it`);
  }
  const database = open<Buffer, Buffer>({
    path,
    noSubdir: true,
    readOnly,
    keyEncoding: 'binary',
    encoding: 'binary',
    // A commit flushes before it resolves, as LMDB itself does it; the overlapping mode of lmdb-js does not promise it.
    overlappingSync: false,
    // Writes are batched here. The automatic batches of lmdb-js hold a promise that nobody can handle when it rejects.
    eventTurnBatching: false,
  });
  return new LmdbStore(database, { path, readOnly });
}

class LmdbStore implements LmdbKeyValue {
  readonly #database: RootDatabase<Buffer, Buffer>;
  readonly #path: string;
  readonly #readOnly: boolean;
  readonly #writes = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;

  constructor(database: RootDatabase<Buffer, Buffer>, { path, readOnly }: { path: string; readOnly: boolean }) {
    this.#database = database;
    this.#path = path;
    this.#readOnly = readOnly;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.getManySync([key])[0];
  }

  async getMany(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    return this.getManySync(keys);
  }

  getManySync(keys: readonly string[]): readonly (Uint8Array | undefined)[] {
    this.#assertOpen();
    assertBatch(keys.length);
    const binaryKeys = keys.map(keyBytes);
    // All keys are read from one snapshot, and that is the newest one, also if another process made it.
    this.#database.resetReadTxn();
    return binaryKeys.map((key) => this.#database.get(key));
  }

  async putMany(entries: readonly KeyValueEntry[]): Promise<void> {
    this.#assertWritable();
    assertEntries(entries);
    // LMDB reads the value in its own thread later, so that it gets a copy that the caller cannot change meanwhile.
    const copies = entries.map(({ key, value }) => ({ key: keyBytes(key), value: Buffer.from(value) }));
    await this.#write(() => copies.map(({ key, value }) => this.#database.put(key, value)));
  }

  async deleteMany(keys: readonly string[]): Promise<void> {
    this.#assertWritable();
    assertBatch(keys.length);
    const binaryKeys = keys.map(keyBytes);
    await this.#write(() => binaryKeys.map((key) => this.#database.remove(key)));
  }

  async range({ prefix, after, limit }: KeyValueRange): Promise<readonly KeyValueEntry[]> {
    this.#assertOpen();
    assertRangeLimit(limit);
    const first = Buffer.from(prefix, 'utf8');
    const past = after === undefined ? first : Buffer.concat([keyBytes(after), Buffer.of(0)]);
    const start = Buffer.compare(first, past) < 0 ? past : first;
    const entries: KeyValueEntry[] = [];
    this.#database.resetReadTxn();
    for (const { key, value } of this.#database.getRange({ ...(start.length > 0 && { start }), limit })) {
      if (!key.subarray(0, first.length).equals(first)) break;
      entries.push({ key: key.toString('utf8'), value });
    }
    return entries;
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.allSettled(this.#writes);
      await this.#database.close();
    })();
    return this.#closing;
  }

  async #write(enqueue: () => readonly Promise<boolean>[]): Promise<void> {
    const write = this.#commit(enqueue);
    this.#writes.add(write);
    try {
      await write;
    } finally {
      this.#writes.delete(write);
    }
  }

  async #commit(enqueue: () => readonly Promise<boolean>[]): Promise<void> {
    let partsSettled: Promise<unknown> = Promise.resolve();
    const batch = this.#database.batch(() => {
      // The promise of every part fails with its batch, and nobody else looks at them.
      partsSettled = Promise.allSettled(enqueue());
    });
    try {
      await batch;
    } catch (error) {
      throw await this.#translate(error);
    } finally {
      await partsSettled;
    }
  }

  /** A failed commit of lmdb-js carries its cause as one more promise that rejects. */
  async #translate(error: unknown): Promise<unknown> {
    const attached = error instanceof Error && 'commitError' in error ? error.commitError : error;
    const cause = await Promise.resolve(attached).catch((rejection: unknown) => rejection);
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    // LMDB takes a write that was cut short for an input/output error, and a full disk cuts writes short.
    const full = code === ENOSPC || code === MDB_MAP_FULL || (code === EIO && (await this.#isDiskShort()));
    if (full) {
      return keyValueErrors['no-space'](`the disk of the key-value store '${this.#path}' is full; nothing was written`);
    }
    return new Error(`the key-value store '${this.#path}' cannot be written: ${messageOf(cause)}`, { cause });
  }

  async #isDiskShort(): Promise<boolean> {
    const { bavail, bsize } = await statfs(dirname(this.#path));
    return bavail * bsize < BATCH_BYTES_MAX;
  }

  #assertOpen(): void {
    if (this.#closing) throw keyValueErrors.closed(`the key-value store '${this.#path}' is closed`);
  }

  #assertWritable(): void {
    this.#assertOpen();
    if (this.#readOnly) throw keyValueErrors['read-only'](`the key-value store '${this.#path}' is open for reading`);
  }
}

const EIO = 5;
const ENOSPC = 28;
const MDB_MAP_FULL = -30792;
