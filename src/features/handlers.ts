import { type RouteGroup, routeGroup } from '#platform/http';
import { featuresContract } from './contract.ts';
import type { FeatureService } from './service.ts';

export function featureHandlers(service: FeatureService): RouteGroup {
  return routeGroup(featuresContract, {
    readFeatures: async ({ params, query }) => ({
      view: params.view,
      at: query.at,
      values: await service.readOnline(params.view, query.entity.split(','), query.at),
    }),
  });
}
