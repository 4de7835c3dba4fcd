import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode } from '#core/errors';
import { blobErrors } from '#ports/blob-store';

interface TemporaryFile {
  readonly path: string;
  /** Moves the file to its place, so that it is there whole or not at all, also after a crash of the machine. */
  publish(path: string): Promise<void>;
  /** Removes the file, unless it was published. */
  discard(): Promise<void>;
}

/** A write that made no progress for this long is over, whatever became of its process. */
const ABANDONED_MS = 24 * 3_600_000;

/** The names of the writes in progress of this process, as its pid may be that of an earlier process too. */
const inProgress = new Set<string>();

/** Writes the chunks to a new file in `folder` and flushes it to disk. A failure leaves no file. */
export async function writeTemporary(folder: string, chunks: AsyncIterable<Uint8Array>): Promise<TemporaryFile> {
  const name = newName();
  const path = join(folder, name);
  const discard = async (): Promise<void> => {
    await rm(path, { force: true });
    inProgress.delete(name);
  };
  inProgress.add(name);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(path, 'wx', 0o600);
    try {
      await writeAll(file, chunks);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    await discard();
    throw translate(error);
  }
  return { path, publish: (target) => publish(path, target), discard };
}

/** Removes the files of writers that no longer run. Those of running writers, here or elsewhere, stay. */
export async function removeLeftovers(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    if (inProgress.has(name)) continue;
    const pid = Number(/^(\d+)-/.exec(name)?.[1] ?? 0);
    const modifiedMs = (await stat(join(folder, name)).catch(() => undefined))?.mtimeMs ?? 0;
    const writerRuns = pid !== process.pid && isRunning(pid);
    if (!writerRuns || Date.now() - modifiedMs > ABANDONED_MS) await rm(join(folder, name), { force: true });
  }
}

/**
 * Removes the file at `path` unless it was marked as stored at `before` or later. It is moved aside for the decision,
 * so that nobody marks it between the look and the removal. Tells whether it was removed.
 */
export async function removeUnlessNewer(path: string, folder: string, before: number): Promise<boolean> {
  if ((await stat(path)).mtimeMs >= before) return false;
  const name = newName();
  const aside = join(folder, name);
  inProgress.add(name);
  try {
    await rename(path, aside);
    if ((await stat(aside)).mtimeMs < before) {
      await rm(aside);
      return true;
    }
    await rename(aside, path);
    return false;
  } finally {
    inProgress.delete(name);
  }
}

function newName(): string {
  return `${process.pid}-${randomBytes(8).toString('hex')}`;
}

/** Chunks are written this many bytes at a time, while the next are taken: a write costs a turn of the thread pool. */
const BATCH_BYTES = 1024 * 1024;

async function writeAll(file: FileHandle, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  let writing: Promise<void> = Promise.resolve();
  let batch: Uint8Array[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    await writing;
    writing = writeBatch(file, batch);
    // Its failure is met at the next flush; until then it is nobody's.
    writing.catch(() => {});
    batch = [];
    bytes = 0;
  };
  try {
    for await (const chunk of chunks) {
      batch.push(chunk);
      bytes += chunk.length;
      if (bytes >= BATCH_BYTES) await flush();
    }
    await flush();
  } finally {
    // The file is closed after this, whatever the sender did.
    await writing;
  }
}

async function writeBatch(file: FileHandle, batch: readonly Uint8Array[]): Promise<void> {
  if (batch.length === 0) return;
  const bytes = batch.reduce((sum, chunk) => sum + chunk.length, 0);
  const { bytesWritten } = await file.writev(batch);
  if (bytesWritten === bytes) return;
  // A short write: a disk that fills up, mostly. The rest goes on its own, and tells what is wrong.
  const rest = Buffer.concat(batch).subarray(bytesWritten);
  let written = 0;
  while (written < rest.length) written += (await file.write(rest, written)).bytesWritten;
}

async function publish(path: string, target: string): Promise<void> {
  const folder = dirname(target);
  try {
    if (await mkdir(folder, { recursive: true, mode: 0o700 })) await syncFolder(dirname(folder));
    await rename(path, target);
    await syncFolder(folder);
  } catch (error) {
    throw translate(error);
  }
}

/** A rename is durable once the folder that holds the name is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isRunning(pid: number): boolean {
  if (pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

function translate(error: unknown): unknown {
  const full = errorCode(error) === 'ENOSPC' || errorCode(error) === 'EDQUOT';
  return full ? blobErrors['no-space']('the disk of the blob store is full; nothing of the content was stored') : error;
}
