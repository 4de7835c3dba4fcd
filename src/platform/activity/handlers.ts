import type { Clock } from '#core/clock';
import { AuditLog, verifyLog } from '#platform/audit';
import type { Database } from '#platform/db';
import { recentEvents } from '#platform/events';
import { type RouteGroup, routeGroup } from '#platform/http';
import { activityContract } from './contract.ts';

/** What is still going on, as those know who do it. */
export interface Ongoing {
  eventsHandled(): Promise<boolean>;
  activeRuns(): Promise<number>;
  /** Resolves when it is worth asking again, at the latest after `withinMs`. */
  nextChange(withinMs: number): Promise<void>;
}

/** A run may end without an event that somebody consumes. */
const ASK_AGAIN_MS = 50;

export function activityHandlers(db: Database, ongoing: Ongoing, clock: Clock): RouteGroup {
  const log = new AuditLog(db.reader);
  return routeGroup(activityContract, {
    listEvents: async ({ query }) => ({ items: await recentEvents(db.reader, query) }),
    searchAudit: async ({ query }) => ({ items: await log.search(query), head: await log.head() }),
    getSettled: async ({ query }) => {
      for (const deadline = clock.monotonic() + query.waitMs; ; ) {
        const state = await stateOf(ongoing);
        const leftMs = deadline - clock.monotonic();
        if (state.settled || leftMs <= 0) return state;
        await ongoing.nextChange(Math.min(leftMs, ASK_AGAIN_MS));
      }
    },
    verifyAudit: () => verifyLog(log),
  });
}

async function stateOf(ongoing: Ongoing) {
  const state = await lookAt(ongoing);
  // What was handled at the first look may have started a run after they were counted.
  return state.settled ? await lookAt(ongoing) : state;
}

async function lookAt(ongoing: Ongoing) {
  // Runs are counted first: one that ends in between has left events that are then seen as not yet handled.
  const activeRuns = await ongoing.activeRuns();
  const eventsHandled = await ongoing.eventsHandled();
  return { settled: eventsHandled && activeRuns === 0, eventsHandled, activeRuns };
}
