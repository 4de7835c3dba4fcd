import { type ChildProcess, fork, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CONTROL_PLANE_FLAGS } from '../../src/apps/supervisor/platform.ts';

const MAIN = fileURLToPath(new URL('../../src/apps/control-plane/main.ts', import.meta.url));
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/kedge', import.meta.url));
const WITHIN_MS = 120_000;

export interface BenchedServer {
  readonly url: string;
  /** From starting the process until `/health` was answered. */
  readonly startMs: number;
  /** Resident memory of the process and of those that it started. */
  resident(): { readonly mb: number; readonly processes: number };
  stop(): Promise<void>;
}

export interface KedgeOptions {
  /** The data directory. */
  readonly folder: string;
  /** A PostgreSQL; SQLite unless told. */
  readonly database?: string | undefined;
  /** Whether SQLite syncs each commit. */
  readonly durable: boolean;
}

/** A control plane of its own, started as `kedge up` starts it. */
export async function startKedge({ folder, database, durable }: KedgeOptions): Promise<BenchedServer> {
  const env = {
    ...{ KEDGE_DATA: folder, KEDGE_PORT: '0', KEDGE_INSECURE_LOOPBACK: 'true', KEDGE_LOG_LEVEL: 'error' },
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    ...(database === undefined ? { KEDGE_DATABASE_DURABLE: String(durable) } : { KEDGE_DATABASE: database }),
  };
  const begun = performance.now();
  const child = fork(MAIN, { env: { ...process.env, ...env }, execArgv: [...CONTROL_PLANE_FLAGS] });
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { ready: { url: string } }).ready.url));
    child.once('exit', (code) => reject(new Error(`the control plane ended with code ${code}`)));
  });
  await untilHealthy(url, child);
  return benched(child, { url, startMs: performance.now() - begun });
}

export interface MlflowOptions {
  /** Where artifacts would lie. */
  readonly folder: string;
  /** The environment that tools/ci/mlflow.sh made. */
  readonly environment: string;
  /** What MLflow calls the backend store. */
  readonly store: string;
  /** As many as MLflow starts by itself unless told. */
  readonly workers: number | undefined;
}

/** A stock `mlflow server`. */
export async function startMlflow({ folder, environment, store, workers }: MlflowOptions): Promise<BenchedServer> {
  const port = await freePort();
  const args = ['server', '--host', '127.0.0.1', '--port', String(port), '--backend-store-uri', store];
  args.push('--artifacts-destination', join(folder, 'artifacts'));
  if (workers !== undefined) args.push('--workers', String(workers));
  const begun = performance.now();
  const env = { ...process.env, MLFLOW_DISABLE_TELEMETRY: 'true', DO_NOT_TRACK: 'true' };
  const child = spawn(join(environment, 'bin/mlflow'), args, { env, cwd: folder, stdio: 'ignore', detached: true });
  const url = `http://127.0.0.1:${port}`;
  await untilHealthy(url, child);
  return benched(child, { url, startMs: performance.now() - begun });
}

function benched(child: ChildProcess, made: { url: string; startMs: number }): BenchedServer {
  return {
    ...made,
    resident() {
      const pids = treeOf(child.pid ?? 0);
      const pages = pids.map((pid) => Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]));
      return { mb: Math.round((pages.reduce((sum, more) => sum + more, 0) * 4_096) / 1e6), processes: pids.length };
    },
    async stop() {
      const exit = new Promise((resolve) => child.once('exit', resolve));
      for (const pid of treeOf(child.pid ?? 0)) process.kill(pid, 'SIGTERM');
      await exit;
    },
  };
}

async function untilHealthy(url: string, child: ChildProcess): Promise<void> {
  const until = performance.now() + WITHIN_MS;
  while (performance.now() < until && child.exitCode === null) {
    const reply = await fetch(`${url}/health`).catch(() => undefined);
    if (reply?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${url} did not become healthy`);
}

/** A process and those that it started, and so on. */
function treeOf(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(name);
    if (stat !== undefined) parents.set(Number(name), Number(stat.split(') ')[1]?.split(' ')[1]));
  }
  const tree = [root];
  for (const pid of tree) for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  return tree;
}

/** Nothing of a process that has ended since its folder was listed. */
function statOf(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
