import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openFsBlobStore } from '#adapters/blob/fs';
import { seededRandom } from '#core/random';
import { OnnxGraph } from '#learn/onnx';
import type { RoutingTable } from '#serving';

/**
 * Very many tiny models behind one gateway, of which memory holds some, asked for by Zipf's law: how many requests
 * found their model in memory, how long requests took, what memory the process used, and that none failed. Progress
 * goes to standard error; after `--minutes` no more requests are sent, and what was sent is reported.
 *
 *     node bench/gateway/many-models.ts [--models 10000] [--resident 1000] [--exponent 1] [--requests 50000]
 *                                       [--connections 16] [--minutes 4] [--seed 1] [--json]
 */
const { values } = parseArgs({
  options: {
    models: { type: 'string', default: '10000' },
    resident: { type: 'string', default: '1000' },
    exponent: { type: 'string', default: '1' },
    requests: { type: 'string', default: '50000' },
    connections: { type: 'string', default: '16' },
    minutes: { type: 'string', default: '4' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const [models, resident, requestsMax] = [values.models, values.resident, values.requests].map(Number) as [
  number,
  number,
  number,
];
/** Blobs that are written at the same time: each waits for the disk. */
const WRITTEN_TOGETHER = 32;

function progress(text: string): void {
  process.stderr.write(`${(performance.now() / 1_000).toFixed(1)} s  ${text}\n`);
}

/** A model counts a mebibyte and twice its file, which is well below a kilobyte here. */
const MODEL_BYTES = 1024 * 1024 + 2_048;

/** value = factor · x */
function tinyModel(factor: number): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', 1]);
  graph.initializer('factor', { type: 'float', shape: [1], values: [factor] });
  graph.node('Mul', { inputs: ['features', 'factor'], outputs: ['value'] });
  graph.output('value', 'float', ['N', 1]);
  return graph.toBytes({ graphName: 'tiny', opsets: { '': 17 } });
}

async function prepare(folder: string): Promise<void> {
  const blobs = await openFsBlobStore({ root: join(folder, 'blobs') });
  const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'value' as const };
  const guardrail = { errorRateMax: 1, latencyP95MsMax: 1e6, requestsMin: 1_000_000, windowMs: 60_000 };
  const endpoints: Record<string, RoutingTable['endpoints'][string]> = {};
  let next = 0;
  const writers = Array.from({ length: WRITTEN_TOGETHER }, async () => {
    while (next < models) {
      const i = next++;
      const { digest } = await blobs.put(tinyModel(i));
      const current = { revision: `m-${i}@1`, model: `m-${i}`, version: 1, digest, signature };
      endpoints[`e-${i}`] = { name: `e-${i}`, current, features: null, guardrail, timeoutMs: 60_000, locked: false };
      if ((i + 1) % 2_500 === 0) progress(`${i + 1} models written`);
    }
  });
  await Promise.all(writers);
  await writeFile(join(folder, 'routing.json'), JSON.stringify({ version: 1, endpoints } satisfies RoutingTable));
}

type Draw = () => number;

/** Draws places from 0 on, the n-th with a weight of n to the power of minus the exponent. */
function zipf(exponent: number, seed: number): Draw {
  const sums = new Float64Array(models);
  let sum = 0;
  for (let i = 0; i < models; i++) {
    sum += (i + 1) ** -exponent;
    sums[i] = sum;
  }
  const random = seededRandom(seed);
  return () => {
    const wanted = random.next() * sum;
    let [low, high] = [0, models - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] as number) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

class GatewayClient {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #url: URL;

  constructor(url: string) {
    this.#url = new URL(url);
  }

  call(path: string, body?: string): Promise<{ readonly status: number; readonly text: string }> {
    const { hostname, port } = this.#url;
    const method = body === undefined ? 'GET' : 'POST';
    return new Promise((resolve, reject) => {
      const sent = request({ agent: this.#agent, hostname, port, path, method }, async (response) => {
        let text = '';
        for await (const chunk of response) text += chunk;
        resolve({ status: response.statusCode ?? 0, text });
      });
      sent.on('error', reject).end(body);
    });
  }

  /** How many models were loaded, could not be, or left. */
  async count(event: string): Promise<number> {
    const { text } = await this.call('/metrics');
    return Number(new RegExp(`kedge_gateway_models_total\\{event="${event}".*\\} (\\d+)`).exec(text)?.[1] ?? 0);
  }

  close(): void {
    this.#agent.destroy();
  }
}

interface Run {
  readonly latenciesMs: readonly number[];
  readonly failed: number;
  readonly seconds: number;
}

async function run(client: GatewayClient): Promise<Run> {
  const draw = zipf(Number(values.exponent), Number(values.seed));
  const latenciesMs: number[] = [];
  let [failed, left] = [0, requestsMax];
  const startedMs = performance.now();
  const endMs = startedMs + Number(values.minutes) * 60_000;
  const callers = Array.from({ length: Number(values.connections) }, async () => {
    while (left-- > 0 && performance.now() < endMs) {
      const i = draw();
      const sentMs = performance.now();
      const { status, text } = await client.call(`/v1/endpoints/e-${i}/predict`, '{"inputs":{"x":1}}');
      latenciesMs.push(performance.now() - sentMs);
      if (status !== 200 || !text.includes(`{"value":${i}}`)) failed += 1;
      if (latenciesMs.length % 5_000 === 0) progress(`${latenciesMs.length} requests answered, ${failed} failed`);
    }
  });
  await Promise.all(callers);
  return { latenciesMs: latenciesMs.sort((a, b) => a - b), failed, seconds: (performance.now() - startedMs) / 1_000 };
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-bench-'));
  await prepare(folder);
  const startedMs = performance.now();
  const server = new URL('./gateway-server.ts', import.meta.url);
  const child = fork(server, [folder, JSON.stringify({ modelMemoryBytesMax: resident * MODEL_BYTES })]);
  try {
    const [{ url }] = (await once(child, 'message')) as [{ url: string }];
    const readyMs = performance.now() - startedMs;
    const client = new GatewayClient(url);
    const before = await client.count('loaded');
    progress(`the gateway is ready after ${Math.round(readyMs)} ms`);
    const { latenciesMs, failed, seconds } = await run(client);
    const requests = latenciesMs.length;
    const [loaded, evicted] = [await client.count('loaded'), await client.count('evicted')];
    const at = (share: number) => latenciesMs[Math.min(requests - 1, Math.floor(share * requests))] as number;
    const rssKib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]);
    report({
      ...{ models, resident, requests, failed, hitRate: 1 - (loaded - before) / requests },
      ...{ loads: loaded - before, evictions: evicted, loadFailures: await client.count('failed') },
      ...{ inMemory: loaded - evicted, perSecond: requests / seconds },
      ...{ p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999), readyMs, rssMib: rssKib / 1_024 },
    });
    client.close();
    if (failed > 0) process.exitCode = 1;
  } finally {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
}

function report(figures: Readonly<Record<string, number>>): void {
  if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else for (const [name, figure] of Object.entries(figures)) process.stdout.write(`${name.padEnd(14)}${figure}\n`);
}

await main();
