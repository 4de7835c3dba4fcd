import { availableParallelism, hostname, totalmem } from 'node:os';
import { join } from 'node:path';
import { openProcessExecutor } from '#adapters/exec/process';
import { workContract } from '#pipelines/contract';
import { inheritedEnvironment } from '#platform/config';
import { createClient } from '#platform/contract';
import type { ProcessBase, RunningProcess } from '../process.ts';
import { openBlobs } from '../stores.ts';
import { runWorker } from './run-worker.ts';

/** A worker as a process: steps run as child processes of this machine. */
export async function startWorkerProcess(base: ProcessBase): Promise<RunningProcess> {
  const { config, dataDir, system, logger } = base;
  const connection = { url: config.controlPlaneUrl, token: config.token || undefined };
  const name = `${config.workerName}@${hostname()}`;
  const stop = new AbortController();
  const running = runWorker({
    name,
    client: createClient(workContract, { baseUrl: connection.url, token: connection.token }),
    connection,
    blobs: await openBlobs(config, dataDir),
    executor: openProcessExecutor({ clock: system.clock, environment: inheritedEnvironment() }),
    system,
    slots: config.workerSlots,
    resources: { cpu: availableParallelism(), memoryGiB: totalmem() / 2 ** 30 },
    scratchDir: join(dataDir.scratch, config.workerName),
    logger,
    signal: stop.signal,
  });
  return {
    ready: { name },
    async stop() {
      stop.abort();
      await running;
    },
  };
}
