#!/usr/bin/env node
// Completes package-lock.json with the platform packages that the registry in use does not carry.
//
// `npm ci` refuses a lock in which an optional dependency has no entry, even when that package is for another
// platform. A registry mirror that lacks, say, the macOS build of a package makes `npm install` leave it out, so the
// lock that such an install writes cannot be installed from. Each missing package gets an entry here with its exact
// version and the platform that its name tells, and without an integrity hash: nobody could compute one. npm then
// skips it everywhere but on that platform, and there takes what its registry gives.
//
// Usage: node tools/complete-lock.mjs [--check] [path of package-lock.json]
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** @typedef {{ version?: string, resolved?: string, integrity?: string, optional?: boolean, dev?: boolean,
 *   os?: string[], cpu?: string[], libc?: string[], optionalDependencies?: Record<string, string>,
 *   [field: string]: unknown }} LockEntry */
/** @typedef {{ packages: Record<string, LockEntry>, [field: string]: unknown }} Lock */

/**
 * Returns the lock with an entry for every optional dependency, and the paths of the entries that were added.
 * @param {Lock} lock
 * @returns {{ lock: Lock, added: string[] }}
 */
export function completeLock(lock) {
  /** @type {Record<string, LockEntry>} */
  const packages = { ...lock.packages };
  const added = [];
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (candidatePaths(path, name).some((candidate) => packages[candidate])) continue;
      if (!/^\d+\.\d+\.\d+/.test(version)) {
        throw new Error(`${path} wants ${name}@${version}: only an exact version can be completed without a registry`);
      }
      packages[`node_modules/${name}`] = {
        version,
        ...(entry.dev ? { dev: true } : {}),
        optional: true,
        ...platformOf(name),
      };
      added.push(`node_modules/${name}`);
    }
  }
  const sorted = Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
  return { lock: { ...lock, packages: Object.fromEntries(sorted) }, added };
}

/**
 * Where npm looks for `name` when the package at `path` wants it, nearest first.
 * @param {string} path
 * @param {string} name
 */
function candidatePaths(path, name) {
  const levels = path.split('/node_modules/');
  return levels
    .map((_, index) => `${levels.slice(0, levels.length - index).join('/node_modules/')}/node_modules/${name}`)
    .concat(`node_modules/${name}`);
}

const operatingSystems = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
];
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'];

/**
 * The platform that a package is named after: `@scope/tool-linux-arm64-musl` → linux, arm64, musl.
 * @param {string} name
 * @returns {{ os: string[], cpu?: string[], libc?: string[] }}
 */
export function platformOf(name) {
  const words = name.split(/[-/@._]/);
  const os = operatingSystems.find((word) => words.includes(word));
  if (!os) throw new Error(`${name} does not tell an operating system, so its lock entry cannot be written offline`);
  const cpu = processors.find((word) => words.includes(word));
  const libc = os === 'linux' ? (words.some((word) => word.startsWith('musl')) ? 'musl' : glibcOf(words)) : undefined;
  return { os: [os], ...(cpu ? { cpu: [cpu] } : {}), ...(libc ? { libc: [libc] } : {}) };
}

/** @param {string[]} words */
function glibcOf(words) {
  return words.some((word) => word.startsWith('gnu')) ? 'glibc' : undefined;
}

/** @param {string[]} args */
function main(args) {
  const check = args.includes('--check');
  const path =
    args.find((arg) => !arg.startsWith('-')) ?? fileURLToPath(new URL('../package-lock.json', import.meta.url));
  const { lock, added } = completeLock(JSON.parse(readFileSync(path, 'utf8')));
  if (added.length === 0) return console.log(`${path} is complete`);
  console.log(`${added.length} platform packages ${check ? 'are missing' : 'added'}:\n  ${added.join('\n  ')}`);
  if (check) process.exitCode = 1;
  else writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2));
