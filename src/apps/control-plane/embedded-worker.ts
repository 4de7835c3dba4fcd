import { hostname } from 'node:os';
import { workContract } from '#pipelines/contract';
import { localClient, type RouteGroup } from '#platform/http';
import type { BlobStore } from '#ports/blob-store';
import type { ProcessBase } from '../process.ts';

/** Its scratch directory, and who attempts say that they ran on. No worker process has this name by default. */
const NAME = 'embedded';

interface EmbeddedWorkerDeps {
  readonly base: ProcessBase;
  /** The routes of this process. */
  readonly groups: readonly RouteGroup[];
  readonly blobs: BlobStore;
  /** Where steps reach the control plane. */
  readonly url: string;
}

/**
 * A worker in the process of the control plane: what it asks and reports are calls, and no requests over HTTP. The code
 * of steps stays outside: it runs in kept child processes, which can be killed and cannot take the control plane along.
 * Returns what ends it.
 */
export async function startEmbeddedWorker({
  base,
  groups,
  blobs,
  url,
}: EmbeddedWorkerDeps): Promise<() => Promise<void>> {
  const { system, logger, dataDir } = base;
  const config = { ...base.config, workerName: NAME, executor: 'process-pool' };
  const [{ runWorker }, { openExecutor }, { environmentDescriber }] = await Promise.all([
    import('../worker/run-worker.ts'),
    import('../worker/executors.ts'),
    import('../worker/environment.ts'),
  ]);
  const { name: executorName, executor, scratchDir, resources, close } = await openExecutor({ ...base, config });
  const stop = new AbortController();
  const running = runWorker({
    name: `${NAME}@${hostname()}`,
    client: localClient(workContract, {
      ...{ groups, system, logger },
      actor: { id: 'service:worker', roles: ['worker'] },
    }),
    connection: { url, token: dataDir.tokens.worker },
    ...{ blobs, executor, executorName, resources, scratchDir, system, logger },
    describe: environmentDescriber({ executor, clock: system.clock }),
    slots: config.embeddedSlots,
    signal: stop.signal,
  });
  return async () => {
    stop.abort();
    await running;
    await close?.();
  };
}
