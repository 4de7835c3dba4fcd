import type { Clock } from '#core/clock';
import { seededRandom } from '#core/random';
import type { System } from '#core/system';
import type { World } from './world.ts';

/** A machine has a clock on the wall, which may be wrong and may be set. */
export class Machine {
  readonly name: string;
  /** By how much its wall clock is ahead of the world. */
  offsetMs = 0;

  constructor(name: string) {
    this.name = name;
  }
}

/** The first instant of every world, in epoch milliseconds. */
const EPOCH_MS = Date.UTC(2030, 0, 1);

const LONG_PAUSE_SHARE = 0.03;

/** Never resolves: what waits in a process that died, waits for ever. */
export const never = (): Promise<never> => new Promise(() => {});

/** Mostly as long as a statement of somebody else takes; now and then as long as a machine stands still. */
function drawPauseMs(world: World): number {
  return world.random.next() < LONG_PAUSE_SHARE ? world.between(100, 2_000) : world.between(0, 30);
}

/** A process that may die at any of its awaits. What it waits for then never comes, and its timers never fire. */
export class Process {
  readonly name: string;
  readonly machine: Machine;
  readonly world: World;
  readonly system: System;
  /** Rejects when the process dies. */
  readonly died: Promise<never>;
  /** No message passes between it and anybody else. */
  cutOff = false;
  readonly #timers = new Set<() => void>();
  readonly #atDeath = new Set<() => void>();
  #alive = true;
  #die: (reason: Error) => void = () => {};

  constructor(name: string, machine: Machine, world: World) {
    this.name = name;
    this.machine = machine;
    this.world = world;
    this.died = new Promise((_, reject) => {
      this.#die = reject;
    });
    this.died.catch(() => {});
    const random = seededRandom(world.random.int(2 ** 32));
    this.system = { clock: this.#clock(), ids: world.ids, random };
  }

  get alive(): boolean {
    return this.#alive;
  }

  onDeath(call: () => void): void {
    this.#atDeath.add(call);
  }

  kill(why: string): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.world.tell(() => `${this.name} dies: ${why}`);
    for (const cancel of this.#timers) cancel();
    this.#die(new Error(`${this.name} died: ${why}`));
    for (const call of this.#atDeath) call();
  }

  /**
   * Every await of a process on something outside it passes here: it may die, or others may come in between. Chance
   * decides, so that every boundary between two statements is a place of a crash in some world.
   */
  async gate(place: () => string): Promise<void> {
    if (!this.#alive) return never();
    const { world } = this;
    const { crashAtAwait, pauseAtAwait } = world.plan;
    if (crashAtAwait + pauseAtAwait === 0) return;
    const draw = world.random.next();
    if (draw < crashAtAwait) {
      const where = place();
      world.fault('crash at an await', `${this.name} at ${where}`);
      // It never goes on from here, and dies when its other tasks have come to an await too.
      world.at(0, () => this.kill(`at ${where}`));
      return never();
    }
    if (draw < crashAtAwait + pauseAtAwait) await this.wait(drawPauseMs(world));
  }

  /** Virtual time that only a living process sees pass. */
  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.system.clock.after(delayMs, resolve);
    });
  }

  #clock(): Clock {
    const { world, machine } = this;
    return {
      now: () => EPOCH_MS + Math.floor(world.nowMs + machine.offsetMs),
      monotonic: () => world.nowMs,
      after: (delayMs, callback) => {
        if (!this.#alive) return () => {};
        const cancel = world.at(delayMs, () => {
          this.#timers.delete(stop);
          callback();
        });
        const stop = (): void => {
          this.#timers.delete(stop);
          cancel();
        };
        this.#timers.add(stop);
        return stop;
      },
    };
  }
}
