// What every command of this repository needs before it can run: the dependencies, Node 24 and the built console.
// Plain JavaScript without dependencies, because it runs on Node 20 or later in a fresh clone.
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, consoleHash } from './bootstrap/console.mjs';
import { withExclusive } from './bootstrap/exclusive.mjs';
import { installDependencies } from './bootstrap/install.mjs';
import { bundledNode, isRecentEnough, versionOf } from './bootstrap/node-binary.mjs';
import { lockHash, matchesInstalled, readStamp, writeStamp } from './bootstrap/stamp.mjs';

/** The folder that holds package.json. */
export const repositoryRoot = dirname(dirname(fileURLToPath(import.meta.url)));

/** A failure that the user can mend; its message says how. */
export class BootstrapError extends Error {
  /** @override */
  name = 'BootstrapError';
}

/**
 * Makes sure that node_modules is what package-lock.json says, and returns the path of a Node 24 or later.
 * Does nothing but hash the lock when the stamp is fresh. A tree that somebody installed with npm by hand is taken
 * over as it is when it matches the lock.
 * @param {{ root?: string }} [options]
 * @returns {Promise<string>} path of the node binary to run TypeScript with
 */
export async function ensureInstalled({ root = repositoryRoot } = {}) {
  const stampPath = join(root, 'node_modules', '.kedge-stamp');
  const wanted = lockHash(root);
  if (readStamp(stampPath) !== wanted) {
    await withExclusive(join(root, '.kedge-install.lock'), 'installing the dependencies', async () => {
      if (readStamp(stampPath) === wanted) return;
      if (!matchesInstalled(root)) await installDependencies(root, (message) => new BootstrapError(message));
      verifyNode(root);
      mkdirSync(dirname(stampPath), { recursive: true });
      writeStamp(stampPath, wanted);
    });
  }
  return isRecentEnough(process.version) ? process.execPath : verifiedPath(root);
}

/** True when {@link ensureInstalled} has nothing to do and the running Node can run Kedge itself. */
export function isReadyInThisProcess() {
  return (
    isRecentEnough(process.version) &&
    readStamp(join(repositoryRoot, 'node_modules', '.kedge-stamp')) === lockHash(repositoryRoot)
  );
}

/**
 * Builds the console into ui/dist when its sources, the contracts or the lock changed since the last build.
 * @param {{ root?: string }} [options]
 * @returns {Promise<{ built: boolean, reason: string }>}
 */
export async function ensureConsole({ root = repositoryRoot } = {}) {
  if (!existsSync(join(root, 'ui', 'index.html'))) return { built: false, reason: 'ui/index.html does not exist' };
  const stampPath = join(root, 'ui', 'dist', '.kedge-stamp');
  const wanted = consoleHash(root);
  if (readStamp(stampPath) === wanted) return { built: false, reason: 'ui/dist is fresh' };
  const node = await ensureInstalled({ root });
  return withExclusive(join(root, '.kedge-console.lock'), 'building the console', async () => {
    if (readStamp(stampPath) === wanted) return { built: false, reason: 'another process built it' };
    rmSync(stampPath, { force: true });
    await build(root, node, (message) => new BootstrapError(message));
    writeStamp(stampPath, wanted);
    return { built: true, reason: 'the sources changed since the last build' };
  });
}

/** @param {string} root */
function verifyNode(root) {
  if (!isRecentEnough(process.version)) verifiedPath(root, { run: true });
}

/**
 * @param {string} root
 * @param {{ run?: boolean }} [options] run: start the binary to read its version; a stamp records that it was done
 */
function verifiedPath(root, { run = false } = {}) {
  const path = bundledNode(root);
  const remedy =
    'Kedge runs on Node 24, which comes as the npm package "node" when its install script may run. ' +
    'Either allow install scripts (npm config set ignore-scripts false), delete node_modules and try again, ' +
    'or start Kedge with Node 24 or later.';
  if (!existsSync(path)) throw new BootstrapError(`${path} does not exist. ${remedy}`);
  if (!run) return path;
  const version = versionOf(path);
  if (!isRecentEnough(version)) throw new BootstrapError(`${path} answers ${version || 'nothing'}. ${remedy}`);
  return path;
}
