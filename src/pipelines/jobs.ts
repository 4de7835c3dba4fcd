import type { Job } from '#platform/domain';
import type { PipelineService } from './service/service.ts';

/** How late an expired lease is noticed. A look costs one indexed query. */
const EXPIRY_EVERY_MS = 1_000;

export function leaseExpiryJob(service: PipelineService): Job {
  let renewed = false;
  return {
    name: 'pipelines/lease-expiry',
    everyMs: EXPIRY_EVERY_MS,
    async run() {
      if (!renewed) await service.renewLeases();
      renewed = true;
      await service.expireLeases();
    },
  };
}
