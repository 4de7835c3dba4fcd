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
  /** When the story has come to this moment it does not wait any longer. */
  readonly before?: number | undefined;
}

interface Pending {
  readonly before: number;
  readonly now: AbortController;
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
  readonly #pending = new Set<Pending>();
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
    const started = due.map((kill) => this.#start(kill));
    for (const { before, now } of this.#pending) if (before <= moment) now.abort();
    await Promise.all(started);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Makes what is left of the plan, and waits until every process that was killed is back. */
  async done(): Promise<void> {
    await this.reach(Number.POSITIVE_INFINITY);
    await Promise.all(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure;
    await Promise.all([...this.#last.keys()].map((victim) => this.#nextPid(victim)));
  }

  /** Kills nothing any more. */
  stop(): void {
    this.#stopped = true;
  }

  async #start({ victim, delayMs, before = Number.POSITIVE_INFINITY }: Kill): Promise<void> {
    const dueAt = performance.now() + delayMs;
    const former = this.#chosen.get(victim);
    const pending = { before, now: new AbortController() };
    this.#pending.add(pending);
    const chosen = (async () => {
      await former;
      return this.#nextPid(victim);
    })();
    this.#chosen.set(victim, chosen);
    const kill = chosen
      .then(async (pid) => {
        await pause(Math.max(0, dueAt - performance.now()), undefined, { signal: pending.now.signal }).catch(() => {});
        await this.#kill(victim, pid);
      })
      .catch((error) => {
        this.#failure ??= error;
      })
      .finally(() => this.#pending.delete(pending));
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
      await pause(50);
    }
  }

  async #kill(victim: Victim, pid: number): Promise<void> {
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

/** A story as it was played undisturbed: the times at which it came to its moments. The last one is its end. */
export type Course = readonly { readonly moment: number; readonly time: number }[];

/**
 * One kill of each victim in each equal stretch of the time that a story takes. By turns it is at any time, so that
 * long work is hit in the midst of it, and shortly after a moment, when what follows from it is under way. A story that
 * is played faster than its course was has each kill before the moment that it was before in that course.
 */
export function spreadOverTime(moments: Course, { seed, kills }: Spread): Kill[] {
  const random = seededRandom(seed);
  const [start, end] = [moments[0]?.time ?? 0, moments.at(-1)?.time ?? 0];
  const timeOf = (share: number): number => start + share * (end - start);
  return stretches(kills).map(({ victim, from, to }, i) => {
    const within = moments.filter(({ time }) => time >= timeOf(from) && time < timeOf(to));
    const chosen = within[random.int(Math.max(1, within.length))];
    if (i % 2 === 1 && chosen) return { victim, moment: chosen.moment, delayMs: shortly(random) };
    const time = timeOf(from + random.next() * (to - from));
    const last = moments.findLast((candidate) => candidate.time <= time);
    const before = moments.find((candidate) => candidate.time > time)?.moment;
    return { victim, moment: last?.moment ?? 0, delayMs: time - (last?.time ?? start), before };
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
