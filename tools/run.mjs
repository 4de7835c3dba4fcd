#!/usr/bin/env node
import { launch } from './bootstrap/launch.mjs';
import { orExplain } from './bootstrap/or-explain.mjs';
// Runs a TypeScript file of this repository with Node 24: node tools/run.mjs <file> [arguments]
import { ensureInstalled } from './bootstrap.mjs';

const [file, ...args] = process.argv.slice(2);
if (file) launch(await orExplain(ensureInstalled()), file, args);
else {
  process.stderr.write('Usage: node tools/run.mjs <file> [arguments]\n');
  process.exitCode = 2;
}
