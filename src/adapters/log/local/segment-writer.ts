import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  open,
  openSync,
  write,
  writeSync,
} from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT;
const MODE = 0o600;

const openFile = promisify(open) as (path: string, flags: number, mode: number) => Promise<number>;
const flushFile = promisify(fdatasync);
const writeFile = promisify(write);

/** The file at the end of the log. */
export class SegmentWriter {
  readonly #descriptor: number;
  #bytes: number;
  #flushing = 0;
  #retired = false;
  #dirty = false;

  /** @param file Its path, or what it was opened as. */
  constructor(file: string | number, bytes: number) {
    this.#descriptor = typeof file === 'number' ? file : openSync(file, FLAGS, MODE);
    this.#bytes = bytes;
  }

  /** A new file, opened on another thread. */
  static async openAway(path: string): Promise<SegmentWriter> {
    return new SegmentWriter(await openFile(path, FLAGS, MODE), 0);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isDirty(): boolean {
    return this.#dirty;
  }

  /** Writes the whole frame, in one system call unless the disk is full. On failure, takes back what was written. */
  write(frame: Uint8Array): void {
    let written = 0;
    try {
      while (written < frame.length) written += writeSync(this.#descriptor, frame, written);
    } catch (error) {
      this.#takeBack(written, error);
    }
    this.#wrote(frame.length);
  }

  /** {@link write} on another thread. */
  async writeAway(frame: Uint8Array): Promise<void> {
    let written = 0;
    try {
      while (written < frame.length) {
        written += (await writeFile(this.#descriptor, frame, written, frame.length - written)).bytesWritten;
      }
    } catch (error) {
      this.#takeBack(written, error);
    }
    this.#wrote(frame.length);
  }

  #takeBack(written: number, error: unknown): never {
    if (written > 0) this.cut(this.#bytes);
    throw error;
  }

  #wrote(bytes: number): void {
    this.#bytes += bytes;
    this.#dirty = true;
  }

  /** Shortens the file to `bytes`. */
  cut(bytes: number): void {
    ftruncateSync(this.#descriptor, bytes);
    this.#bytes = bytes;
  }

  flushSync(): void {
    this.#dirty = false;
    fdatasyncSync(this.#descriptor);
  }

  async flush(): Promise<void> {
    this.#dirty = false;
    this.#flushing++;
    try {
      await flushFile(this.#descriptor);
    } finally {
      this.#flushing--;
      this.#closeIfDone();
    }
  }

  /** Closes the file, once no flush is under way. */
  retire(): void {
    this.#retired = true;
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (this.#retired && this.#flushing === 0) closeSync(this.#descriptor);
  }
}

/** Makes the name of a new file durable. */
export function flushFolderOf(path: string): void {
  const descriptor = openSync(dirname(path), constants.O_RDONLY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** {@link flushFolderOf} on another thread. */
export async function flushFolderAway(path: string): Promise<void> {
  const folder = await openHandle(dirname(path), constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
