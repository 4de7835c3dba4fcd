import { type RouteGroup, routeGroup } from '#platform/http';
import { resourcesContract } from './contract.ts';
import type { Resources } from './resources.ts';

export function resourceHandlers(resources: Resources): RouteGroup {
  return routeGroup(resourcesContract, {
    applyResources: async ({ body }, ctx) => ({
      changes: await resources.apply(ctx, body.resources, { dryRun: body.dryRun }),
    }),
    listResources: async ({ query }) => ({ items: await resources.list(query.kind) }),
    getResource: async ({ params }) => resources.get(params.kind, params.name),
    deleteResource: async ({ params }, ctx) => {
      await resources.remove(ctx, params.kind, params.name);
      return { deleted: true };
    },
  });
}
