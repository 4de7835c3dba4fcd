import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { realSystem } from '#core/system';
import { createLogger } from '#platform/observe';
import { runWorker } from '../run-worker.ts';
import { type Bench, benchOf } from './bench.ts';
import { openControlPlane, temporaryDir } from './control-plane.ts';
import { TEST_EXECUTORS } from './test-executors.ts';

/**
 * A control plane over HTTP and a worker with real processes or jobs, in the process of the test. With `isRemote` the
 * worker takes its executor for one of another machine, to which only the directory of the attempt goes.
 */
export async function openBench(
  t: TestContext,
  {
    executor = 'process',
    slots = 2,
    isRemote,
  }: { readonly executor?: string; readonly slots?: number; readonly isRemote?: boolean } = {},
): Promise<Bench & { stopWorker(): Promise<void> }> {
  const { open, isRemote: isElsewhere } = TEST_EXECUTORS[executor]!;
  const { dir, remove } = await temporaryDir();
  const plane = await openControlPlane(dir);
  const bench = benchOf(plane.url, plane.blobs);
  const stop = new AbortController();
  const opened = open(join(dir, 'w1'));
  const running = runWorker({
    name: 'w1',
    client: bench.api,
    connection: { url: plane.url },
    blobs: plane.blobs,
    executor: opened,
    executorName: executor,
    isRemote: isRemote ?? isElsewhere,
    system: realSystem(),
    slots,
    resources: { cpu: 4, gpu: 1 },
    labels: { zone: 'a' },
    scratchDir: join(dir, 'w1'),
    logger: createLogger('worker', 'fatal'),
    signal: stop.signal,
  });
  const stopWorker = (): Promise<void> => {
    stop.abort();
    return running;
  };
  t.after(async () => {
    await stopWorker();
    await opened.close?.();
    await plane.close();
    await remove();
  });
  return { ...bench, dir, stopWorker };
}
