import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { consoleSources } from './console-sources.mjs';
import { nodeFlags } from './node-binary.mjs';
import { startProgress } from './progress.mjs';
import { lockHash } from './stamp.mjs';

/**
 * Hash of everything that the built console depends on: its sources, the packages, and how sources find each other.
 * @param {string} root
 */
export function consoleHash(root) {
  const hash = createHash('sha256').update(lockHash(root));
  for (const path of [...consoleSources(root), 'package.json']) {
    hash.update(`\n${path}\n`).update(readFileSync(join(root, path)));
  }
  return hash.digest('hex');
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
