import { type RouteGroup, routeGroup } from '#platform/http';
import { plansContract } from './contract.ts';
import type { Plans } from './service.ts';

export function planHandlers(plans: Plans): RouteGroup {
  return routeGroup(plansContract, {
    planPipelineRun: ({ params, body }, ctx) => plans.plan(ctx, { pipeline: params.pipeline, ...body }),
  });
}
