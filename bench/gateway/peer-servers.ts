import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { treeOf } from './processor.ts';

export type Rows = readonly (readonly number[])[];

/** How a server wants its request, and where its scores are in the answer. */
interface Dialect {
  readonly path: string;
  body(rows: Rows): string;
}

export interface Peer {
  readonly name: string;
  /** As it is to be told in tables. */
  readonly title: string;
  readonly dialect: Dialect;
  /** How many times its rate of single rows Kedge is to reach. */
  readonly target: number;
}

/** A server that has answered a request. */
export interface Server {
  readonly name: string;
  readonly url: string;
  readonly dialect: Dialect;
  readonly child: ChildProcess;
}

export const OPEN_INFERENCE: Dialect = {
  path: '/v2/models/bench/infer',
  body: (rows) => {
    const tensor = {
      name: 'features',
      shape: [rows.length, rows[0]?.length ?? 0],
      datatype: 'FP32',
      data: rows.flat(),
    };
    return JSON.stringify({ id: 'bench', inputs: [tensor] });
  },
};

const BENTOML: Dialect = { path: '/infer', body: (rows) => JSON.stringify({ rows }) };
const MLFLOW: Dialect = { path: '/invocations', body: (rows) => JSON.stringify({ inputs: { features: rows } }) };

export const peers: readonly Peer[] = [
  { name: 'triton', title: 'Triton', dialect: OPEN_INFERENCE, target: 2 },
  { name: 'fastapi', title: 'FastAPI', dialect: OPEN_INFERENCE, target: 3 },
  { name: 'kserve', title: 'KServe SDK', dialect: OPEN_INFERENCE, target: 12 },
  { name: 'mlserver', title: 'MLServer', dialect: OPEN_INFERENCE, target: 12 },
  { name: 'litserve', title: 'LitServe', dialect: OPEN_INFERENCE, target: 12 },
  { name: 'bentoml', title: 'BentoML', dialect: BENTOML, target: 12 },
  { name: 'mlflow', title: 'mlflow serve', dialect: MLFLOW, target: 12 },
  { name: 'ray', title: 'Ray Serve', dialect: OPEN_INFERENCE, target: 50 },
];

/** Each has one thread for its model, whatever library it takes. */
const ONE_THREAD = Object.fromEntries(
  ['OMP', 'OPENBLAS', 'MKL', 'NUMEXPR'].map((library) => [`${library}_NUM_THREADS`, '1']),
);
const QUIET = {
  ...{ RAY_USAGE_STATS_ENABLED: '0', MLFLOW_DISABLE_TELEMETRY: 'true', DO_NOT_TRACK: '1' },
  PYTHONDONTWRITEBYTECODE: '1',
};
const START_MS_MAX = 120_000;
const STOP_MS_MAX = 10_000;

/** The Python that `bench/peers/install.sh <name>` made, if it did. */
export function pythonOf({ name }: Peer): string | undefined {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const environment = join(cache, 'kedge-ci', `peer-${name}`);
  return existsSync(join(environment, 'requirements.installed')) ? join(environment, 'bin', 'python') : undefined;
}

/** Starts a peer and waits until it answers. What it says goes to `<folder>/log`. */
export async function startPeer(peer: Peer, python: string, given: { model: string; folder: string; rows: Rows }) {
  const { model, folder, rows } = given;
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const script = fileURLToPath(new URL(`../peers/serving/serve_${peer.name}.py`, import.meta.url));
  const log = openSync(join(folder, 'log'), 'a');
  const child = spawn(python, [script, model, String(port), folder], {
    stdio: ['ignore', log, log],
    cwd: folder,
    env: { ...process.env, ...ONE_THREAD, ...QUIET },
  });
  const server: Server = { name: peer.name, url: `http://127.0.0.1:${port}`, dialect: peer.dialect, child };
  const endMs = performance.now() + START_MS_MAX;
  for (;;) {
    try {
      await answerOf(server, rows);
      return server;
    } catch (error) {
      if (child.exitCode === null && performance.now() < endMs) await wait(200);
      else {
        await stop(server);
        const said = readFileSync(join(folder, 'log'), 'utf8').slice(-2_000);
        throw new Error(`${peer.title} does not serve: ${(error as Error).message}; ${said}`);
      }
    }
  }
}

/** The scores that a server gives rows. */
export async function answerOf({ url, dialect }: Server, rows: Rows): Promise<number[]> {
  const response = await fetch(`${url}${dialect.path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: dialect.body(rows),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`it answered ${response.status}: ${text.slice(0, 300)}`);
  return numbersOf(scoresOf(JSON.parse(text)));
}

/** Ends a server and all that it started: first asked, then made to. */
export async function stop({ child }: Pick<Server, 'child'>): Promise<void> {
  const tree = child.pid === undefined ? [] : treeOf(child.pid);
  child.kill('SIGTERM');
  const endMs = performance.now() + STOP_MS_MAX;
  const living = (): number[] => tree.filter((pid) => signalled(pid, 0));
  while (child.exitCode === null && child.signalCode === null && performance.now() < endMs) await wait(50);
  for (const pid of living()) signalled(pid, 'SIGKILL');
}

function signalled(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** In answers of the Open Inference Protocol, of MLflow, and of BentoML, which are the scores alone. */
function scoresOf(answer: unknown): unknown {
  if (typeof answer !== 'object' || answer === null) return answer;
  if ('outputs' in answer) return (answer.outputs as readonly { readonly data: unknown }[])[0]?.data;
  return 'predictions' in answer ? answer.predictions : answer;
}

function numbersOf(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  if (typeof value !== 'object' || value === null) throw new Error('its answer holds no scores');
  return Object.values(value).flatMap(numbersOf);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
