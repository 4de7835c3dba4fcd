import { type RouteGroup, routeGroup } from '#platform/http';
import { automationContract } from './contract.ts';
import type { Incidents } from './incidents.ts';
import type { Rules } from './rules.ts';

export function automationHandlers(rules: Rules, incidents: Incidents): RouteGroup {
  return routeGroup(automationContract, {
    listDecisions: async ({ query }) => ({ items: await rules.decisions(query) }),
    listIncidents: async ({ query }) => ({ items: await incidents.list(query) }),
    resolveIncident: ({ params, body }, ctx) => incidents.resolve(ctx, params.incident, body.note),
  });
}
