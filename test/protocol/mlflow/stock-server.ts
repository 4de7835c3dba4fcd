import { type ChildProcess, spawn } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from '#testing/free-port';

const WITHIN_MS = 300_000;
const ASK_AGAIN_MS = 100;

export interface StockServer {
  readonly url: string;
}

export interface StockServerOptions {
  /** Where it keeps its database and its artifacts. */
  readonly folder: string;
  /** With users, of whom the administrator `admin` has this password. */
  readonly adminPassword?: string;
}

/** A stock `mlflow server` of an environment that tools/ci/mlflow.sh made, over SQLite, which the test stops. */
export async function startStockServer(
  t: TestContext,
  python: string,
  { folder, adminPassword }: StockServerOptions,
): Promise<StockServer> {
  const port = await freePort();
  const store = `sqlite:///${join(folder, 'mlflow.db')}`;
  const args = ['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', String(port), '--workers', '1'];
  args.push('--backend-store-uri', store, '--artifacts-destination', join(folder, 'artifacts'));
  if (adminPassword !== undefined) args.push('--app-name', 'basic-auth');
  // MLflow 2 finds the server that it runs in by the path.
  const PATH = `${dirname(python)}${delimiter}${process.env['PATH'] ?? ''}`;
  const env = {
    ...process.env,
    PATH,
    MLFLOW_DISABLE_TELEMETRY: 'true',
    DO_NOT_TRACK: 'true',
    ...authSettings(adminPassword),
  };
  const child = spawn(python, args, { env, cwd: folder, stdio: 'ignore', detached: true });
  t.after(() => ended(child));
  const url = `http://127.0.0.1:${port}`;
  await untilHealthy(url, child);
  return { url };
}

/** Its users are kept in the working folder of the server. */
function authSettings(adminPassword: string | undefined): Readonly<Record<string, string>> {
  if (adminPassword === undefined) return {};
  return { MLFLOW_AUTH_ADMIN_PASSWORD: adminPassword, MLFLOW_FLASK_SERVER_SECRET_KEY: 'of a server that a test stops' };
}

/** Waits for the thing itself; a stock server takes a quarter of a minute on a machine that has nothing else to do. */
async function untilHealthy(url: string, child: ChildProcess): Promise<void> {
  const until = performance.now() + WITHIN_MS;
  while (performance.now() < until && child.exitCode === null) {
    const reply = await fetch(`${url}/health`).catch(() => undefined);
    if (reply?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
  throw new Error(`the stock server at ${url} did not become healthy`);
}

/** It has children, which are in its process group. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  process.kill(-child.pid, 'SIGKILL');
  await exit;
}
