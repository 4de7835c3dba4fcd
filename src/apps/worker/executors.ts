import { availableParallelism, hostname, totalmem, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { Cluster } from '#adapters/exec/cluster';
import { openProcessExecutor } from '#adapters/exec/process';
import type { Config } from '#platform/config';
import { configErrors, inheritedEnvironment } from '#platform/config';
import type { Executor } from '#ports/executor';
import type { ProcessBase } from '../process.ts';

/** What a worker runs steps on, and what follows from it for the worker. */
export interface WorkerExecutor {
  /** As the configuration names it. */
  readonly name: string;
  readonly executor: Executor;
  /** A directory of this worker alone, which steps see under the same path. */
  readonly scratchDir: string;
  /** Steps see nothing of this machine but the scratch directory, so their inputs are brought there. */
  readonly isRemote: boolean;
  /** What the worker offers to steps. */
  readonly resources: Readonly<Record<string, number>>;
  /** Gives back what the executor holds, once nothing runs any more. */
  close?(): Promise<void>;
}

type Opened = Omit<WorkerExecutor, 'name'>;
type OpenExecutor = (base: ProcessBase) => Promise<Opened> | Opened;

/** Another executor is a line here, and its name among those that the key `executor` of the configuration takes. */
const EXECUTORS: Readonly<Record<string, OpenExecutor>> = {
  process: (base) => onThisMachine(base, { keepsProcesses: false }),
  'process-pool': (base) => onThisMachine(base, { keepsProcesses: true }),
  slurm: (base) => onCluster(base, slurm),
  ray: (base) => onCluster(base, ray),
  kubernetes: onKubernetes,
};

/** Opens the executor that the configuration names. Errors: `config/invalid`. */
export async function openExecutor(base: ProcessBase): Promise<WorkerExecutor> {
  const open = EXECUTORS[base.config.executor];
  if (!open) throw configErrors.invalid(`KEDGE_EXECUTOR: there is no executor '${base.config.executor}'`);
  return { ...(await open(base)), name: base.config.executor };
}

function onThisMachine(
  { config, dataDir, system }: ProcessBase,
  { keepsProcesses }: { readonly keepsProcesses: boolean },
): Opened {
  const executor = openProcessExecutor({ clock: system.clock, environment: inheritedEnvironment(), keepsProcesses });
  return {
    executor,
    close: () => executor.close(),
    scratchDir: join(dataDir.scratch, config.workerName),
    isRemote: false,
    resources: { cpu: availableParallelism(), memoryGiB: totalmem() / 2 ** 30 },
  };
}

/** On a cluster steps wait for their turn, however much they ask for: it knows what it has. */
const AS_MUCH_AS_ASKED = 1e9;

/** The executor of clusters, and the folder that it shares with the worker. */
async function onCluster(
  { config, system, logger }: ProcessBase,
  open: (config: Config) => Promise<Cluster>,
): Promise<Opened> {
  const { openClusterExecutor } = await import('#adapters/exec/cluster');
  const { owner, ...remote } = remoteWorker(config);
  const { scratchDir } = remote;
  return {
    executor: openClusterExecutor({
      cluster: await open(config),
      system,
      owner,
      folder: join(scratchDir, 'jobs'),
      warn: (message) => logger.warn(message),
    }),
    ...remote,
  };
}

/** Jobs of Kubernetes, whose pods have the shared folder mounted. */
async function onKubernetes({ config, system }: ProcessBase): Promise<Opened> {
  if (config.kubernetes === '') throw configErrors.invalid('KEDGE_KUBERNETES: expected the file with its options');
  const { openKubernetes } = await import('./kubernetes-executor.ts');
  const { owner, ...remote } = remoteWorker(config);
  const environment = inheritedEnvironment();
  const executor = await openKubernetes(config.kubernetes, { system, owner, environment });
  return { ...remote, executor, close: () => executor.close() };
}

/** What is the same for all workers whose steps run elsewhere. */
function remoteWorker({ executorFolder, workerName }: Config): Omit<Opened, 'executor'> & { owner: string } {
  if (!isAbsolute(executorFolder)) {
    throw configErrors.invalid(
      `KEDGE_EXECUTOR_FOLDER: expected the absolute path of a folder that this machine and the cluster share, found ` +
        `'${executorFolder}'`,
    );
  }
  const owner = `${workerName}@${hostname()}`;
  return {
    owner,
    scratchDir: join(executorFolder, owner),
    isRemote: true,
    resources: { cpu: AS_MUCH_AS_ASKED, memoryGiB: AS_MUCH_AS_ASKED, gpu: AS_MUCH_AS_ASKED },
  };
}

async function slurm(config: Config): Promise<Cluster> {
  const { openSlurm } = await import('#adapters/exec/cluster');
  return openSlurm({
    url: urlOf(config),
    user: config.executorUser || userInfo().username,
    token: await tokenOf(config),
    partition: config.executorQueue,
  });
}

async function ray(config: Config): Promise<Cluster> {
  const { openRay } = await import('#adapters/exec/cluster');
  return openRay({ url: urlOf(config), token: await tokenOf(config) });
}

function urlOf({ executorUrl }: Config): string {
  if (/^https?:\/\//.test(executorUrl)) return executorUrl;
  throw configErrors.invalid(`KEDGE_EXECUTOR_URL: expected the http address of the cluster, found '${executorUrl}'`);
}

/** The file is read for each request, so that a token may be replaced before it expires. */
async function tokenOf({ executorTokenFile }: Config): Promise<() => Promise<string>> {
  const { tokenIn } = await import('#adapters/exec/cluster');
  return async () => (executorTokenFile === '' ? '' : tokenIn(executorTokenFile));
}
