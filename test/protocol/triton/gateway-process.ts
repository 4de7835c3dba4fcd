import { type ChildProcess, execFile, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openFsBlobStore } from '#adapters/blob/fs';
import { OnnxGraph } from '#learn/onnx';
import type { RoutedEndpoint, RoutingTable } from '#serving';
import { openDataDir } from '../../../src/apps/data-dir.ts';

const MAIN = fileURLToPath(new URL('../../../src/apps/gateway/main.ts', import.meta.url));

/** The Python that tools/ci/triton.sh made, if any. */
export const TRITON_PYTHON = process.env['KEDGE_TEST_TRITON'];
export const skipTriton =
  !(TRITON_PYTHON && existsSync(TRITON_PYTHON)) && 'KEDGE_TEST_TRITON names no Python made by tools/ci/triton.sh';

export interface GatewayProcess {
  readonly url: string;
  /** `host:port` of gRPC. */
  readonly grpc: string;
  readonly folder: string;
  /** The address of its debugger, if it was started with one. */
  readonly inspector: string | undefined;
  readonly alive: boolean;
  stop(): Promise<void>;
}

/** A gateway on any free ports, whose control plane is away: it answers from the routing table that it kept. */
export async function startGatewayProcess(
  settings: Readonly<Record<string, string>>,
  { inspect = false, canary = false }: { readonly inspect?: boolean; readonly canary?: boolean } = {},
): Promise<GatewayProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-serving-'));
  const dataDir = openDataDir(folder);
  const blobs = await openFsBlobStore({ root: dataDir.blobs });
  const { digest } = await blobs.put(logistic());
  const inputs = ['a', 'b'].map((name) => ({ name, kind: 'numeric' as const }));
  const signature = { inputs, output: 'probability' as const };
  const current = { revision: 'delay@3', model: 'delay', version: 3, digest, signature };
  const guardrail = { errorRateMax: 1, latencyP95MsMax: 1e6, requestsMin: 1_000_000, windowMs: 60_000 };
  const endpoint = { name: 'delays', current, features: null, guardrail, timeoutMs: 30_000, locked: false };
  const table: RoutingTable = {
    version: 1,
    endpoints: { delays: endpoint, ...(canary ? { scores: { ...endpoint, ...canaryOf(digest) } } : {}) },
  };
  await writeFile(join(dataDir.gateway, 'routing.json'), JSON.stringify(table));
  const child = fork(MAIN, {
    env: {
      ...process.env,
      ...{ KEDGE_DATA: folder, KEDGE_URL: 'http://127.0.0.1:1', KEDGE_GATEWAY_PORT: '0', KEDGE_GRPC_PORT: '0' },
      ...{ KEDGE_LOG_LEVEL: 'fatal', KEDGE_PREDICT_TIMEOUT_MS: '30000' },
      ...settings,
    },
    execArgv: inspect ? ['--inspect=127.0.0.1:0'] : [],
    stdio: ['ignore', 'inherit', inspect ? 'pipe' : 'inherit', 'ipc'],
  });
  const inspector = inspect ? inspectorOf(child) : undefined;
  const ready = await new Promise<{ url: string; grpc: string }>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { ready: { url: string; grpc: string } }).ready));
    child.once('exit', (code) => reject(new Error(`the gateway ended with code ${code} before it was ready`)));
  });
  return {
    ...{ ...ready, folder, inspector: await inspector },
    get alive() {
      return child.exitCode === null && child.signalCode === null;
    },
    async stop() {
      await ended(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Node tells the address of its debugger on the error output; what else comes there is passed on. */
function inspectorOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-10_000);
      const found = /ws:\/\/\S+/.exec(text);
      if (found) resolve(found[0]);
      if (!/Debugger|debugging|inspector/.test(chunk.toString())) process.stderr.write(chunk);
    });
    child.once('exit', () => reject(new Error(`the gateway ended: ${text}`)));
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exit;
}

/** probability = sigmoid(a − 2b) */
/** An endpoint `scores` of the same file as a model of tensors, whose candidate answers half of the customers. */
function canaryOf(
  digest: RoutedEndpoint['current']['digest'],
): Omit<RoutedEndpoint, 'guardrail' | 'features' | 'timeoutMs' | 'locked'> {
  const tensors = {
    inputs: [{ name: 'features', datatype: 'FP32' as const, shape: [-1, 2] }],
    outputs: [{ name: 'probability', datatype: 'FP32' as const, shape: [-1, 1] }],
    beside: [],
  };
  const arm = (version: number): RoutedEndpoint['current'] => ({
    ...{ revision: `score@${version}`, model: 'score', version, digest, tensors },
    signature: { inputs: [], output: 'value' },
  });
  return {
    ...{ name: 'scores', current: arm(1), rollout: 'roll_1' },
    candidate: { ...arm(2), weight: 50, shadow: false },
    live: { blockMs: 10_000, sticky: 'customer', override: false },
  };
}

function logistic(): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', 2]);
  graph.initializer('weights', { type: 'float', shape: [2, 1], values: [1, -2] });
  graph.node('MatMul', { inputs: ['features', 'weights'], outputs: ['logit'] });
  graph.node('Sigmoid', { inputs: ['logit'], outputs: ['probability'] });
  graph.output('probability', 'float', ['N', 1]);
  return graph.toBytes({ graphName: 'logistic', opsets: { '': 17 } });
}

const CLIENT_WITHIN_MS = 300_000;

/** Runs a program of the folder `clients` and tells which checks it passed. Rejects with its output if it fails. */
export async function play(python: string, program: string, args: readonly string[]): Promise<readonly string[]> {
  const script = fileURLToPath(new URL(`clients/${program}`, import.meta.url));
  const { PATH = '', HOME = '' } = process.env;
  const quiet = { MLFLOW_DISABLE_TELEMETRY: 'true', GIT_PYTHON_REFRESH: 'quiet', PYTHONDONTWRITEBYTECODE: '1' };
  const env = { PATH, HOME, OMP_NUM_THREADS: '1', ...quiet };
  const { stdout } = await promisify(execFile)(python, [script, ...args], { env, timeout: CLIENT_WITHIN_MS });
  return [...stdout.matchAll(/^passed (\w+)$/gm)].map(([, name = '']) => name);
}
