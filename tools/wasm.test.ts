import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { assembleAll } from './wasm.ts';

test('the committed WebAssembly is what its texts assemble to', async () => {
  const all = await assembleAll();
  assert.ok(all.length > 0);
  for (const { path, source } of all) assert.equal(readFileSync(path, 'utf8'), source, path);
});
