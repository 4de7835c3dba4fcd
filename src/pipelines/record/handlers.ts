import { type RouteGroup, routeGroup } from '#platform/http';
import { recordsContract } from './contract.ts';
import type { Records } from './records.ts';

export function recordHandlers(records: Records): RouteGroup {
  return routeGroup(recordsContract, {
    getRunRecord: ({ params }) => records.view(params.run),
    reproducePipelineRun: ({ params }, ctx) => records.reproduce(ctx, params.run),
    compareReproduction: ({ params }) => records.compare(params.run),
    comparePipelineRuns: ({ params }) => records.difference(params.run, params.other),
  });
}
