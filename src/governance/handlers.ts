import { type RouteGroup, routeGroup } from '#platform/http';
import { governanceContract } from './contract.ts';
import type { GovernanceService } from './service.ts';

export function governanceHandlers(service: GovernanceService): RouteGroup {
  return routeGroup(governanceContract, {
    listGateDecisions: async ({ query }) => {
      const allow = query.allow === undefined ? undefined : query.allow === 'true';
      return sent(await service.decisions({ ...query, allow }));
    },
    getGateDecision: ({ params }) => service.decision(params.decision),
    listGateWaivers: async ({ query }) => sent(await service.waivers(query)),
    waiveGate: ({ body }, ctx) => service.waive(ctx, body),
    revokeGateWaiver: ({ params }, ctx) => service.revokeWaiver(ctx, params.waiver),
  });
}

function sent<T>(page: { readonly items: readonly T[]; readonly next?: string | undefined }) {
  return { items: [...page.items], next: page.next };
}
