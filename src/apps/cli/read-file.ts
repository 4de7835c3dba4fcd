import { readFile, stat } from 'node:fs/promises';
import { UsageError } from './failure.ts';

const BYTES_MAX = 8 * 1024 * 1024;

/** A file that was named on the command line: a key, a certificate, a signature, evidence. */
export async function bytesOf(path: string): Promise<Buffer> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new UsageError(`${path} is no file`);
  if (found.size > BYTES_MAX) throw new UsageError(`${path} has ${found.size} bytes, at most ${BYTES_MAX}`);
  return readFile(path);
}

export async function textOf(path: string): Promise<string> {
  return (await bytesOf(path)).toString('utf8');
}
