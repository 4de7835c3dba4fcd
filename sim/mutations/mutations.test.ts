import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MUTATIONS, type Mutation } from './mutations.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const SEEDS_MAX = 300;

/** Plays worlds with a broken product until one fails, the likeliest first. */
function playBroken({ name, seed }: Mutation): Promise<string> {
  const args = [
    '--disable-warning=ExperimentalWarning',
    MAIN,
    '--mutation',
    name,
    '--seeds',
    String(SEEDS_MAX),
    '--first',
    ...(seed === undefined ? [] : ['--try', String(seed)]),
  ];
  return new Promise((resolve) => execFile(process.execPath, args, (_error, out, err) => resolve(out + err)));
}

for (const mutation of MUTATIONS) {
  const { name, breaks } = mutation;
  test(`worlds find out that ${name}`, async (t) => {
    const told = await playBroken(mutation);
    const [, seed, invariant] = /seed (\d+): invariant (\d+): /.exec(told) ?? [];
    assert.ok(seed, `${SEEDS_MAX} worlds find nothing:\n${told}`);
    assert.ok(breaks.includes(Number(invariant)), told);
    t.diagnostic(`seed ${seed}, invariant ${invariant}`);
  });
}
