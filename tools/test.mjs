#!/usr/bin/env node
// `npm test`: makes the tree ready, then runs the suite (tools/suite/main.ts) under Node 24.
// `npm test -- src/datasets lint` narrows it to the tests of a folder and to named steps.
import { join } from 'node:path';
import { launch } from './bootstrap/launch.mjs';
import { orExplain } from './bootstrap/or-explain.mjs';
import { ensureInstalled, repositoryRoot } from './bootstrap.mjs';

const node = await orExplain(ensureInstalled());
// Each test file is a process of its own. What Node makes of the TypeScript is kept, which halves a short one's time.
const env = { NODE_COMPILE_CACHE: join(repositoryRoot, 'node_modules', '.cache', 'kedge'), ...process.env };
launch(node, join(repositoryRoot, 'tools', 'suite', 'main.ts'), process.argv.slice(2), env);
