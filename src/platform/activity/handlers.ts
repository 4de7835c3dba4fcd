import { AuditLog, verifyLog } from '#platform/audit';
import type { Database } from '#platform/db';
import { recentEvents } from '#platform/events';
import { type RouteGroup, routeGroup } from '#platform/http';
import { activityContract } from './contract.ts';

/** What is still going on, as those know who do it. */
export interface Ongoing {
  eventsHandled(): Promise<boolean>;
  activeRuns(): Promise<number>;
}

export function activityHandlers(db: Database, ongoing: Ongoing): RouteGroup {
  const log = new AuditLog(db.reader);
  return routeGroup(activityContract, {
    listEvents: async ({ query }) => ({ items: await recentEvents(db.reader, query) }),
    searchAudit: async ({ query }) => ({ items: await log.search(query), head: await log.head() }),
    getSettled: async () => {
      // Runs are counted first: one that ends in between has left events that are then seen as not yet handled.
      const activeRuns = await ongoing.activeRuns();
      const eventsHandled = await ongoing.eventsHandled();
      return { settled: eventsHandled && activeRuns === 0, eventsHandled, activeRuns };
    },
    verifyAudit: () => verifyLog(log),
  });
}
