import { openFsBlobStore } from '#adapters/blob/fs';
import { realSystem } from '#core/system';
import { workContract } from '#pipelines/contract';
import { createClient } from '#platform/contract';
import { createLogger } from '#platform/observe';
import { runWorker } from '../run-worker.ts';
import { TEST_EXECUTORS } from './test-executors.ts';

/** A worker as a process of its own: `worker-process.ts <url> <blob root> <scratch dir> <name> [<executor>]`. */
const [url = '', root = '', scratchDir = '', name = '', executor = 'process'] = process.argv.slice(2);
const { open, isRemote } = TEST_EXECUTORS[executor]!;
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());

await runWorker({
  name,
  client: createClient(workContract, { baseUrl: url }),
  connection: { url },
  blobs: await openFsBlobStore({ root }),
  executor: open(scratchDir),
  isRemote,
  system: realSystem(),
  slots: 2,
  scratchDir,
  logger: createLogger('worker', 'fatal'),
  signal: stop.signal,
});
