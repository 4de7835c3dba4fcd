import { type RouteGroup, routeGroup } from '#platform/http';
import { backfillsContract } from './contract.ts';
import type { Backfills } from './service.ts';

export function backfillHandlers(backfills: Backfills): RouteGroup {
  return routeGroup(backfillsContract, {
    listPartitions: ({ params, query }) => backfills.partitions(params.pipeline, query),
    startBackfill: ({ body }, ctx) => backfills.start(ctx, body),
    listBackfills: ({ query }) => backfills.list(query),
    getBackfill: ({ params }) => backfills.get(params.backfill),
    pauseBackfill: ({ params }, ctx) => backfills.setPaused(ctx, params.backfill, true),
    resumeBackfill: ({ params }, ctx) => backfills.setPaused(ctx, params.backfill, false),
    cancelBackfill: ({ params }, ctx) => backfills.cancel(ctx, params.backfill),
  });
}
