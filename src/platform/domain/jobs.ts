import { sleep, sleepToBeat } from '#core/clock';
import { messageOf } from '#core/errors';
import type { System } from '#core/system';
import type { Logger } from '#platform/observe';
import type { Leader } from './leader.ts';

/** Work that repeats: lease expiry, retention, watermarks of live streams. */
export interface Job {
  readonly name: string;
  readonly everyMs: number;
  /** Must be safe to run again after it was cut off anywhere. */
  run(signal: AbortSignal): Promise<void>;
}

/** Jobs that run as often as this are run together; what runs seldom wakes nobody worth sparing. */
const BEAT_MS_MAX = 60_000;

interface JobDeps {
  readonly system: System;
  readonly logger: Logger;
  /** Where several processes share a database, only the one that leads runs its jobs. */
  readonly leader?: Pick<Leader, 'leads'> | undefined;
}

/** Runs each job in a loop of its own, never twice at a time. Returns the function that stops them and waits. */
export function startJobs(jobs: readonly Job[], { system, logger, leader }: JobDeps): () => Promise<void> {
  const stop = new AbortController();
  const loop = async (job: Job): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        if (!leader || (await leader.leads())) await job.run(stop.signal);
      } catch (error) {
        logger.error({ job: job.name, err: error }, `job failed: ${messageOf(error)}`);
      }
      await (job.everyMs > BEAT_MS_MAX ? sleep : sleepToBeat)(system.clock, job.everyMs, stop.signal);
    }
  };
  const running = jobs.map(loop);
  return async () => {
    stop.abort();
    await Promise.all(running);
  };
}
