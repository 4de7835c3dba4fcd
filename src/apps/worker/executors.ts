import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { openProcessExecutor } from '#adapters/exec/process';
import { configErrors, inheritedEnvironment } from '#platform/config';
import type { Executor } from '#ports/executor';
import type { ProcessBase } from '../process.ts';

/** What a worker runs steps on, and what follows from it for the worker. */
export interface WorkerExecutor {
  readonly executor: Executor;
  /** A directory of this worker alone, which steps see under the same path. */
  readonly scratchDir: string;
  /** Steps see nothing of this machine but the scratch directory, so their inputs are brought there. */
  readonly isRemote: boolean;
  /** What the worker offers to steps. */
  readonly resources: Readonly<Record<string, number>>;
}

type OpenExecutor = (base: ProcessBase) => Promise<WorkerExecutor> | WorkerExecutor;

/** Another executor is a line here, and its name among those that the key `executor` of the configuration takes. */
const EXECUTORS: Readonly<Record<string, OpenExecutor>> = {
  process: onThisMachine,
};

/** Opens the executor that the configuration names. Errors: `config/invalid`. */
export async function openExecutor(base: ProcessBase): Promise<WorkerExecutor> {
  const open = EXECUTORS[base.config.executor];
  if (!open) throw configErrors.invalid(`KEDGE_EXECUTOR: there is no executor '${base.config.executor}'`);
  return open(base);
}

function onThisMachine({ config, dataDir, system }: ProcessBase): WorkerExecutor {
  return {
    executor: openProcessExecutor({ clock: system.clock, environment: inheritedEnvironment() }),
    scratchDir: join(dataDir.scratch, config.workerName),
    isRemote: false,
    resources: { cpu: availableParallelism(), memoryGiB: totalmem() / 2 ** 30 },
  };
}
