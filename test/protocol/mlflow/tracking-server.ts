import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../src/apps/control-plane/main.ts', import.meta.url));

export interface TestServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** A control plane of its own, on any free port of this machine and on an empty data directory. */
export async function startServer(settings: Readonly<Record<string, string>> = {}): Promise<TestServer> {
  const data = mkdtempSync(join(tmpdir(), 'kedge-mlflow-'));
  const env = { ...process.env, KEDGE_DATA: data, KEDGE_PORT: '0', KEDGE_INSECURE_LOOPBACK: 'true' };
  const child = fork(MAIN, {
    env: { ...env, KEDGE_LOG_LEVEL: 'error', ...settings },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { ready: { url: string } }).ready.url));
    child.once('exit', (code) => reject(new Error(`the control plane ended with code ${code} before it was ready`)));
  });
  return {
    url,
    async stop() {
      await ended(child);
      rmSync(data, { recursive: true, force: true });
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exit;
}

export interface MlflowClient {
  /** Such as `mlflow-3.17`. */
  readonly version: string;
  readonly python: string;
}

/** The environments that tools/ci/mlflow.sh made, if any. */
export function mlflowClients(): MlflowClient[] {
  const folder = process.env['KEDGE_TEST_MLFLOW'];
  if (!folder || !existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^mlflow-\d/.test(name) && existsSync(join(folder, name, 'requirements.installed')))
    .sort()
    .map((version) => ({ version, python: join(folder, version, 'bin/python') }));
}
