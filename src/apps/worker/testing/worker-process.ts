import { openFsBlobStore } from '#adapters/blob/fs';
import { openProcessExecutor } from '#adapters/exec/process';
import { systemClock } from '#core/clock';
import { realSystem } from '#core/system';
import { workContract } from '#pipelines/contract';
import { createClient } from '#platform/contract';
import { createLogger } from '#platform/observe';
import { runWorker } from '../run-worker.ts';

/** A worker as a process of its own: `worker-process.ts <url> <blob root> <scratch dir> <name>`. */
const [url = '', root = '', scratchDir = '', name = ''] = process.argv.slice(2);
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());

await runWorker({
  name,
  client: createClient(workContract, { baseUrl: url }),
  connection: { url },
  blobs: await openFsBlobStore({ root }),
  executor: openProcessExecutor({ clock: systemClock, environment: process.env }),
  system: realSystem(),
  slots: 2,
  scratchDir,
  logger: createLogger('worker', 'fatal'),
  signal: stop.signal,
});
