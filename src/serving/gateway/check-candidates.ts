import { sleepToBeat } from '#core/clock';
import type { System } from '#core/system';
import type { CheckReport, CheckResult } from '../checks/check-result.ts';
import type { CheckWork } from '../checks/routes.ts';
import type { Router } from './router.ts';

export interface CheckingOptions {
  readonly router: Router;
  readonly system: System;
  readonly signal: AbortSignal;
  /** Asks until it is answered, or the gateway closes. */
  readonly ask: (rollout: string) => Promise<CheckWork | undefined>;
  readonly check: (work: CheckWork) => Promise<CheckResult[]>;
  /** Sends until it is taken, or the gateway closes. */
  readonly report: (report: CheckReport) => Promise<void>;
}

const LOOK_MS = 500;

/** Runs the checks that the routing table asks for, each rollout once, one by one, until the gateway closes. */
export async function checkCandidates(options: CheckingOptions): Promise<void> {
  const { router, system, signal, ask, check, report } = options;
  const source = system.ids.next('gw');
  let done = new Set<string>();
  while (!signal.aborted) {
    const wanted = [...router.endpoints].flatMap(({ routed }) => routed.check ?? []);
    done = new Set(wanted.filter((rollout) => done.has(rollout)));
    for (const rollout of wanted) {
      if (done.has(rollout) || signal.aborted) continue;
      const work = await ask(rollout);
      if (work) await report({ rollout, source, results: await check(work) });
      done.add(rollout);
    }
    await sleepToBeat(system.clock, LOOK_MS, signal);
  }
}
