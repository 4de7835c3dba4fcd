import { AuditLog, verifyChain } from '#platform/audit';
import type { Database } from '#platform/db';
import { recentEvents } from '#platform/events';
import { type RouteGroup, routeGroup } from '#platform/http';
import { activityContract } from './contract.ts';

export function activityHandlers(db: Database): RouteGroup {
  const log = new AuditLog(db.reader);
  return routeGroup(activityContract, {
    listEvents: async ({ query }) => ({ items: await recentEvents(db.reader, query) }),
    searchAudit: async ({ query }) => ({ items: await log.search(query), head: await log.head() }),
    verifyAudit: async () => verifyChain(log.all(), (await log.head()).hash),
  });
}
