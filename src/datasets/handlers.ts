import { type RouteGroup, routeGroup } from '#platform/http';
import { datasetsContract } from './contract.ts';
import type { DatasetService } from './service.ts';

export function datasetHandlers(service: DatasetService): RouteGroup {
  return routeGroup(datasetsContract, {
    commitBatch: ({ params, upload }, ctx) => service.commit(ctx, params, upload),
    releaseBatch: ({ params, body }, ctx) => service.release(ctx, params, body.knownAt),
    listBatches: async ({ params, query }) => ({
      items: await service.batches(params.dataset, { held: query.held && query.held === 'true', limit: query.limit }),
    }),
    getSnapshot: ({ params, query }) => service.snapshot(params.dataset, query.commit),
  });
}
