import type { Clock } from '#core/clock';
import type { Job } from '#platform/domain';
import type { RunControl } from './service/control.ts';
import type { PipelineService } from './service/service.ts';

/** How late an expired lease is noticed. A look costs a few indexed queries. */
const EXPIRY_EVERY_MS = 1_000;
/** A wall clock that has moved so much more or less than time has passed was set. */
const SET_BY_MS = 1_000;

export function leaseExpiryJob(service: PipelineService, clock: Clock): Job {
  let aheadMs: number | undefined;
  return {
    name: 'pipelines/lease-expiry',
    everyMs: EXPIRY_EVERY_MS,
    async run() {
      const before = aheadMs;
      aheadMs = clock.now() - clock.monotonic();
      // Nobody fell silent because this process started, or because a clock was set.
      if (before === undefined || Math.abs(aheadMs - before) > SET_BY_MS) await service.renewLeases();
      await service.correctTimes();
      await service.expireLeases();
    },
  };
}

/** Each look costs three indexed queries. */
export function tendJob(control: RunControl): Job {
  return { name: 'pipelines/tend', everyMs: EXPIRY_EVERY_MS, run: () => control.tend() };
}
