import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createFile } from '#core/create-file';
import { defineErrors, messageOf } from '#core/errors';
import { holderOfLockFile, takeLockFile } from '#core/lock-file';

export const dataDirErrors = defineErrors('data-dir', {
  locked: { status: 409, title: 'Another Kedge uses this data directory' },
  unusable: { status: 400, title: 'The data directory cannot be used' },
});

/** Where everything of an embedded installation lives. */
export interface DataDir {
  readonly root: string;
  readonly database: string;
  readonly blobs: string;
  readonly online: string;
  readonly gateway: string;
  readonly scratch: string;
  readonly tokens: Tokens;
}

/** Bearer tokens of the installation's own processes and of its first administrator. */
export interface Tokens {
  readonly admin: string;
  readonly worker: string;
  readonly gateway: string;
}

/** Makes the directory with its tokens, or finds them. Errors: `data-dir/unusable`. */
export function openDataDir(path: string): DataDir {
  const root = resolve(path);
  const at = (name: string): string => join(root, name);
  try {
    for (const name of ['', 'gateway', 'scratch']) mkdirSync(at(name), { recursive: true, mode: 0o700 });
    return {
      root,
      database: at('kedge.sqlite'),
      blobs: at('blobs'),
      online: at('online'),
      gateway: at('gateway'),
      scratch: at('scratch'),
      tokens: tokensIn(at('tokens.json')),
    };
  } catch (error) {
    throw dataDirErrors.unusable(`${root} cannot be used as a data directory: ${messageOf(error)}`);
  }
}

function tokensIn(path: string): Tokens {
  if (!existsSync(path)) {
    const token = (): string => randomBytes(24).toString('base64url');
    const tokens: Tokens = { admin: token(), worker: token(), gateway: token() };
    // Another process may make the file in the meantime; then its tokens are the ones that count.
    createFile(path, JSON.stringify(tokens, null, 2));
  }
  return JSON.parse(readFileSync(path, 'utf8')) as Tokens;
}

/** Where the processes listen that work on a data directory, and how many workers there are. */
export interface Started {
  readonly controlPlane: string;
  /** Absent where none was started. */
  readonly gateway?: string | undefined;
  readonly workers: number;
}

/**
 * Takes the directory for this process, so that two control planes never write one database, and leaves word of what
 * it starts. A lock left by a process that is gone is taken over. Returns the function that gives it back.
 * Errors: `data-dir/locked`.
 */
export function lockDataDir(root: string, started: Started): () => void {
  const taken = takeLockFile(lockIn(root), JSON.stringify(started));
  if (typeof taken === 'function') return taken;
  throw dataDirErrors.locked(`${root} is in use by process ${taken.pid}: stop it, or choose another --data directory`);
}

/** The process that holds the directory, and what it told of what it starts; `undefined` when nothing is started. */
export function holderOf(root: string): (Started & { readonly pid: number }) | undefined {
  const holder = existsSync(root) ? holderOfLockFile(lockIn(root)) : undefined;
  return holder?.word ? { ...(JSON.parse(holder.word) as Started), pid: holder.pid } : undefined;
}

function lockIn(root: string): string {
  return join(realpathSync(root), 'lock');
}
