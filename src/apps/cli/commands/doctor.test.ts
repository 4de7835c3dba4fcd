import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadConfig } from '#platform/config';
import { eventually } from '#testing/loop-platform';
import { startPlatform } from '../../supervisor/platform.ts';
import { kedge } from '../testing.ts';

async function folder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kedge-doctor-'));
  t.after(() => rm(dir, { recursive: true, maxRetries: 5 }));
  return dir;
}

/** A server that answers everything alike, or a port on which nobody listens. */
async function portOf(t: TestContext, { listens }: { readonly listens: boolean }): Promise<number> {
  const server = createServer((_request, response) => response.end('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  if (listens) t.after(() => server.close());
  else await new Promise((resolve) => server.close(resolve));
  return port;
}

async function examined(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { code, stdout } = await kedge(['doctor', '--json', ...args], env);
  const findings = JSON.parse(stdout) as { readonly check: string; readonly status: string; readonly detail: string }[];
  const found = (check: string) => findings.find((finding) => finding.check === check) ?? assert.fail(`no ${check}`);
  const processes = ['control plane', 'gateway', 'workers'].map((check) => found(check).status);
  return { code, found, processes };
}

test('what was never started is told as not running, which is no failure', async (t) => {
  const dir = await folder(t);
  const env = {
    KEDGE_URL: `http://127.0.0.1:${await portOf(t, { listens: false })}`,
    KEDGE_GATEWAY_PORT: String(await portOf(t, { listens: false })),
  };

  const { code, processes } = await examined(['--data', dir], env);
  const { stdout } = await kedge(['doctor', '--data', dir], env);

  assert.deepEqual(processes, ['not-running', 'not-running', 'not-running']);
  assert.equal(code, 0);
  const words = `not running at ${env.KEDGE_URL}; nothing is started on ${dir}`;
  assert.ok(stdout.includes(`\n--    control plane: ${words}\n`), stdout);
  assert.doesNotMatch(stdout, /^ok\s+(control plane|gateway|workers)/m);
});

test('an address that was asked about has to answer, and to be Kedge', async (t) => {
  const dir = await folder(t);
  const [silent, other] = [await portOf(t, { listens: false }), await portOf(t, { listens: true })];

  const nobody = await examined(['--data', dir, '--url', `http://127.0.0.1:${silent}`]);
  const stranger = await examined(['--data', dir, '--url', `http://127.0.0.1:${other}`]);

  assert.deepEqual([nobody.code, nobody.found('control plane').status], [1, 'failed']);
  assert.match(nobody.found('control plane').detail, /^not running at http:\S+: .*ECONNREFUSED/);
  assert.deepEqual([stranger.code, stranger.found('control plane').status], [1, 'failed']);
  assert.match(stranger.found('control plane').detail, /answers, but not as Kedge does/);
});

test('a started platform is looked for where its data directory says, process by process', async (t) => {
  const dir = await folder(t);
  const [port, gatewayPort, grpcPort] = await Promise.all([1, 2, 3].map(() => portOf(t, { listens: false })));
  const given = { dataDir: dir, port, gatewayPort, grpcPort, gatewayProcesses: 2 };
  const config = loadConfig({ ...given, logLevel: 'fatal' }, {});
  const platform = await startPlatform(config);
  const pidOf = (name: string): number => platform.pids().get(name) ?? assert.fail(`${name} does not run`);
  const stopped: number[] = [];
  t.after(async () => {
    for (const pid of stopped) process.kill(pid, 'SIGCONT');
    await platform.stop();
  });

  const whole = await eventually('the worker has asked for work', async () => {
    const found = await examined(['--data', dir]);
    return found.code === 0 ? found : undefined;
  });
  assert.deepEqual(whole.processes, ['ok', 'ok', 'ok']);
  assert.match(whole.found('control plane').detail, new RegExp(`^answers at http://127.0.0.1:${port}, version`));
  const processes =
    '2 processes: 1 \\(pid \\d+\\) serving, \\d+ connections; 2 \\(pid \\d+\\) serving, \\d+ connections$';
  const gateway = `^answers at http://127.0.0.1:${gatewayPort}, ${processes}`;
  assert.match(whole.found('gateway').detail, new RegExp(gateway));
  assert.match(whole.found('workers').detail, /^1 seen: worker-1@\S+ \d+ s ago$/);

  for (const name of ['gateway', 'control-plane']) {
    stopped.push(pidOf(name));
    process.kill(pidOf(name), 'SIGSTOP');
  }
  const hung = await examined(['--data', dir]);
  assert.deepEqual([hung.code, hung.processes], [1, ['failed', 'failed', 'failed']]);
  const words = `^not running at http:\\S+; process ${process.pid} keeps it started: .*timeout`;
  assert.match(hung.found('gateway').detail, new RegExp(words));
});
