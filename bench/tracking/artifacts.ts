import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { childEnvironment, loadConfig } from '#platform/config';
import { CONTROL_PLANE_FLAGS } from '../../src/apps/supervisor/platform.ts';

/**
 * A large artifact up and down through the MLflow proxy, beside the same bytes copied over loopback by Node's
 * `pipeline` (`anchor-server.ts`). Both servers are processes of their own, on the same disk, and both answer an upload
 * once the file is on disk (fsync). Every round sends new content, first to one, then to the other, in turn.
 *
 *     node tools/run.mjs bench/tracking/artifacts.ts [--mb 200] [--rounds 9] [--mlflow <python>] [--blobs s3://…]
 *
 * With `--blobs`, Kedge keeps content in that bucket (credentials from the environment) instead of its folder.
 *
 * With `--mlflow`, the Python of an environment that has MLflow, its server with one worker takes part. It answers an
 * upload without an fsync.
 *
 * `upCpuMs` and `downCpuMs` are processor time of the server, which other load on the machine changes little.
 * `grownMb` is by how much the resident memory of the server was above that after the first, unmeasured, round.
 */
const { values } = parseArgs({
  options: {
    mb: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '9' },
    mlflow: { type: 'string' },
    blobs: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const BYTES = Number(values.mb) * 1_000_000;
const MLFLOW_START_MS_MAX = 120_000;
const CHUNK = Buffer.alloc(64 * 1024);
for (let i = 0; i < CHUNK.length; i++) CHUNK[i] = (i * 2_654_435_761) >>> 24;

interface Server {
  readonly name: string;
  readonly child: ChildProcess;
  readonly port: number;
  path(round: number): string;
  readonly upMs: number[];
  readonly upCpuMs: number[];
  readonly downCpuMs: number[];
  readonly downMs: number[];
  rssKb: number;
  rssMaxKb: number;
}

const dir = await mkdtemp(join(process.env['TMPDIR'] ?? tmpdir(), 'kedge-artifacts-'));
const servers = [await startAnchor(), await startKedge()];
if (values.mlflow !== undefined) servers.push(await startMlflow(values.mlflow));
try {
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const server of round % 2 === 0 ? servers : servers.toReversed()) await measure(server, round);
  }
  report();
} finally {
  for (const { child } of servers) {
    const gone = once(child, 'exit');
    for (const pid of familyOf(child.pid ?? 0).toReversed()) process.kill(pid, 'SIGKILL');
    await gone;
  }
  await rm(dir, { recursive: true });
}

async function startAnchor(): Promise<Server> {
  const child = fork(fileURLToPath(new URL('./anchor-server.ts', import.meta.url)), [dir]);
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { ...figures('pipeline', child), port, path: (round) => `/file${round}` };
}

async function startKedge(): Promise<Server> {
  const flags = {
    dataDir: join(dir, 'kedge'),
    port: 0,
    logLevel: 'fatal',
    insecureLoopback: true,
    blobs: values.blobs,
  };
  const config = loadConfig(flags, {});
  const module = fileURLToPath(new URL('../../src/apps/control-plane/main.ts', import.meta.url));
  const child = fork(module, { env: childEnvironment(config), execArgv: [...CONTROL_PLANE_FLAGS] });
  const [{ ready }] = (await once(child, 'message')) as [{ ready: { url: string } }];
  const { port } = new URL(ready.url);
  const { id, experiment } = (await post(Number(port), '/api/v1/tracking/runs', { experiment: 'bench' })) as {
    id: string;
    experiment: { id: string };
  };
  const root = `/api/2.0/mlflow-artifacts/artifacts/${experiment.id}/${id}/artifacts`;
  return { ...figures('kedge', child), port: Number(port), path: (round) => `${root}/file${round}` };
}

async function startMlflow(python: string): Promise<Server> {
  const port = await freePort();
  const store = ['--backend-store-uri', `sqlite:///${dir}/mlflow.db`, '--artifacts-destination', join(dir, 'mlflow')];
  const args = ['-m', 'mlflow', 'server', ...store, '--workers', '1', '--host', '127.0.0.1', '--port', String(port)];
  const child = spawn(python, args, { env: { ...process.env, MLFLOW_DISABLE_TELEMETRY: 'true' }, stdio: 'ignore' });
  const until = performance.now() + MLFLOW_START_MS_MAX;
  while (!(await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined))?.ok) {
    if (child.exitCode !== null || performance.now() > until) throw new Error('the MLflow server did not start');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const root = '/api/2.0/mlflow-artifacts/artifacts/0/0123456789abcdef0123456789abcdef/artifacts';
  return { ...figures('mlflow', child), port, path: (round) => `${root}/file${round}` };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function figures(name: string, child: ChildProcess) {
  return { name, child, upMs: [], downMs: [], upCpuMs: [], downCpuMs: [], rssKb: 0, rssMaxKb: 0 };
}

async function measure(server: Server, round: number): Promise<void> {
  const watch = setInterval(() => {
    server.rssMaxKb = Math.max(server.rssMaxKb, rssKbOf(server.child));
  }, 20);
  const cpu = [cpuMsOf(server.child)];
  const startedAt = performance.now();
  await upload(server, round);
  const upMs = performance.now() - startedAt;
  cpu.push(cpuMsOf(server.child));
  const bytes = await download(server, round);
  const downMs = performance.now() - startedAt - upMs;
  cpu.push(cpuMsOf(server.child));
  clearInterval(watch);
  if (bytes !== BYTES) throw new Error(`${server.name} gave back ${bytes} bytes of ${BYTES}`);
  if (round === 0) {
    server.rssKb = rssKbOf(server.child);
    server.rssMaxKb = server.rssKb;
    return;
  }
  server.upMs.push(upMs);
  server.downMs.push(downMs);
  const [before = 0, between = 0, after = 0] = cpu;
  server.upCpuMs.push(between - before);
  server.downCpuMs.push(after - between);
}

async function upload({ port, path }: Server, round: number): Promise<void> {
  const headers = { 'content-length': BYTES, 'content-type': 'application/octet-stream' };
  const request = httpRequest({ host: '127.0.0.1', port, method: 'PUT', path: path(round), headers });
  const replied = once(request, 'response') as Promise<[IncomingMessage]>;
  await pipeline(Readable.from(content(round), { objectMode: false, highWaterMark: CHUNK.length }), request);
  const [reply] = await replied;
  await bytesOf(reply);
  if (reply.statusCode !== 200) throw new Error(`an upload was answered with ${reply.statusCode}`);
}

async function download({ port, path }: Server, round: number): Promise<number> {
  const request = httpRequest({ host: '127.0.0.1', port, path: path(round) }).end();
  const [reply] = (await once(request, 'response')) as [IncomingMessage];
  return bytesOf(reply);
}

/** New content in every round, as content that is there already would not be stored. */
function* content(round: number): Generator<Buffer> {
  const head = Buffer.from(`${process.pid} ${round} `.padEnd(64));
  yield head;
  for (let left = BYTES - head.length; left > 0; left -= CHUNK.length) {
    yield left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
  }
}

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  return bytes;
}

async function post(port: number, path: string, body: object): Promise<unknown> {
  const reply = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!reply.ok) throw new Error(`${path} was answered with ${reply.status}: ${await reply.text()}`);
  return reply.json();
}

function rssKbOf({ pid = 0 }: ChildProcess): number {
  return sum(familyOf(pid), (id) => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1]));
}

/** Processor time of a process and its children so far. Linux counts it in hundredths of a second. */
function cpuMsOf({ pid = 0 }: ChildProcess): number {
  return sum(familyOf(pid), (id) => {
    const fields = readFileSync(`/proc/${id}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  });
}

/** A process and all that it started. */
function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(familyOf)];
}

function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + of(pid), 0);
}

function report(): void {
  const rows = servers.map(({ name, upMs, downMs, upCpuMs, downCpuMs, rssKb, rssMaxKb }) => ({
    server: name,
    upMs: Math.round(median(upMs)),
    upMbPerS: Math.round(BYTES / 1_000 / median(upMs)),
    downMs: Math.round(median(downMs)),
    downMbPerS: Math.round(BYTES / 1_000 / median(downMs)),
    upCpuMs: median(upCpuMs),
    downCpuMs: median(downCpuMs),
    rssMb: Math.round(rssKb / 1_000),
    grownMb: Math.round((rssMaxKb - rssKb) / 1_000),
  }));
  const [anchor, kedge] = servers;
  if (!anchor || !kedge) return;
  const ratio = (of: (server: Server) => number[]): number =>
    Number(median(of(kedge).map((ms, i) => ms / (of(anchor)[i] ?? ms))).toFixed(2));
  const ratios = { up: ratio((server) => server.upMs), down: ratio((server) => server.downMs) };
  const rounds = servers.map(({ name, upMs, downMs }) => ({
    name,
    up: upMs.map(Math.round),
    down: downMs.map(Math.round),
  }));
  if (values.json) console.log(JSON.stringify({ bench: 'artifacts', bytes: BYTES, rows, ratios, rounds }, null, 2));
  else {
    console.table(rows);
    console.log(`median of the rounds' ratios: up ${ratios.up}, down ${ratios.down}`);
    for (const { name, up, down } of rounds) console.log(`${name}: up ${up.join(' ')} ms, down ${down.join(' ')} ms`);
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
