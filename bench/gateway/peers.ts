import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { median, rounded } from './figures.ts';
import { forestModel, forestRows, prepareForest } from './forest-endpoint.ts';
import type { LoadResult } from './load.ts';
import {
  answerOf,
  OPEN_INFERENCE,
  type Peer,
  peers,
  pythonOf,
  type Rows,
  type Server,
  startPeer,
  stop,
} from './peer-servers.ts';
import { cpuOfTree, pin } from './processor.ts';
import { hasWrk, loadWithWrk } from './wrk.ts';

/**
 * The gateway (routing, validation, metrics, recording) beside other model servers with the same ONNX file, one row and
 * a batch of rows a request, the same rows to all. Each server has to give the answers of the others to 1e-5 before it
 * is measured. Servers run on one core and the load on another; rounds are interleaved, and ratios are those of
 * medians.
 *
 *     bench/peers/install.sh triton fastapi
 *     node bench/gateway/peers.ts [--peers triton,fastapi] [--rounds 5] [--seconds 1] [--connections 1,8,32]
 *                                 [--batch 32] [--batch-connections 8] [--load-processes 1] [--free] [--json]
 *
 * Peers that are not installed are left out, and so is the batch with `--batch 0`. `--free` lets servers and load run
 * on every core. `cpuUs` is processor time of the server and all its processes a request.
 */
const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: peers.map(({ name }) => name).join(',') },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    connections: { type: 'string', default: '1,8,32' },
    batch: { type: 'string', default: '32' },
    'batch-connections': { type: 'string', default: '8' },
    'load-processes': { type: 'string', default: '1' },
    free: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const ROWS = 256;
const TOLERANCE = 1e-5;
/** A server may still answer what the load before it left. */
const PAUSE_MS = 100;
const pinned = !values.free && availableParallelism() > 1;
const [SERVER_CORE, LOAD_CORE] = [0, 1];

interface Case {
  readonly rows: number;
  readonly connections: number;
}

interface Round extends LoadResult {
  /** Seconds of processor time. */
  readonly cpu: number;
}

interface Figure extends Case {
  readonly server: string;
  readonly perSecond: number;
  /** How many times this the gateway answers, of medians, and in its worst and best round. */
  readonly ratio: number;
  readonly ratioMin: number;
  readonly ratioMax: number;
  readonly target: number | undefined;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUs: number;
  /** How many times the gateway's processor time a request takes. */
  readonly cpuRatio: number;
}

const progress = (text: string): void => void process.stderr.write(`${text}\n`);

async function main(): Promise<void> {
  if (!hasWrk()) throw new Error("the load is Debian's wrk, which is not installed");
  const folder = mkdtempSync(join(tmpdir(), 'kedge-bench-'));
  const servers: Server[] = [];
  // Servers that are left behind would be measured beside the next ones.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void Promise.all(servers.map(stop)).finally(() => process.exit(1)));
  }
  try {
    await prepareForest(folder, join(folder, 'routing.json'));
    servers.push(await startGateway(folder));
    for (const peer of wanted()) await addPeer(peer, { servers, folder });
    if (pinned) for (const { child } of servers) pin(child.pid as number, SERVER_CORE);
    const cases: Case[] = values.connections.split(',').map((text) => ({ rows: 1, connections: Number(text) }));
    if (Number(values.batch) > 0) {
      cases.push({ rows: Number(values.batch), connections: Number(values['batch-connections']) });
    }
    const figures: Figure[] = [];
    for (const each of cases) figures.push(...(await measure(each, servers, folder)));
    report(figures);
  } finally {
    for (const server of servers) await stop(server);
    rmSync(folder, { recursive: true, maxRetries: 5 });
  }
}

function wanted(): readonly Peer[] {
  return values.peers.split(',').map((name) => {
    const peer = peers.find((each) => each.name === name);
    if (peer) return peer;
    throw new Error(`--peers: no '${name}'; known are ${peers.map((each) => each.name).join(', ')}`);
  });
}

async function startGateway(folder: string): Promise<Server> {
  const child: ChildProcess = fork(new URL('./gateway-server.ts', import.meta.url), [folder]);
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  return { name: 'kedge', url, dialect: OPEN_INFERENCE, child };
}

/** Starts a peer that is installed, and compares its answers with the gateway's, row by row and together. */
async function addPeer(peer: Peer, { servers, folder }: { servers: Server[]; folder: string }): Promise<void> {
  const python = pythonOf(peer);
  if (!python) return progress(`${peer.title} is left out: bench/peers/install.sh ${peer.name} has not been run`);
  const model = join(folder, 'forest.onnx');
  writeFileSync(model, forestModel());
  const rows = forestRows(32);
  const server = await startPeer(peer, python, { model, folder: join(folder, peer.name), rows: rows.slice(0, 1) });
  servers.push(server);
  const gateway = servers[0] as Server;
  for (const asked of [...rows.map((row) => [row]), rows]) {
    const [expected, found] = [await answerOf(gateway, asked), await answerOf(server, asked)];
    const same =
      expected.length === found.length && expected.every((x, i) => Math.abs(x - (found[i] ?? NaN)) <= TOLERANCE);
    if (!same) throw new Error(`${peer.title} answers ${found.slice(0, 3)}…, the gateway ${expected.slice(0, 3)}…`);
  }
  progress(`${peer.title} gives the gateway's answers`);
}

async function measure({ rows, connections }: Case, servers: readonly Server[], folder: string): Promise<Figure[]> {
  const batches = batched(forestRows(ROWS), rows);
  const rounds = new Map<string, Round[]>(servers.map(({ name }) => [name, []]));
  const ask = async (server: Server, seconds: number): Promise<Round> => {
    const bodies = batches.map((batch) => server.dialect.body(batch));
    const order = { url: server.url, path: server.dialect.path, bodies, connections, seconds };
    const before = cpuOfTree(server.child.pid as number);
    const options = { processes: Number(values['load-processes']), core: pinned ? LOAD_CORE : undefined };
    const result = await loadWithWrk(folder, order, options);
    if (result.errors > 0) throw new Error(`${server.name}: ${result.errors} answers were not 200`);
    const cpu = cpuOfTree(server.child.pid as number) - before;
    await wait(PAUSE_MS);
    return { ...result, cpu };
  };
  for (const server of servers) await ask(server, 1);
  for (let round = 0; round < Number(values.rounds); round++) {
    // Each begins in turn, so that none always follows the same one.
    const order = servers.map((_, i) => servers[(i + round) % servers.length] as Server);
    for (const server of order) rounds.get(server.name)?.push(await ask(server, Number(values.seconds)));
  }
  progress(`${rows} rows, ${connections} connections: measured`);
  return servers.map(({ name }) => figureOf({ rows, connections }, name, rounds));
}

function batched(rows: Rows, size: number): Rows[] {
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, i) => rows.slice(i * size, (i + 1) * size));
}

function figureOf({ rows, connections }: Case, name: string, rounds: ReadonlyMap<string, readonly Round[]>): Figure {
  const rate = ({ requests, seconds }: LoadResult): number => requests / seconds;
  const cpuUs = ({ cpu, requests }: Round): number => (1e6 * cpu) / requests;
  const own = rounds.get(name) ?? [];
  const gateway = rounds.get('kedge') ?? [];
  const ratios = own.map((result, i) => rate(gateway[i] as LoadResult) / rate(result));
  const peer = peers.find((each) => each.name === name);
  return {
    rows,
    connections,
    server: peer?.title ?? 'Kedge',
    perSecond: Math.round(median(own.map(rate))),
    ratio: rounded(median(gateway.map(rate)) / median(own.map(rate))),
    ratioMin: rounded(Math.min(...ratios)),
    ratioMax: rounded(Math.max(...ratios)),
    target: peer && (rows === 1 ? peer.target : 1),
    p50Ms: rounded(median(own.map(({ p50Ms }) => p50Ms))),
    p99Ms: rounded(median(own.map(({ p99Ms }) => p99Ms))),
    cpuUs: Math.round(median(own.map(cpuUs))),
    cpuRatio: rounded(median(own.map(cpuUs)) / median(gateway.map(cpuUs))),
  };
}

function report(figures: readonly Figure[]): void {
  if (values.json) console.log(JSON.stringify({ bench: 'gateway-peers', pinned, figures }, null, 2));
  else console.table(figures.map(({ target, ...figure }) => ({ ...figure, target: told(target, figure.ratio) })));
}

function told(target: number | undefined, ratio: number): string {
  return target === undefined ? '' : `${target} ${ratio >= target ? 'met' : 'missed'}`;
}

await main();
