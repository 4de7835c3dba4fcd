import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { logErrors } from '#ports/event-log';
import { errorCode } from './system-error.ts';

/** The folders that this process writes to: its pid may also be that of a process that died, as in containers. */
const held = new Set<string>();

/** Gives a lock back; the second call does nothing. */
type GiveBack = () => void;

/**
 * Takes the lock file of a folder, or throws `log/locked` naming the process that holds it. The lock of a process that
 * no longer runs is taken over. The returned function gives the lock back.
 */
export function takeLock(folder: string): GiveBack {
  const path = join(realpathSync(folder), 'lock');
  const candidate = `${path}.${process.pid}-${randomBytes(6).toString('hex')}`;
  if (held.has(path)) throw locked(path, process.pid);
  writeFileSync(candidate, `${process.pid} ${startTimeOf(process.pid)}\n`, { mode: 0o600 });
  try {
    if (!tryLink(candidate, path)) {
      removeStale(path, candidate);
      if (!tryLink(candidate, path)) throw locked(path, ownerOf(readIfAny(path)).pid);
    }
  } finally {
    rmSync(candidate, { force: true });
  }
  held.add(path);
  return () => {
    if (held.delete(path)) rmSync(path, { force: true });
  };
}

/** A link fails if the name is taken, and the file has its content from the first moment on. */
function tryLink(candidate: string, path: string): boolean {
  try {
    linkSync(candidate, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function removeStale(path: string, candidate: string): void {
  const content = readIfAny(path);
  const owner = ownerOf(content);
  if (isAlive(owner)) throw locked(path, owner.pid);
  const aside = `${candidate}.stale`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  // Another process may have taken the stale lock over in between; then what was moved aside is its lock.
  if (readIfAny(aside) !== content) tryLink(aside, path);
  rmSync(aside, { force: true });
}

interface Owner {
  readonly pid: number;
  readonly startTime: string;
}

function ownerOf(content: string): Owner {
  const [pid = '', startTime = ''] = content.trim().split(' ');
  return { pid: Number(pid) || 0, startTime };
}

function isAlive({ pid, startTime }: Owner): boolean {
  if (pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) !== 'EPERM') return false;
  }
  return startTime === startTimeOf(pid);
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

function locked(path: string, pid: number): Error {
  return logErrors.locked(`process ${pid} writes to this log (lock file '${path}'); a log has one writer`);
}
