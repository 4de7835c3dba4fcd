import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from './figures.ts';
import { forestRows, prepareForest } from './forest-endpoint.ts';
import type { LoadOrder, LoadResult } from './load.ts';
import { OPEN_INFERENCE } from './peer-servers.ts';
import { pin } from './processor.ts';
import { hasWrk, loadWithWrk } from './wrk.ts';

/**
 * A gateway that predicts one row a request (routing, validation, 100 trees of 31 leaves, recording), against a bare
 * node:http server that parses and answers JSON. Each in a process of its own on one core, the load in a third on
 * another; rounds are interleaved, and the ratio is that of the medians.
 *
 *     node bench/gateway/bench.ts [--protocol predict|open-inference] [--rounds 5] [--seconds 2]
 *                                 [--connections 1,8,32] [--json]
 *
 * `predict` asks Kedge's own protocol, `open-inference` the REST of the Open Inference Protocol; the echo gets the same
 * bodies. The load is Debian's `wrk` where it is installed, and a small client in Node otherwise.
 */
const { values } = parseArgs({
  options: {
    protocol: { type: 'string', default: 'predict' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    connections: { type: 'string', default: '1,8,32' },
    json: { type: 'boolean', default: false },
  },
});

const pinned = availableParallelism() > 1;
const [SERVER_CORE, LOAD_CORE] = [0, 1];

interface Figure {
  readonly connections: number;
  readonly gatewayPerSecond: number;
  readonly echoPerSecond: number;
  readonly ratio: number;
  readonly ratioMin: number;
  readonly ratioMax: number;
  readonly gatewayP50Ms: number;
  readonly echoP50Ms: number;
  readonly gatewayP99Ms: number;
  readonly echoP99Ms: number;
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-bench-'));
  const children: ChildProcess[] = [];
  try {
    const { path, bodies } = asked(await prepareForest(folder, join(folder, 'routing.json')));
    const gateway = await start('gateway-server.ts', [folder], children);
    const echo = await start('echo-server.ts', [], children);
    const wrk = hasWrk();
    const loader = wrk ? undefined : fork(new URL('./load.ts', import.meta.url));
    if (loader) children.push(loader);
    if (loader?.pid !== undefined && pinned) pin(loader.pid, LOAD_CORE);
    const ask = (order: LoadOrder): Promise<LoadResult> =>
      loader ? askNode(loader, order) : loadWithWrk(folder, order, { core: pinned ? LOAD_CORE : undefined });
    const targets = {
      gateway: { url: gateway, path },
      echo: { url: echo, path: '/' },
    };
    const figures: Figure[] = [];
    for (const connections of values.connections.split(',').map(Number)) {
      const rounds: { gateway: LoadResult[]; echo: LoadResult[] } = { gateway: [], echo: [] };
      const order = { bodies, connections, seconds: Number(values.seconds) };
      for (const name of ['gateway', 'echo'] as const) await ask({ ...order, ...targets[name], seconds: 1 });
      for (let round = 0; round < Number(values.rounds); round++) {
        const names = round % 2 === 0 ? (['gateway', 'echo'] as const) : (['echo', 'gateway'] as const);
        for (const name of names) rounds[name].push(checked(await ask({ ...order, ...targets[name] })));
      }
      figures.push(figureOf(connections, rounds));
    }
    report(figures, wrk ? 'wrk' : 'node');
  } finally {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
}

/** Where the gateway is asked, and with what. */
function asked(bodies: readonly string[]): Pick<LoadOrder, 'path' | 'bodies'> {
  if (values.protocol === 'predict') return { path: '/v1/endpoints/bench/predict', bodies };
  if (values.protocol !== 'open-inference') throw new Error('--protocol: expected predict or open-inference');
  const { path, body } = OPEN_INFERENCE;
  return { path, bodies: forestRows(bodies.length).map((row) => body([row])) };
}

function start(file: string, args: readonly string[], children: ChildProcess[]): Promise<string> {
  const child = fork(new URL(`./${file}`, import.meta.url), [...args]);
  children.push(child);
  if (child.pid !== undefined && pinned) pin(child.pid, SERVER_CORE);
  return new Promise((resolve, reject) => {
    child.once('message', (message: { url: string }) => resolve(message.url));
    child.once('exit', (code) => reject(new Error(`${file} ended with code ${code}`)));
  });
}

function askNode(loader: ChildProcess, order: LoadOrder): Promise<LoadResult> {
  return new Promise((resolve) => {
    loader.once('message', resolve);
    loader.send(order);
  });
}

function checked(result: LoadResult): LoadResult {
  if (result.errors > 0) throw new Error(`${result.errors} answers were not 200`);
  return result;
}

function figureOf(connections: number, rounds: { gateway: LoadResult[]; echo: LoadResult[] }): Figure {
  const rate = (result: LoadResult): number => result.requests / result.seconds;
  const ratios = rounds.gateway.map((result, i) => rate(result) / rate(rounds.echo[i] as LoadResult));
  const gatewayPerSecond = median(rounds.gateway.map(rate));
  const echoPerSecond = median(rounds.echo.map(rate));
  return {
    connections,
    gatewayPerSecond: Math.round(gatewayPerSecond),
    echoPerSecond: Math.round(echoPerSecond),
    ratio: round(gatewayPerSecond / echoPerSecond),
    ratioMin: round(Math.min(...ratios)),
    ratioMax: round(Math.max(...ratios)),
    gatewayP50Ms: round(median(rounds.gateway.map(({ p50Ms }) => p50Ms))),
    echoP50Ms: round(median(rounds.echo.map(({ p50Ms }) => p50Ms))),
    gatewayP99Ms: round(median(rounds.gateway.map(({ p99Ms }) => p99Ms))),
    echoP99Ms: round(median(rounds.echo.map(({ p99Ms }) => p99Ms))),
  };
}

function report(figures: readonly Figure[], client: string): void {
  if (values.json)
    console.log(JSON.stringify({ bench: 'gateway', protocol: values.protocol, client, figures }, null, 2));
  else console.table(figures);
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

await main();
