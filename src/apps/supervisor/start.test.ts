import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compileCache } from '#testing/compile-cache';
import { freePort } from '#testing/free-port';

const KEDGE = fileURLToPath(new URL('../cli/main.ts', import.meta.url));

/** Runs `kedge up` from its start until it is stopped once it is ready, and tells what it wrote. */
async function startAndStop(
  t: TestContext,
  options: readonly string[] = [],
): Promise<{ readonly out: string; readonly log: string }> {
  const root = await mkdtemp(join(tmpdir(), 'kedge-up-'));
  t.after(() => rm(root, { recursive: true, maxRetries: 5 }));
  const ports: string[] = [];
  for (const name of ['--port', '--gateway-port', '--grpc-port']) ports.push(name, String(await freePort()));
  const args = ['up', '--data', join(root, 'data'), '--workers', '2', ...options, ...ports];
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', KEDGE, ...args], {
    env: { ...compileCache, KEDGE_LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  child.stdout.once('data', () => child.kill('SIGTERM'));
  const [out, log] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { out, log };
}

test('a start in which everything comes up says nothing of those who had to wait for others', async (t) => {
  const { out, log } = await startAndStop(t);

  assert.match(out, /^Kedge is ready after/);
  assert.equal(log, '');
});

test('a start of some processes only says nothing of the others and does not wait for them', async (t) => {
  const { out, log } = await startAndStop(t, ['--only', 'control-plane']);

  assert.match(out, /console and API/);
  assert.doesNotMatch(out, /scoring/);
  assert.equal(log, '');
});

test('a process that is started by hand with a setting that cannot be used names it', async (t) => {
  const main = fileURLToPath(new URL('../control-plane/main.ts', import.meta.url));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main], {
    env: { ...compileCache, KEDGE_PORT: 'many', KEDGE_LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));

  assert.match(await text(child.stderr), /cannot start: .*\[config\/invalid\]\n {2}KEDGE_PORT: /);
});
