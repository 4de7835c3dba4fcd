import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Hash of package-lock.json and of the platform: a node_modules that moved to another platform holds wrong binaries.
 * @param {string} root
 */
export function lockHash(root) {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch}\n`);
  return hash.update(readFileSync(join(root, 'package-lock.json'))).digest('hex');
}

/** The text of a stamp, or undefined when there is none. @param {string} path */
export function readStamp(path) {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** @param {string} path @param {string} hash */
export function writeStamp(path, hash) {
  writeFileSync(path, `${hash}\n`);
}

/**
 * Tells whether node_modules already is what the lock says, by the list that npm itself keeps of what it installed.
 * A package for another platform may be absent.
 * @param {string} root
 */
export function matchesInstalled(root) {
  const installed = packagesIn(join(root, 'node_modules', '.package-lock.json'));
  const wanted = packagesIn(join(root, 'package-lock.json'));
  if (!installed || !wanted) return false;
  delete wanted[''];
  return Object.entries(wanted).every(([path, entry]) => {
    const found = installed[path];
    if (!found) return entry.optional === true;
    return found.version === entry.version && (!entry.integrity || found.integrity === entry.integrity);
  });
}

/**
 * @param {string} path
 * @returns {Record<string, { version?: string, integrity?: string, optional?: boolean }> | undefined}
 */
function packagesIn(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch {
    return undefined;
  }
}
