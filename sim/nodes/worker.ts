import '../hooks.ts';
import { pino } from 'pino';
import type { IdSource } from '#core/ids';
import { workContract } from '#pipelines/contract';
import { type Blobs, blobsOf } from '../world/blobs.ts';
import { executorOf, type RunningProgram } from '../world/executor.ts';
import type { Network } from '../world/network.ts';
import type { Process } from '../world/process.ts';

// The worker itself, whose modules find the disk of the world where they look for files.
const { runWorker } = await import('../../src/apps/worker/run-worker.ts');

export interface WorkerDeps {
  readonly network: Network;
  readonly blobs: Blobs;
  readonly running: Set<RunningProgram>;
  readonly slots: number;
  readonly labels: Readonly<Record<string, string>>;
}

const silent = pino({ level: 'silent' });

/** Starts the product's own worker loop in a process of the world. `stop` asks it to end. */
export function startWorker(process: Process, deps: WorkerDeps): { stop(): void; readonly ended: Promise<void> } {
  const stop = new AbortController();
  const { name } = process;
  const ids: IdSource = {
    next(prefix) {
      const id = process.system.ids.next(prefix);
      if (prefix === 'worker') deps.network.instances.set(id, process);
      return id;
    },
  };
  const system = { ...process.system, ids };
  const ended = runWorker({
    name,
    client: deps.network.client(workContract, process),
    connection: { url: 'http://control-plane' },
    blobs: blobsOf(process, deps.blobs),
    executor: executorOf(process, deps.running),
    system,
    slots: deps.slots,
    labels: deps.labels,
    scratchDir: `/scratch/${name}`,
    logger: silent,
    signal: stop.signal,
  });
  return { stop: () => stop.abort(), ended };
}
