import assert from 'node:assert/strict';
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { compileCache } from '#testing/compile-cache';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

/** Answers `/v2/…` for a model without tensors, beside a process that leaves the group of the command. */
const SERVER = `
const { spawn } = require('node:child_process');
spawn('setsid', ['sleep', process.argv[2]], { stdio: 'ignore', detached: true });
require('node:http').createServer((request, response) => {
  response.end(JSON.stringify({ extensions: [], inputs: [], outputs: [] }));
}).listen(Number(process.argv[1]), '127.0.0.1');
`;

/** Which of the processes that carry the mark run, without the gateway itself. */
async function marked(mark: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const command = await readFile(join('/proc', pid, 'cmdline'), 'utf8').catch(() => '');
      const stat = await readFile(join('/proc', pid, 'stat'), 'utf8').catch(() => '');
      // A killed process that nobody has waited for yet is a zombie.
      const gone = stat === '' || stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
      return command.includes(mark) && !gone ? pid : undefined;
    }),
  );
  return found.filter((pid) => pid !== undefined);
}

test('a gateway that is killed with -9 leaves no process of a model behind', async (t) => {
  if (process.platform !== 'linux') return t.skip('processes are looked at in /proc');
  const folder = await mkdtemp(join(tmpdir(), 'kedge-orphans-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  // A number of seconds that no other process sleeps.
  const mark = `86400.${process.pid}${Date.now() % 1e6}`;
  await mkdir(join(folder, 'models/m/1'), { recursive: true });
  const command = [process.execPath, '-e', SERVER, '{port}', mark];
  const declaration = { runtime: 'process', protocol: 'oip', command, startTimeoutMs: 120_000 };
  await writeFile(join(folder, 'models/m/1/model.json'), JSON.stringify(declaration));
  const gateway: ChildProcess = fork(MAIN, [], {
    env: {
      ...compileCache,
      PATH: process.env['PATH'],
      ...{ KEDGE_DATA: folder, KEDGE_URL: 'http://127.0.0.1:1', KEDGE_LOG_LEVEL: 'fatal' },
      ...{ KEDGE_GATEWAY_PORT: '0', KEDGE_GRPC_PORT: '0' },
      ...{ KEDGE_MODEL_REPOSITORY: join(folder, 'models'), KEDGE_MODEL_PROCESSES: 'any' },
    },
    execArgv: [],
  });
  t.after(() => gateway.kill('SIGKILL'));
  const url = await new Promise<string>((resolve, reject) => {
    gateway.once('message', (message) => resolve((message as { ready: { url: string } }).ready.url));
    gateway.once('exit', (code) => reject(new Error(`the gateway ended with code ${code}`)));
  });
  const ready = await fetch(`${url}/v2/models/m/ready`);
  assert.equal(ready.status, 200);
  // The guard, the command, and what it left running; with a process namespace also what made that.
  assert.ok((await marked(mark)).length >= 3);

  gateway.kill('SIGKILL');

  const namespaces = spawnSync('unshare', ['--user', '--map-root-user', '--pid', '--fork', 'true']).status === 0;
  const left = async (): Promise<readonly string[]> => {
    const pids = await marked(mark);
    if (namespaces) return pids;
    // Without a process namespace, what has left its group is not ended: the README of the room says so.
    const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
    return pids.filter((_, i) => !commands[i]?.startsWith('sleep'));
  };
  for (const limit = performance.now() + 60_000; performance.now() < limit; await setImmediate()) {
    if ((await left()).length === 0) return;
  }
  assert.fail(`processes ${await left()} go on`);
});
