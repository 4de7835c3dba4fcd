import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ProcessView } from '#serving';
import { median, rounded } from './figures.ts';
import { prepareForest } from './forest-endpoint.ts';
import type { LoadOrder, LoadResult } from './load.ts';
import { cpuOf } from './processor.ts';
import { hasWrk, loadWithWrk } from './wrk.ts';

/**
 * A gateway of N processes against one of one process: single rows of 100 trees with 31 leaves, recording on, rounds
 * interleaved, medians.
 *
 *     node bench/gateway/processes.ts [--processes 2] [--rounds 5] [--seconds 3] [--connections 32] [--json]
 *
 * The load takes processor time from the same machine, so three figures are told: `ratio`, the rates as they were;
 * `gatewayCores` and `loadCores`, how much processor time a second the gateways and the load got; and `accounted`, the
 * ratio of the rates if each process of either gateway had a core for itself: N · (requests of the N for a second of
 * processor time) ÷ (those of the one). It is below N by what processes cost: smaller batches, shared caches,
 * the process that listens.
 */
const { values } = parseArgs({
  options: {
    processes: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
    json: { type: 'boolean', default: false },
  },
});
const processes = Number(values.processes);

interface Started {
  readonly url: string;
  readonly pids: readonly number[];
}

interface Round extends LoadResult {
  /** Seconds of processor time. */
  readonly gatewayCpu: number;
  readonly loadCpu: number;
}

/** The gateway as it is run, with a control plane that answers nobody: what it records stays in its logs. */
async function start(folder: string, count: number, children: ChildProcess[]): Promise<Started> {
  const child = fork(new URL('../../src/apps/gateway/main.ts', import.meta.url), [], {
    env: {
      PATH: process.env['PATH'],
      ...{ KEDGE_DATA: folder, KEDGE_URL: 'http://127.0.0.1:9', KEDGE_LOG_LEVEL: 'fatal' },
      ...{ KEDGE_GATEWAY_PORT: '0', KEDGE_GRPC_PORT: '0', KEDGE_GATEWAY_PROCESSES: String(count) },
      ...{ KEDGE_RECORD_QUEUE_MAX: '10000000' },
    },
  });
  children.push(child);
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', ({ ready }: { ready: { url: string } }) => resolve(ready.url));
    child.once('exit', (code) => reject(new Error(`the gateway ended with code ${code}`)));
  });
  while ((await fetch(`${url}/v2/health/ready`)).status !== 200);
  const told = (await (await fetch(`${url}/v1/processes`)).json()) as { readonly processes: readonly ProcessView[] };
  const pids = told.processes.flatMap(({ pid }) => pid ?? []);
  return { url, pids: [...new Set([...pids, ...(child.pid === undefined ? [] : [child.pid])])] };
}

async function round({ url, pids }: Started, order: Omit<LoadOrder, 'url'>, loader: Loader): Promise<Round> {
  const used = (): number => pids.reduce((sum, pid) => sum + cpuOf(pid).own, 0);
  const [gatewayBefore, loadBefore] = [used(), loader.cpu()];
  const result = await loader.load({ ...order, url });
  if (result.errors > 0) throw new Error(`${result.errors} answers were not 200`);
  return { ...result, gatewayCpu: used() - gatewayBefore, loadCpu: loader.cpu() - loadBefore };
}

interface Loader {
  readonly name: string;
  load(order: LoadOrder): Promise<LoadResult>;
  cpu(): number;
}

function openLoader(folder: string, children: ChildProcess[]): Loader {
  if (hasWrk()) {
    return { name: 'wrk', load: (order) => loadWithWrk(folder, order), cpu: () => cpuOf('self').children };
  }
  const child = fork(new URL('./load.ts', import.meta.url));
  children.push(child);
  return {
    name: 'node',
    cpu: () => cpuOf(child.pid ?? 'self').own,
    load: (order) =>
      new Promise((resolve, reject) => {
        child.once('exit', (code) => reject(new Error(`the load ended with code ${code}`)));
        child.once('message', (result: LoadResult) => resolve(result));
        child.send(order);
      }),
  };
}

async function main(): Promise<void> {
  const folders = [1, processes].map(() => mkdtempSync(join(tmpdir(), 'kedge-bench-')));
  const children: ChildProcess[] = [];
  try {
    const [first = '', second = ''] = folders;
    const bodies = await prepareForest(first, join(first, 'gateway', 'routing.json'));
    await prepareForest(second, join(second, 'gateway', 'routing.json'));
    const gateways = { one: await start(first, 1, children), several: await start(second, processes, children) };
    const loader = openLoader(first, children);
    const connections = Number(values.connections);
    const order = { path: '/v1/endpoints/bench/predict', bodies, connections, seconds: Number(values.seconds) };
    const rounds: { readonly one: Round[]; readonly several: Round[] } = { one: [], several: [] };
    for (const name of ['one', 'several'] as const) await round(gateways[name], { ...order, seconds: 1 }, loader);
    for (let i = 0; i < Number(values.rounds); i++) {
      const names = i % 2 === 0 ? (['one', 'several'] as const) : (['several', 'one'] as const);
      for (const name of names) rounds[name].push(await round(gateways[name], order, loader));
      process.stderr.write(`round ${i + 1} of ${values.rounds}\n`);
    }
    report(rounds, loader.name);
  } finally {
    for (const child of children) child.kill('SIGKILL');
    for (const folder of folders) rmSync(folder, { recursive: true, maxRetries: 5 });
  }
}

function report({ one, several }: { readonly one: Round[]; readonly several: Round[] }, client: string): void {
  const rate = ({ requests, seconds }: Round): number => requests / seconds;
  const perCpu = ({ requests, gatewayCpu }: Round): number => requests / gatewayCpu;
  const figures = Object.entries({ one, several }).map(([name, rounds]) => ({
    gateway: name === 'one' ? '1 process' : `${processes} processes`,
    perSecond: Math.round(median(rounds.map(rate))),
    perCpuSecond: Math.round(median(rounds.map(perCpu))),
    gatewayCores: rounded(median(rounds.map(({ gatewayCpu, seconds }) => gatewayCpu / seconds))),
    loadCores: rounded(median(rounds.map(({ loadCpu, seconds }) => loadCpu / seconds))),
    p50Ms: rounded(median(rounds.map(({ p50Ms }) => p50Ms))),
    p99Ms: rounded(median(rounds.map(({ p99Ms }) => p99Ms))),
  }));
  const ratio = rounded(median(several.map(rate)) / median(one.map(rate)));
  const accounted = rounded((processes * median(several.map(perCpu))) / median(one.map(perCpu)));
  const cores = availableParallelism();
  if (values.json)
    console.log(JSON.stringify({ bench: 'gateway-processes', client, cores, figures, ratio, accounted }));
  else {
    console.table(figures);
    console.log(`ratio ${ratio}, accounted ${accounted}, ${cores} cores, load by ${client}`);
  }
}

await main();
