import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openSqlite } from '#adapters/sql/sqlite';
import { connect } from '#client';
import { compileCache } from '#testing/compile-cache';
import { openDataDir } from '../data-dir.ts';
import type { ReadyMessage } from '../process.ts';

/** A control plane process over a directory of its own, with what it logs from `warn` on. */
async function start(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'kedge-control-plane-'));
  const dataDir = openDataDir(join(root, 'data'));
  const child = fork(fileURLToPath(new URL('./main.ts', import.meta.url)), [], {
    env: { ...compileCache, KEDGE_DATA: dataDir.root, KEDGE_PORT: '0', KEDGE_LOG_LEVEL: 'warn' },
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  t.after(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
    await rm(root, { recursive: true, maxRetries: 5 });
  });
  assert.ok(child.stderr);
  const log = createInterface({ input: child.stderr });
  const [{ ready }] = (await once(child, 'message')) as [ReadyMessage];
  return { dataDir, log, kedge: connect({ url: ready['url'] ?? '', token: dataDir.tokens.admin }) };
}

test('events that cannot be read are told in the log, with the consumer that waits for them', async (t) => {
  const { dataDir, log, kedge } = await start(t);
  const behind = openSqlite(dataDir.database);
  t.after(() => behind.close());
  await behind.transaction(async (trx) => {
    const { event_seq: last } = await trx.selectFrom('log_head').selectAll().executeTakeFirstOrThrow();
    const damaged = { seq: last + 1, time: 0, type: 'a', subject: 'x', data: '{damaged' };
    await trx.insertInto('event').values(damaged).execute();
    await trx.updateTable('log_head').set({ event_seq: damaged.seq }).execute();
  });
  const dataset = { kind: 'dataset', name: 'flights', spec: { eventTime: 'departed' } };

  const logged = once(log, 'line');
  await kedge.resources.applyResources({ body: { resources: [dataset] } });

  const line = JSON.parse(((await logged) as [string])[0]);
  assert.match(line.msg, /^events cannot be read and are asked for again, after a pause that grows: .*JSON/);
  assert.ok(line.consumer);
});
