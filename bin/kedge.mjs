#!/usr/bin/env node
// The `kedge` command: installs what is missing, then hands over to the real command line under Node 24.
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { launch } from '../tools/bootstrap/launch.mjs';
import { orExplain } from '../tools/bootstrap/or-explain.mjs';
import { ensureConsole, ensureInstalled, isReadyInThisProcess, repositoryRoot } from '../tools/bootstrap.mjs';

const main = join(repositoryRoot, 'src', 'apps', 'cli', 'main.ts');
const args = process.argv.slice(2);

if (!existsSync(main)) {
  process.stderr.write(`${main} does not exist: this copy of Kedge is incomplete.\n`);
  process.exit(1);
}
const ready = isReadyInThisProcess();
const node = ready ? process.execPath : await orExplain(ensureInstalled());
if (args[0] === 'up' || args[0] === 'demo') {
  // The console is one way to look at the platform; without it everything else still works.
  await ensureConsole().catch((error) => {
    process.stderr.write(`${String(error.message).slice(0, 500)}\nKedge starts without the console.\n`);
  });
}
if (ready) {
  hideExperimentalWarnings();
  enableCompileCache(join(repositoryRoot, 'node_modules', '.cache', 'kedge'));
  await import(pathToFileURL(main).href);
} else launch(node, main, args);

/** Compiled modules are kept, so that the next start is faster. Node before 22.8 has no such cache.
 * @param {string} directory
 */
function enableCompileCache(directory) {
  nodeModule.enableCompileCache?.(directory);
}

/** What the flag --disable-warning=ExperimentalWarning does, for a process that is already running. */
function hideExperimentalWarnings() {
  const printers = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    if (warning.name === 'ExperimentalWarning') return;
    for (const print of printers) print.call(process, warning);
  });
}
