import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { backoffMs } from '#core/backoff';
import { sleep } from '#core/clock';
import { messageOf } from '#core/errors';
import { Outage } from '#core/outage';
import type { System } from '#core/system';
import type { workContract } from '#pipelines/contract';
import type { Client } from '#platform/contract';
import type { Logger } from '#platform/observe';
import type { BlobStore } from '#ports/blob-store';
import type { Executor } from '#ports/executor';
import { withDeadline } from './deliver.ts';
import type { DescribeEnvironment } from './environment.ts';
import { readPredecessor, signIn, type WorkerInstance } from './predecessor.ts';
import { RunningAttempts } from './running-attempts.ts';

export interface WorkerOptions {
  /** Names the worker at the control plane. Unique among those that run at a time. */
  readonly name: string;
  readonly client: Client<typeof workContract>;
  /** What steps are told of the control plane, so that they can call it. */
  readonly connection: { readonly url: string; readonly token?: string | undefined };
  readonly blobs: BlobStore;
  readonly executor: Executor;
  /** What attempts say that they ran on, with their job where that is a cluster: `process`, `slurm`, … */
  readonly executorName?: string;
  /** Steps see nothing of this machine but `scratchDir`: their inputs are brought there. */
  readonly isRemote?: boolean;
  /** Without it, the records of runs do not say where their steps ran. */
  readonly describe?: DescribeEnvironment;
  readonly system: System;
  /** Attempts that run at a time. */
  readonly slots: number;
  /** What steps may ask of a worker, such as `{ gpu: 'a100' }`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What steps may take of it while they run, such as `{ cpu: 4, memoryGiB: 16 }`. */
  readonly resources?: Readonly<Record<string, number>>;
  /** A directory of this worker alone. What an earlier one left there is removed. */
  readonly scratchDir: string;
  readonly logger: Logger;
  /** Ends the worker: what runs is killed and queued again. */
  readonly signal: AbortSignal;
}

const LEASE_BACKOFF_CAP_MS = 5_000;
/** A lease request waits up to ten seconds; one that is silent for longer has lost its connection. */
const LEASE_DEADLINE_MS = 30_000;
const LEAVE_DEADLINE_MS = 2_000;

/** Leases step attempts and runs them until the signal. Survives a control plane that comes and goes. */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { name, client, system, slots, logger, signal } = options;
  const attemptsDir = join(options.scratchDir, 'attempts');
  await rm(attemptsDir, { recursive: true, force: true });
  await mkdir(attemptsDir, { recursive: true, mode: 0o700 });
  // Who comes after this process under its name must not be taken for it.
  const instance = system.ids.next('worker');
  const running = new RunningAttempts(options, { dir: attemptsDir, instance });
  const outage = new Outage(system.clock);
  let failures = 0;
  let predecessor = await readPredecessor(options.scratchDir, logger);
  let hasSignedIn = false;
  while (!signal.aborted) {
    if (running.ids.length >= slots) {
      await running.oneEnded(signal);
      continue;
    }
    try {
      if (predecessor) await leave(options, { ...predecessor, keep: [], died: true });
      predecessor = undefined;
      // Not before: killed between the two, this process would hide the one before it from the next.
      if (!hasSignedIn) await signIn(options.scratchDir, { worker: name, instance }, logger);
      hasSignedIn = true;
      const body = running.offer;
      const { attempts } = await withDeadline(system.clock, { ms: LEASE_DEADLINE_MS, signal }, (deadline) =>
        client.leaseWork({ body, signal: deadline }),
      );
      if (outage.over()) logger.info('the control plane answers again');
      failures = 0;
      for (const attempt of attempts) running.start(attempt);
    } catch (error) {
      if (signal.aborted) break;
      if (outage.failed()) logger.warn(`no work from the control plane: ${messageOf(error)}; trying again`);
      const delayMs = backoffMs(failures++, system.random, { capMs: LEASE_BACKOFF_CAP_MS });
      await sleep(system.clock, delayMs, signal);
    }
  }
  // Gives up also the work that may have been granted to a request that nobody waits for any more.
  await leave(options, { worker: name, instance, keep: running.ids }).catch((error) =>
    logger.debug(`could not say goodbye, leases will run out instead: ${messageOf(error)}`),
  );
  await running.allEnded();
}

function leave(
  { client, system }: WorkerOptions,
  body: WorkerInstance & { readonly keep: string[]; readonly died?: boolean },
): Promise<unknown> {
  return withDeadline(system.clock, { ms: LEAVE_DEADLINE_MS }, (signal) => client.leaveWork({ body, signal }));
}
