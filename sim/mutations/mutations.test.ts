import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MUTATIONS } from './mutations.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const SEEDS_MAX = 300;

/** Plays worlds with a broken product until one fails. */
function playBroken(name: string): Promise<string> {
  const args = [
    '--disable-warning=ExperimentalWarning',
    MAIN,
    '--mutation',
    name,
    '--seeds',
    String(SEEDS_MAX),
    '--first',
  ];
  return new Promise((resolve) => execFile(process.execPath, args, (_error, out, err) => resolve(out + err)));
}

for (const { name, breaks } of MUTATIONS) {
  test(`worlds find out that ${name}`, async (t) => {
    const told = await playBroken(name);
    const [, seed, invariant] = /seed (\d+): invariant (\d+): /.exec(told) ?? [];
    assert.ok(seed, `${SEEDS_MAX} worlds find nothing:\n${told}`);
    assert.ok(breaks.includes(Number(invariant)), told);
    t.diagnostic(`seed ${seed}, invariant ${invariant}`);
  });
}
