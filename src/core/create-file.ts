import { randomBytes } from 'node:crypto';
import { linkSync, rmSync, writeFileSync } from 'node:fs';
import { errorCode } from './errors.ts';

/**
 * Makes a file for its owner only, unless there is one of that name; tells whether it did. Whoever sees the file sees
 * all of it: a file that is opened to be written is empty at first, for other processes and after a crash, and a link
 * fails if its name is taken.
 */
export function createFile(path: string, content: string): boolean {
  const candidate = `${path}.${process.pid}-${randomBytes(6).toString('hex')}`;
  try {
    writeFileSync(candidate, content, { mode: 0o600, flag: 'wx', flush: true });
    linkSync(candidate, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(candidate, { force: true });
  }
}
