import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '#platform/config';
import { startPlatform } from '../../src/apps/supervisor/platform.ts';
import { auditCountsOf, finalStateOf, verdictOf } from './final-state.ts';
import { Killer } from './killer.ts';
import { momentsOf, playWorkload } from './workload.ts';

/** `KEDGE_CRASH_KILLS=20` is the long form; `KEDGE_CRASH_SEED` plays one again. */
const KILLS = Number(process.env['KEDGE_CRASH_KILLS'] ?? 3);
const SEED = Number(process.env['KEDGE_CRASH_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** A step survives three lost workers and no more, so there is a round for each kill of the worker. */
const ROUNDS = Math.max(4, KILLS);
const KEDGE = fileURLToPath(new URL('../../src/apps/cli/main.ts', import.meta.url));

test('killed processes lose nothing, double nothing and leave the audit chain whole', async (t) => {
  t.diagnostic(`KEDGE_CRASH_SEED=${SEED} KEDGE_CRASH_KILLS=${KILLS}`);
  const undisturbed = await play(t, 0);
  assert.ok(undisturbed.state.runs.every((run) => run.status === 'succeeded'));
  assert.equal(undisturbed.state.counts.total, undisturbed.state.counts.labelled);
  assert.ok(undisturbed.state.figures.length >= ROUNDS);

  const disturbed = await play(t, KILLS);
  t.diagnostic(`killed: ${JSON.stringify(disturbed.killed)}`);
  assert.deepEqual(disturbed.killed, { 'control-plane': KILLS, gateway: KILLS, 'worker-1': KILLS });
  assert.deepEqual(disturbed.state, undisturbed.state);
  assert.deepEqual(disturbed.audit, undisturbed.audit);
  const verdict = await verdictOf(disturbed.dataDir);
  assert.ok(verdict.ok, JSON.stringify(verdict));

  const seq = 1 + (SEED % verdict.entries);
  assert.equal((await auditVerify(disturbed.dataDir)).code, 0);
  changeOneByte(disturbed.dataDir, seq);
  const altered = await auditVerify(disturbed.dataDir);
  assert.equal(altered.code, 1);
  assert.match(altered.out, new RegExp(`BROKEN at entry ${seq}: entry ${seq} does not match its hash`));
});

async function play(t: TestContext, kills: number) {
  const dir = await mkdtemp(join(tmpdir(), 'kedge-crash-'));
  t.after(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  const [port, gatewayPort, grpcPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const logLevel = process.env['KEDGE_LOG_LEVEL'] ?? 'fatal';
  const platform = await startPlatform(
    loadConfig({ dataDir: dir, port, gatewayPort, grpcPort, leaseMs: 1_000, logLevel }, {}),
  );
  const killer = new Killer(() => platform.pids(), { seed: SEED, kills, moments: momentsOf(ROUNDS) });
  try {
    const { console, gateway } = platform;
    const startedAt = performance.now();
    const done = await playWorkload({ console, gateway, rounds: ROUNDS, moment: () => killer.moment() });
    await killer.done();
    const state = await finalStateOf(done);
    t.diagnostic(`${kills} kills of each: played in ${Math.round(performance.now() - startedAt)} ms`);
    await platform.stop();
    return { state, audit: await auditCountsOf(dir), killed: killer.killed, dataDir: dir };
  } finally {
    killer.stop();
    await platform.stop();
  }
}

/** As somebody with access to the file would. */
function changeOneByte(dataDir: string, seq: number): void {
  const db = new DatabaseSync(join(dataDir, 'kedge.sqlite'));
  try {
    const altered = db.prepare(`update audit set actor = 'x' || substr(actor, 2) where seq = ?`).run(seq);
    assert.equal(altered.changes, 1);
  } finally {
    db.close();
  }
}

async function auditVerify(dataDir: string): Promise<{ readonly code: number; readonly out: string }> {
  const args = ['--disable-warning=ExperimentalWarning', KEDGE, 'audit', 'verify', dataDir];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [out, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return { code, out };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  server.close();
  await once(server, 'close');
  return address.port;
}
