import { realSystem } from '#core/system';
import { childEnvironment, loadConfig } from '#platform/config';
import { createLogger } from '#platform/observe';
import { freePort } from '#testing/free-port';
import { openDataDir } from '../../src/apps/data-dir.ts';
import { CONTROL_PLANE_FLAGS } from '../../src/apps/supervisor/platform.ts';
import { type ChildSpec, supervise } from '../../src/apps/supervisor/supervise.ts';

export interface Installation {
  /** Of each control plane. */
  readonly urls: readonly string[];
  pids(): ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

export interface InstallationOptions {
  readonly dir: string;
  /** `postgres://…`, or empty for SQLite. */
  readonly database: string;
  readonly controlPlanes: number;
  readonly workers: number;
}

/** Control planes over one database and one data directory, and workers that turn to one of them each. */
export async function startInstallation(options: InstallationOptions): Promise<Installation> {
  const { dir, database, controlPlanes, workers } = options;
  const { tokens } = openDataDir(dir);
  const logLevel = process.env['KEDGE_LOG_LEVEL'] ?? 'fatal';
  const ports = await Promise.all(Array.from({ length: controlPlanes }, freePort));
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const common = { dataDir: dir, database, leaseMs: 1_000, logLevel, insecureLoopback: true };
  const specs: ChildSpec[] = ports.map((port, i) => ({
    name: `control-plane-${i + 1}`,
    module: 'control-plane/main.ts',
    nodeFlags: CONTROL_PLANE_FLAGS,
    env: childEnvironment(loadConfig({ ...common, port }, {})),
  }));
  for (let i = 1; i <= workers; i++) {
    const workerName = `worker-${i}`;
    const controlPlaneUrl = urls[i % urls.length] ?? '';
    const config = { ...common, workerName, workerSlots: 4, controlPlaneUrl, token: tokens.worker };
    specs.push({ name: workerName, module: 'worker/main.ts', env: childEnvironment(loadConfig(config, {})) });
  }
  const supervisor = supervise(specs, { system: realSystem(), logger: createLogger('supervisor', logLevel) });
  try {
    await supervisor.ready;
  } catch (error) {
    await supervisor.stop();
    throw error;
  }
  return { urls, pids: () => supervisor.pids(), stop: () => supervisor.stop() };
}
