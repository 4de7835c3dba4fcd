import { readFileSync, renameSync, rmSync } from 'node:fs';
import { createFile } from './create-file.ts';
import { errorCode } from './errors.ts';

/** Gives a lock back; the second call does nothing. */
export type GiveBack = () => void;

/** The process that holds a lock, and what it left word of. */
export interface Holder {
  readonly pid: number;
  readonly word: string;
}

/** The locks of this process: its pid may also be that of a process that died, as in containers. */
const held = new Set<string>();

/**
 * Takes a lock file, whose `path` is the same for all that want it, or tells who holds it. The lock of a process that
 * no longer runs is taken over. `word` is a line for those who ask for the holder.
 */
export function takeLockFile(path: string, word = ''): GiveBack | Holder {
  const content = `${process.pid} ${startTimeOf(process.pid)}\n${word ? `${word}\n` : ''}`;
  if (held.has(path)) return { pid: process.pid, word: holderIn(readIfAny(path)).word };
  if (!createFile(path, content)) {
    const holder = removeStale(path);
    if (holder) return holder;
    if (!createFile(path, content)) return holderIn(readIfAny(path));
  }
  held.add(path);
  let isHeld = true;
  return () => {
    if (!isHeld) return;
    isHeld = false;
    rmSync(path, { force: true });
    held.delete(path);
  };
}

/** The running process that holds a lock file, this one included. */
export function holderOfLockFile(path: string): Holder | undefined {
  const content = readIfAny(path);
  return held.has(path) || isAlive(content) ? holderIn(content) : undefined;
}

/** Removes a lock whose process is gone; one that runs is returned. */
function removeStale(path: string): Holder | undefined {
  const content = readIfAny(path);
  if (isAlive(content)) return holderIn(content);
  const aside = `${path}.${process.pid}-stale`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  // Another process may have taken the stale lock over in between; then what was moved aside is its lock.
  const moved = readIfAny(aside);
  if (moved !== content) createFile(path, moved);
  rmSync(aside, { force: true });
  return undefined;
}

function holderIn(content: string): Holder {
  const [owner = '', word = ''] = content.split('\n');
  return { pid: Number(owner.split(' ')[0]) || 0, word };
}

function isAlive(content: string): boolean {
  const { pid } = holderIn(content);
  if (pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) !== 'EPERM') return false;
  }
  const [, startTime = ''] = content.split('\n', 1).join('').split(' ');
  return startTime === '' || startTime === startTimeOf(pid);
}

/** When a process started, in ticks since the machine did: tells processes apart that had the same pid. */
function startTimeOf(pid: number): string {
  const stat = readIfAny(`/proc/${pid}/stat`);
  // The name of the program, in brackets, may itself contain spaces and brackets.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function readIfAny(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}
