import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** The first major version of Node that runs Kedge's TypeScript without a build. */
export const nodeMajorMin = 24;

/** For every Node process that runs Kedge's own code: what is experimental in Node is ours to know, not the user's. */
export const nodeFlags = ['--disable-warning=ExperimentalWarning'];

/** Where the npm package `node` puts its binary. @param {string} root */
export function bundledNode(root) {
  return join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
}

/** @param {string} version as in process.version */
export function isRecentEnough(version) {
  const major = /^v(\d+)\./.exec(version)?.[1];
  return major !== undefined && Number(major) >= nodeMajorMin;
}

/** What `path --version` prints, or an empty text when it cannot be run. @param {string} path */
export function versionOf(path) {
  const { stdout, status } = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 30_000 });
  return status === 0 ? stdout.trim() : '';
}
