import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '#core/errors';
import { assertCursorName, assertOffset, type LogCursor, logErrors } from '#ports/event-log';
import { translateFull } from './system-error.ts';

/** The cursor `name`: a file with the offset in decimal, which is replaced as a whole. */
export function openCursor(folder: string, name: string): LogCursor {
  assertCursorName(name);
  const path = join(folder, name);
  return { get: () => readCursor(path), set: (offset) => writeCursor(folder, path, offset) };
}

/** The largest offset that any cursor of the folder holds. A damaged one does not count; whoever reads it is told. */
export async function largestCursor(folder: string): Promise<number> {
  let largest = 0;
  for (const name of await readdir(folder).catch(() => [])) {
    if (name.startsWith(TEMPORARY_PREFIX)) continue;
    largest = Math.max(largest, await readCursor(join(folder, name)).catch(() => 0));
  }
  return largest;
}

/** No name of a cursor begins with it. */
const TEMPORARY_PREFIX = '.';

async function readCursor(path: string): Promise<number> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return '0\n';
    throw error;
  });
  if (!/^\d{1,16}\n$/.test(text)) throw logErrors.corrupt(`the cursor '${path}' holds no offset; set it again`);
  return Number(text);
}

async function writeCursor(folder: string, path: string, offset: number): Promise<void> {
  assertOffset(offset, 'offset');
  const temporary = join(folder, `${TEMPORARY_PREFIX}${process.pid}-${randomBytes(6).toString('hex')}`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(`${offset}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw translateFull(error, folder);
  }
}
