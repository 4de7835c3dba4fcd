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
  /** A link that signs in as administrator once, as long as nobody has an account. */
  readonly signIn: string | undefined;
  /** From the call to every process being ready, in milliseconds. */
  readonly readyMs: number;
  pids(): ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

/**
 * A young generation of 4 MB: with 1 MB a chain of short steps spends a fifth of its time on collecting, with Node's 16
 * the process takes some 60 MB more. `expose-gc` is for what streams large files (`core/streamed-memory.ts`).
 */
export const CONTROL_PLANE_FLAGS = ['--max-semi-space-size=4', '--expose-gc'] as const;

export const ROLES = ['control-plane', 'gateway', 'workers'] as const;
export type Role = (typeof ROLES)[number];

/** Starts the processes of an installation on this machine, all or some, and keeps them alive until `stop`. */
export async function startPlatform(config: Config, only: readonly Role[] = ROLES): Promise<Platform> {
  const system = realSystem();
  const startedAt = system.clock.monotonic();
  const dataDir = openDataDir(config.dataDir);
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  const controlPlane = `http://${host}:${config.port}`;
  const gateway = `http://${host}:${config.gatewayPort}`;
  const workers = only.includes('workers') ? config.workers : 0;
  const started = { controlPlane, gateway: only.includes('gateway') ? gateway : undefined, workers };
  const unlock = lockDataDir(dataDir.root, started);
  const logger = createLogger('supervisor', config.logLevel);
  const supervisor = supervise(
    childrenOf({ ...config, workers, controlPlaneUrl: controlPlane, dataDir: dataDir.root }, dataDir.tokens).filter(
      ({ role }) => only.includes(role),
    ),
    { system, logger },
  );
  let ready: Awaited<typeof supervisor.ready>;
  try {
    ready = await supervisor.ready;
  } catch (error) {
    await supervisor.stop();
    unlock();
    throw error;
  }
  return {
    console: controlPlane,
    gateway,
    grpc: `${host}:${config.grpcPort}`,
    dataDir: dataDir.root,
    signIn: ready.get('control-plane')?.['signIn'],
    readyMs: system.clock.monotonic() - startedAt,
    pids: () => supervisor.pids(),
    async stop() {
      await supervisor.stop();
      unlock();
    },
  };
}

function childrenOf(
  config: Config,
  tokens: { readonly worker: string; readonly gateway: string },
): (ChildSpec & { readonly role: Role })[] {
  // Only the control plane speaks with the identity provider.
  const others = { ...config, oidcClientSecret: '' };
  return [
    {
      name: 'control-plane',
      role: 'control-plane',
      module: 'control-plane/main.ts',
      nodeFlags: CONTROL_PLANE_FLAGS,
      env: childEnvironment({ ...config, token: '' }),
    },
    {
      name: 'gateway',
      role: 'gateway',
      module: 'gateway/main.ts',
      env: childEnvironment({ ...others, token: tokens.gateway }),
    },
    ...Array.from({ length: config.workers }, (_, i) => ({
      name: `worker-${i + 1}`,
      role: 'workers' as const,
      module: 'worker/main.ts',
      env: childEnvironment({ ...others, callbackSecret: '', token: tokens.worker, workerName: `worker-${i + 1}` }),
    })),
  ];
}
