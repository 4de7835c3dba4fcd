import { realSystem } from '#core/system';
import { type Config, childEnvironment } from '#platform/config';
import { createLogger } from '#platform/observe';
import { lockDataDir, openDataDir } from '../data-dir.ts';
import { type ChildSpec, supervise } from './supervise.ts';

export interface Platform {
  readonly console: string;
  readonly gateway: string;
  readonly grpc: string;
  readonly dataDir: string;
  /** From the call to every process being ready, in milliseconds. */
  readonly readyMs: number;
  pids(): ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

/** Starts all processes of an installation on this machine and keeps them alive until `stop`. */
export async function startPlatform(config: Config): Promise<Platform> {
  const system = realSystem();
  const startedAt = system.clock.monotonic();
  const dataDir = openDataDir(config.dataDir);
  const unlock = lockDataDir(dataDir.root);
  const logger = createLogger('supervisor', config.logLevel);
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  const controlPlane = `http://${host}:${config.port}`;
  const supervisor = supervise(
    childrenOf({ ...config, controlPlaneUrl: controlPlane, dataDir: dataDir.root }, dataDir.tokens),
    {
      system,
      logger,
    },
  );
  try {
    await supervisor.ready;
  } catch (error) {
    await supervisor.stop();
    unlock();
    throw error;
  }
  return {
    console: controlPlane,
    gateway: `http://${host}:${config.gatewayPort}`,
    grpc: `${host}:${config.grpcPort}`,
    dataDir: dataDir.root,
    readyMs: system.clock.monotonic() - startedAt,
    pids: () => supervisor.pids(),
    async stop() {
      await supervisor.stop();
      unlock();
    },
  };
}

function childrenOf(config: Config, tokens: { readonly worker: string; readonly gateway: string }): ChildSpec[] {
  const env = (token: string): Record<string, string> => childEnvironment({ ...config, token });
  return [
    { name: 'control-plane', module: 'control-plane/main.ts', env: env('') },
    { name: 'gateway', module: 'gateway/main.ts', env: env(tokens.gateway) },
    ...Array.from({ length: config.workers }, (_, i) => ({
      name: `worker-${i + 1}`,
      module: 'worker/main.ts',
      env: childEnvironment({ ...config, token: tokens.worker, workerName: `worker-${i + 1}` }),
    })),
  ];
}
