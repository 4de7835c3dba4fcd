import { setTimeout as pause } from 'node:timers/promises';
import { assert } from '#core/assert';
import { type Random, seededRandom } from '#core/random';

export const VICTIMS = ['control-plane', 'gateway', 'worker-1'] as const;
export type Victim = (typeof VICTIMS)[number];

const DELAY_MS_MAX = 600;
const BACK_WITHIN_MS = 30_000;

/** When a process is to be killed: so long after the story has come to a moment, which is a number that grows. */
export interface Kill {
  readonly victim: Victim;
  readonly moment: number;
  readonly delayMs: number;
}

type Pids = ReadonlyMap<string, number>;

/** Kills processes with SIGKILL at the moments of a plan, each victim in the order of its kills. */
export class Killer {
  readonly #plan: Kill[];
  readonly #pids: () => Pids | Promise<Pids>;
  readonly #last = new Map<Victim, number>();
  /** The newest kill of each victim, resolved when its process is chosen. */
  readonly #chosen = new Map<Victim, Promise<number>>();
  readonly #underWay = new Set<Promise<void>>();
  #failure: unknown;
  #stopped = false;
  readonly killed: Record<Victim, number> = { 'control-plane': 0, gateway: 0, 'worker-1': 0 };

  constructor(pids: () => Pids | Promise<Pids>, plan: readonly Kill[]) {
    this.#pids = pids;
    this.#plan = plan.toSorted((a, b) => a.moment - b.moment || a.delayMs - b.delayMs);
  }

  /** Says that the story has come to a moment. Waits only while a victim of that moment does not run yet. */
  async reach(moment: number): Promise<void> {
    const later = this.#plan.findIndex((kill) => kill.moment > moment);
    const due = this.#plan.splice(0, later < 0 ? this.#plan.length : later);
    await Promise.all(due.map((kill) => this.#start(kill)));
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Waits until all kills of the plan were made. */
  async done(): Promise<void> {
    await this.reach(Number.POSITIVE_INFINITY);
    await Promise.all(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Kills nothing any more. */
  stop(): void {
    this.#stopped = true;
  }

  async #start({ victim, delayMs }: Kill): Promise<void> {
    const dueAt = performance.now() + delayMs;
    const before = this.#chosen.get(victim);
    const chosen = (async () => {
      await before;
      return this.#nextPid(victim);
    })();
    this.#chosen.set(victim, chosen);
    const kill = chosen
      .then((pid) => this.#kill(victim, pid, dueAt))
      .catch((error) => {
        this.#failure ??= error;
      });
    this.#underWay.add(kill);
    await chosen.catch(() => {});
  }

  /** The process that took the place of the one that was killed last. */
  async #nextPid(victim: Victim): Promise<number> {
    const giveUpAt = performance.now() + BACK_WITHIN_MS;
    for (;;) {
      const pid = (await this.#pids()).get(victim);
      if (pid !== undefined && pid !== this.#last.get(victim)) {
        this.#last.set(victim, pid);
        return pid;
      }
      assert(!this.#stopped && performance.now() < giveUpAt, `${victim} is not started again`);
      await pause(10);
    }
  }

  async #kill(victim: Victim, pid: number, dueAt: number): Promise<void> {
    await pause(Math.max(0, dueAt - performance.now()));
    if (this.#stopped) return;
    assert((await this.#pids()).get(victim) === pid, `${victim} ended by itself before it was killed`);
    process.kill(pid, 'SIGKILL');
    this.killed[victim] += 1;
  }
}

export interface Spread {
  readonly seed: number;
  /** Of each victim. */
  readonly kills: number;
}

/** One kill of each victim in each equal stretch of the moments from 0 to `moments` - 1, anywhere in it. */
export function spreadOverMoments(moments: number, { seed, kills }: Spread): Kill[] {
  const random = seededRandom(seed);
  return stretches(kills).map(({ victim, from, to }) => {
    const first = Math.floor(from * moments);
    return { victim, moment: first + random.int(Math.floor(to * moments) - first), delayMs: shortly(random) };
  });
}

function stretches(kills: number) {
  return VICTIMS.flatMap((victim) =>
    Array.from({ length: kills }, (_, kill) => ({ victim, from: kill / kills, to: (kill + 1) / kills })),
  );
}

/** Short delays are as likely as long ones by their order of magnitude: 1 to 600 ms. */
function shortly(random: Random): number {
  return DELAY_MS_MAX ** random.next();
}
