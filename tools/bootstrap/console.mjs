import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeFlags } from './node-binary.mjs';
import { startProgress } from './progress.mjs';
import { lockHash } from './stamp.mjs';

/**
 * Hash of everything that the built console depends on: its sources, and the parts of src/ that a browser may import.
 * @param {string} root
 */
export function consoleHash(root) {
  const hash = createHash('sha256').update(lockHash(root));
  const files = [...filesBelow(root, 'ui'), ...filesBelow(root, 'src').filter(isSharedWithTheConsole), 'package.json'];
  for (const path of files.sort()) hash.update(`\n${path}\n`).update(readFileSync(join(root, path)));
  return hash.digest('hex');
}

const sharedFolders = ['src/core/', 'src/client/', 'src/platform/contract/'];

/** @param {string} path relative, with forward slashes */
export function isSharedWithTheConsole(path) {
  if (path.endsWith('.test.ts')) return false;
  return sharedFolders.some((folder) => path.startsWith(folder)) || /\/contract(\.ts$|\/)/.test(path);
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
    return [path];
  });
}

/**
 * Runs `vite build ui`.
 * @param {string} root
 * @param {string} node path of Node 24
 * @param {(message: string) => Error} fail makes the error that is thrown
 */
export async function build(root, node, fail) {
  const progress = startProgress('Building the console (vite build ui)');
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  const child = spawn(node, [...nodeFlags, vite, 'build', 'ui', '--emptyOutDir', '--logLevel', 'warn'], {
    cwd: root,
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-20_000);
    });
  }
  const code = await new Promise((resolve) => {
    child.on('error', () => resolve('ERROR'));
    child.on('close', (exit, signal) => resolve(exit ?? signal));
  });
  progress.stop(code === 0 ? 'done' : 'failed');
  if (code !== 0) throw fail(`The console could not be built (${code}).\n${output.trim()}`);
}
