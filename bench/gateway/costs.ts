import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from './figures.ts';
import { forestRows, prepareForest } from './forest-endpoint.ts';
import { GrpcCalls } from './grpc-calls.ts';
import { loadWithH2load } from './h2load.ts';
import type { LoadResult } from './load.ts';
import { OPEN_INFERENCE, type Rows } from './peer-servers.ts';
import { cpuOf, pin } from './processor.ts';
import { loadWithWrk } from './wrk.ts';

/**
 * What one thing costs a gateway: two variants side by side, rounds interleaved, medians. Servers on one core, the load
 * on another.
 *
 *     node bench/gateway/costs.ts shadow|binary|batching|grpc [--rows 1] [--rounds 7] [--seconds 1]
 *                                 [--connections 32] [--json]
 *
 * - `shadow`: another model scored beside each answer in a rollout on live traffic, and no rollout.
 * - `binary`: tensors as bytes, and as JSON.
 * - `batching`: how many inferences one execution of the model makes, from the gateway's own statistics.
 * - `grpc`: ModelInfer with raw tensors, a bare echo of grpc-js, and one of `node:http2` that looks at no message. The
 *   load is h2load of Debian's nghttp2-client.
 *
 * `ratio` is the rate of the first to the rate of the second, the median of the rounds' own; `cpuUs` is processor time
 * of the server a request.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '1' },
    connections: { type: 'string', default: '32' },
    json: { type: 'boolean', default: false },
  },
});
const [rows, connections, seconds] = [Number(values.rows), Number(values.connections), Number(values.seconds)];
const pinned = availableParallelism() > 1;
const [SERVER_CORE, LOAD_CORE] = [0, 1];

interface Process {
  readonly pid: number;
  readonly url: string;
  readonly grpc: string;
}

interface Variant {
  readonly name: string;
  readonly process: Process;
  load(server: Process, seconds: number): Promise<Pick<LoadResult, 'requests' | 'seconds' | 'errors'>>;
}

interface Round {
  readonly perSecond: number;
  readonly cpuUs: number;
}

const folder = mkdtempSync(join(tmpdir(), 'kedge-bench-'));
const children: ChildProcess[] = [];

async function start(name: string, options: { readonly withShadow?: boolean }) {
  const own = join(folder, name);
  mkdirSync(own);
  await prepareForest(own, join(own, 'routing.json'), options.withShadow);
  return startServer('gateway-server.ts', [own]);
}

async function startServer(file: string, args: readonly string[]): Promise<Process> {
  const child = fork(new URL(`./${file}`, import.meta.url), [...args]);
  children.push(child);
  const [{ url, grpc }] = (await once(child, 'message')) as [{ url: string; grpc: string }];
  const pid = child.pid as number;
  if (pinned) pin(pid, SERVER_CORE);
  return { pid, url, grpc };
}

const batches: Rows[] = Array.from({ length: Math.ceil(256 / rows) }, (_, i) =>
  forestRows(256).slice(i * rows, (i + 1) * rows),
);
const core = pinned ? LOAD_CORE : undefined;

function overHttp(
  bodies: readonly (string | Uint8Array)[],
  headers?: Readonly<Record<string, string>>,
): Variant['load'] {
  const order = { path: OPEN_INFERENCE.path, bodies, connections, ...(headers ? { headers } : {}) };
  return ({ url }, forSeconds) => loadWithWrk(folder, { ...order, url, seconds: forSeconds }, { core });
}

/** A request with its tensor as the bytes that follow the JSON, and the answer's asked for the same way. */
function binaryOf(batch: Rows): { readonly body: Buffer; readonly jsonBytes: number } {
  const raw = Buffer.from(Float32Array.from(batch.flat()).buffer);
  const shape = [batch.length, batch[0]?.length ?? 0];
  const parameters = { binary_data_size: raw.length };
  const json = Buffer.from(
    JSON.stringify({
      id: 'bench',
      parameters: { binary_data_output: true },
      inputs: [{ name: 'features', shape, datatype: 'FP32', parameters }],
    }),
  );
  return { body: Buffer.concat([json, raw]), jsonBytes: json.length };
}

const json = overHttp(batches.map((batch) => OPEN_INFERENCE.body(batch)));

const variants: Readonly<Record<string, () => Promise<readonly Variant[]>>> = {
  shadow: async () => [
    { name: 'shadow', process: await start('on', { withShadow: true }), load: json },
    { name: 'no rollout', process: await start('off', {}), load: json },
  ],
  binary: async () => {
    const server = await start('one', {});
    const told = batches.map(binaryOf);
    const headers = {
      'Content-Type': 'application/octet-stream',
      'Inference-Header-Content-Length': String(told[0]?.jsonBytes),
    };
    const binary = overHttp(
      told.map(({ body }) => body),
      headers,
    );
    return [
      { name: 'binary', process: server, load: binary },
      { name: 'JSON', process: server, load: json },
    ];
  },
  batching: async () => [{ name: 'gateway', process: await start('one', {}), load: json }],
  grpc: async () => {
    const calls = await GrpcCalls.open();
    const message = calls.encode(batches[0] as Rows);
    const load: Variant['load'] = ({ grpc }, forSeconds) =>
      loadWithH2load(folder, { address: grpc, method: calls.path, message, connections, seconds: forSeconds, core });
    const gateway = await start('one', {});
    const [echo, bare] = [await startServer('grpc-echo-server.ts', []), await startServer('http2-echo-server.ts', [])];
    // The load does not see whether calls are answered.
    for (const { grpc } of [gateway, echo, bare]) await calls.check(grpc, batches[0] as Rows);
    return [
      { name: 'gateway', process: gateway, load },
      { name: 'grpc-js echo', process: echo, load },
      { name: 'node:http2 echo', process: bare, load },
    ];
  },
};

async function round({ process, load }: Variant, forSeconds: number): Promise<Round> {
  const before = cpuOf(process.pid).own;
  const result = await load(process, forSeconds);
  if (result.errors > 0) throw new Error(`${result.errors} answers were not 200`);
  const cpuUs = (1e6 * (cpuOf(process.pid).own - before)) / result.requests;
  return { perSecond: result.requests / result.seconds, cpuUs };
}

async function main(): Promise<void> {
  const make = variants[positionals[0] ?? ''];
  if (!make) throw new Error(`expected one of ${Object.keys(variants).join(', ')}`);
  try {
    const compared = await make();
    const rounds = compared.map((): Round[] => []);
    for (const variant of compared) await round(variant, 1);
    for (let i = 0; i < Number(values.rounds); i++) {
      const order = compared.map((_, k) => (k + i) % compared.length);
      for (const k of order) rounds[k]?.push(await round(compared[k] as Variant, seconds));
    }
    const figures = compared.map(({ name }, k) => ({
      variant: name,
      perSecond: Math.round(median(rounds[k]?.map(({ perSecond }) => perSecond) ?? [])),
      cpuUs: Math.round(10 * median(rounds[k]?.map(({ cpuUs }) => cpuUs) ?? [])) / 10,
    }));
    const ratios = rounds[0]?.flatMap(({ perSecond }, i) => {
      const other = rounds[1]?.[i];
      return other ? [perSecond / other.perSecond] : [];
    });
    const ratio = ratios?.length ? { ratio: Math.round(1_000 * median(ratios)) / 1_000 } : {};
    const batching = positionals[0] === 'batching' ? await batchesOf((compared[0] as Variant).process) : {};
    report({ figures, ...ratio, ...batching });
  } finally {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, maxRetries: 5 });
  }
}

async function batchesOf({ url }: Process): Promise<object> {
  const answer = await (await fetch(`${url}/v2/models/bench/stats`)).json();
  const { model_stats } = answer as { model_stats: { inference_count: number; execution_count: number }[] };
  const [{ inference_count: inferences = 0, execution_count: executions = 0 } = {}] = model_stats;
  return { inferences, executions, inferencesAnExecution: Math.round((10 * inferences) / executions) / 10 };
}

function report({ figures, ...rest }: { readonly figures: readonly object[] }): void {
  const told = { bench: positionals[0], rows, connections, ...rest };
  if (values.json) console.log(JSON.stringify({ ...told, figures }));
  else {
    console.table(figures);
    console.log(JSON.stringify(told));
  }
}

await main();
