import { setTimeout as pause } from 'node:timers/promises';
import { assert } from '#core/assert';
import { type Random, seededRandom } from '#core/random';

export const VICTIMS = ['control-plane', 'gateway', 'worker-1'] as const;
type Victim = (typeof VICTIMS)[number];

const DELAY_MS_MAX = 600;
const GONE_WITHIN_MS = 30_000;

export interface KillPlan {
  readonly seed: number;
  /** Of each victim. */
  readonly kills: number;
  /** Moments of the workload: calls of {@link Killer.moment}. */
  readonly moments: number;
}

/**
 * Kills each process with SIGKILL as often as told, spread over the moments of a workload. The seed decides at which
 * moment and after which delay, so that a kill lands before, in or after whatever the workload does by then.
 */
export class Killer {
  readonly #plan: readonly (readonly { readonly victim: Victim; readonly delayMs: number }[])[];
  readonly #pids: () => ReadonlyMap<string, number>;
  readonly #last = new Map<Victim, number>();
  readonly #underWay = new Set<Promise<void>>();
  #moment = 0;
  #failure: unknown;
  #stopped = false;
  readonly killed: Record<Victim, number> = { 'control-plane': 0, gateway: 0, 'worker-1': 0 };

  constructor(pids: () => ReadonlyMap<string, number>, plan: KillPlan) {
    this.#pids = pids;
    this.#plan = planOf(plan);
  }

  /** Says that the workload has come to its next moment. Waits only while a victim of this moment does not run yet. */
  async moment(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const due = this.#plan[this.#moment++] ?? [];
    for (const { victim, delayMs } of due) {
      const pid = await this.#nextPid(victim);
      const kill = this.#kill(victim, pid, delayMs).catch((error) => {
        this.#failure ??= error;
      });
      this.#underWay.add(kill);
    }
  }

  /** Waits until all kills of the plan were made. */
  async done(): Promise<void> {
    while (this.#moment < this.#plan.length) await this.moment();
    await Promise.all(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Kills nothing any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** The process that took the place of the one that was killed last. */
  async #nextPid(victim: Victim): Promise<number> {
    const giveUpAt = performance.now() + GONE_WITHIN_MS;
    for (;;) {
      const pid = this.#pids().get(victim);
      if (pid !== undefined && pid !== this.#last.get(victim)) {
        this.#last.set(victim, pid);
        return pid;
      }
      assert(!this.#stopped && performance.now() < giveUpAt, `${victim} is not started again`);
      await pause(5);
    }
  }

  async #kill(victim: Victim, pid: number, delayMs: number): Promise<void> {
    await pause(delayMs);
    if (this.#stopped) return;
    assert(this.#pids().get(victim) === pid, `${victim} ended by itself before it was killed`);
    process.kill(pid, 'SIGKILL');
    this.killed[victim] += 1;
  }
}

/** One kill of each victim in each equal stretch of the moments, anywhere in it. */
function planOf({ seed, kills, moments }: KillPlan) {
  const random = seededRandom(seed);
  const plan = Array.from({ length: moments }, (): { victim: Victim; delayMs: number }[] => []);
  for (const victim of VICTIMS) {
    for (let kill = 0; kill < kills; kill++) {
      const from = Math.floor((kill * moments) / kills);
      const to = Math.floor(((kill + 1) * moments) / kills);
      plan[from + random.int(to - from)]?.push({ victim, delayMs: delayMs(random) });
    }
  }
  return plan;
}

/** Short delays are as likely as long ones by their order of magnitude: 1 to 600 ms. */
function delayMs(random: Random): number {
  return DELAY_MS_MAX ** random.next();
}
