import { readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const heartbeatMs = 2_000;
/** A holder that has not touched its lock for this long is gone, whatever its process id says now. */
const staleMs = 20_000;
const pollMs = 200;

/**
 * Runs `work` while no other process runs under the same lock file. Waits for a living holder, and takes over the
 * lock of a dead one: a holder touches the file every two seconds and its process id is in it.
 * @template T
 * @param {string} path lock file, in a folder that exists
 * @param {string} purpose what the holder does, for the line that a waiting process prints
 * @param {() => Promise<T>} work
 * @param {(line: string) => void} [say]
 * @returns {Promise<T>}
 */
export async function withExclusive(path, purpose, work, say = (line) => process.stderr.write(`${line}\n`)) {
  let announced = false;
  while (!acquire(path)) {
    if (removeIfAbandoned(path)) continue;
    if (!announced) say(`Another process is ${purpose} (${path}); waiting for it.`);
    announced = true;
    await delay(pollMs);
  }
  const heartbeat = setInterval(() => touch(path), heartbeatMs);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    if (holderOf(path) === process.pid) rmSync(path, { force: true });
  }
}

/** @param {string} path */
function acquire(path) {
  try {
    writeFileSync(path, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * The lock is renamed before it is deleted, and a rename succeeds for one process only: of two that see the same dead
 * holder, the second cannot delete the lock that the first has made since.
 * @param {string} path
 */
function removeIfAbandoned(path) {
  const seen = stateOf(path);
  if (!seen) return true;
  if (isAlive(seen.pid) && Date.now() - seen.touchedMs < staleMs) return false;
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true;
    throw error;
  }
  const moved = stateOf(aside);
  const isTheOneSeen = moved?.pid === seen.pid && moved?.touchedMs === seen.touchedMs;
  if (isTheOneSeen) rmSync(aside, { force: true });
  else renameSync(aside, path);
  return isTheOneSeen;
}

/** @param {string} path */
function stateOf(path) {
  try {
    return { pid: holderOf(path), touchedMs: statSync(path).mtimeMs };
  } catch {
    return undefined;
  }
}

/** @param {string} path */
function holderOf(path) {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param {number | undefined} pid */
function isAlive(pid) {
  // A file that was made a moment ago may still be empty: its holder is alive and about to write its id.
  if (!pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** @param {string} path */
function touch(path) {
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch {
    // Whoever deletes the lock of a living process accepts two at once; the work itself goes on.
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
