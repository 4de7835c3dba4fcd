#!/usr/bin/env node
// `npm test`: makes the tree ready, then runs the suite (tools/suite/main.ts) under Node 24.
// `npm test -- src/datasets lint` narrows it to the tests of a folder and to named steps.
import { join } from 'node:path';
import { launch } from './bootstrap/launch.mjs';
import { orExplain } from './bootstrap/or-explain.mjs';
import { ensureInstalled, repositoryRoot } from './bootstrap.mjs';

const node = await orExplain(ensureInstalled());
const env = {
  // Each test file is a process of its own. What Node makes of the TypeScript is kept, which halves a short one's time.
  NODE_COMPILE_CACHE: join(repositoryRoot, 'node_modules', '.cache', 'kedge'),
  // Python's numerical libraries wait by spinning, in a thread for each core, and several clients run at a time.
  OMP_NUM_THREADS: '1',
  ...process.env,
};
launch(node, join(repositoryRoot, 'tools', 'suite', 'main.ts'), process.argv.slice(2), env);
