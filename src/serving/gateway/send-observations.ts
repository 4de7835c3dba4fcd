import { sleepToBeat } from '#core/clock';
import type { System } from '#core/system';
import type { Observation } from '../live/observation.ts';
import type { RecentLog } from './recent-log.ts';
import type { Router } from './router.ts';

export interface SendingOptions {
  readonly router: Router;
  readonly system: System;
  readonly signal: AbortSignal;
  readonly recent: RecentLog;
  /** Sends until it is taken, or the gateway closes. */
  readonly send: (seen: Observation) => Promise<void>;
}

/** Lines of the log that go with a block. */
const LOGS_MAX = 20;
const LOOK_MS = 250;
const IDLE_LOOK_MS = 1_000;

/**
 * Ends the blocks of every rollout that is decided on live traffic when their time is over, and sends them, those
 * without requests too: that nothing comes is a fact as well. Until the gateway closes.
 */
export async function sendObservations({ router, system, signal, recent, send }: SendingOptions): Promise<void> {
  const source = system.ids.next('gw');
  while (!signal.aborted) {
    let lookMs = IDLE_LOOK_MS;
    for (const { routed, observer } of router.endpoints) {
      const { live, rollout } = routed;
      if (!observer || !live || rollout === undefined) continue;
      lookMs = Math.min(lookMs, Math.max(10, Math.min(LOOK_MS, live.blockMs / 4)));
      const now = system.clock.now();
      if (now - observer.startedAt >= live.blockMs) observer.close(now);
      for (const block of observer.take()) {
        const logs = recent.between(block.start, block.end, LOGS_MAX);
        await send({ rollout, source, ...block, ...(logs.length > 0 ? { logs: [...logs] } : {}) });
      }
    }
    await sleepToBeat(system.clock, lookMs, signal);
  }
}
