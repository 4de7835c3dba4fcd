import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/**
 * Every file of the repository that the built console is made of: all of ui/, and what that imports of src/, at
 * whatever distance. Imports of types are erased before a browser sees them, so they lead nowhere.
 * @param {string} root
 * @returns {string[]} relative paths with forward slashes, sorted
 */
export function consoleSources(root) {
  const doors = doorsOf(readFileSync(join(root, 'package.json'), 'utf8'));
  const found = new Map(filesBelow(root, 'ui').map((path) => [path, readFileSync(join(root, path), 'utf8')]));
  for (const [path, text] of found) {
    if (!/\.(?:ts|tsx|mjs|js)$/.test(path)) continue;
    // What is found on the way is visited in turn: a map goes on to entries that are added while it is walked.
    for (const target of importsOf(text).flatMap((specifier) => resolve(path, specifier, doors))) {
      const content = found.has(target) ? undefined : textOf(join(root, target));
      if (content !== undefined) found.set(target, content);
    }
  }
  return [...found.keys()].sort();
}

const FROM = /(?:^|[\s;}])(?:import|export)\b(?!\s+type\b)[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/g;
const FOR_EFFECT = /(?:^|[\s;}])import\s*['"]([^'"]+)['"]/g;
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]/g;

/** What a module imports, and perhaps a little more: a text that only looks like an import names no file. */
function importsOf(/** @type {string} */ text) {
  return [FROM, FOR_EFFECT, DYNAMIC].flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? ''));
}

/**
 * @param {string} importer
 * @param {string} specifier
 * @param {Readonly<Record<string, string>>} doors
 * @returns {string[]} the file, relative to the root; none for a package, which the lock stands for
 */
function resolve(importer, specifier, doors) {
  if (specifier.startsWith('.')) return [posix.join(posix.dirname(importer), specifier)];
  const exact = doors[specifier];
  if (exact !== undefined) return [posix.normalize(exact)];
  const patterns = Object.keys(doors)
    .filter((door) => door.endsWith('*') && specifier.startsWith(door.slice(0, -1)))
    .sort((a, b) => b.length - a.length);
  const [door] = patterns;
  return door ? [posix.normalize((doors[door] ?? '').replaceAll('*', specifier.slice(door.length - 1)))] : [];
}

/** The `imports` of a package.json. @param {string} text @returns {Readonly<Record<string, string>>} */
function doorsOf(text) {
  return JSON.parse(text).imports ?? {};
}

/** @param {string} path */
function textOf(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * @param {string} root
 * @param {string} folder relative to root
 * @returns {string[]} relative paths with forward slashes
 */
function filesBelow(root, folder) {
  /** @type {import('node:fs').Dirent[]} */
  let entries;
  try {
    entries = readdirSync(join(root, folder), { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return path === 'ui/dist' || entry.name === 'node_modules' ? [] : filesBelow(root, path);
    return /\.test\.tsx?$/.test(path) ? [] : [path];
  });
}
