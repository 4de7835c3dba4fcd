import { hostname } from 'node:os';
import { workContract } from '#pipelines/contract';
import { createClient } from '#platform/contract';
import type { ProcessBase, RunningProcess } from '../process.ts';
import { openBlobs } from '../stores.ts';
import { environmentDescriber } from './environment.ts';
import { openExecutor } from './executors.ts';
import { runWorker } from './run-worker.ts';

/** A worker as a process: steps run on the executor that the configuration names. */
export async function startWorkerProcess(base: ProcessBase): Promise<RunningProcess> {
  const { config, dataDir, system, logger } = base;
  const connection = { url: config.controlPlaneUrl, token: config.token || undefined };
  const name = `${config.workerName}@${hostname()}`;
  const stop = new AbortController();
  const { name: executorName, executor, scratchDir, isRemote, resources, close } = await openExecutor(base);
  const running = runWorker({
    name,
    client: createClient(workContract, { baseUrl: connection.url, token: connection.token }),
    connection,
    blobs: await openBlobs(config, dataDir),
    executor,
    executorName,
    isRemote,
    // To ask elsewhere would be a job of the cluster, and what is asked here is not where the step ran.
    ...(isRemote ? {} : { describe: environmentDescriber({ executor, clock: system.clock }) }),
    system,
    slots: config.workerSlots,
    resources,
    scratchDir,
    logger,
    signal: stop.signal,
  });
  return {
    ready: { name },
    async stop() {
      stop.abort();
      await running;
      await close?.();
    },
  };
}
