import { ON_DEMAND, SPOT, type Workload } from '../workload.ts';
import type { Blobs } from '../world/blobs.ts';
import type { RunningProgram } from '../world/executor.ts';
import { Network } from '../world/network.ts';
import type { Plan } from '../world/plan.ts';
import { Machine, Process } from '../world/process.ts';
import type { SharedDatabase } from '../world/store.ts';
import type { World } from '../world/world.ts';
import { startControlPlane } from './control-plane.ts';
import { startUsers, type Users } from './users.ts';
import { startWorker } from './worker.ts';

/** What stands on a machine: the process of the moment, and how to start the next. */
interface Place {
  readonly machine: Machine;
  readonly isWorker: boolean;
  readonly labels: Readonly<Record<string, string>>;
  process: Process | undefined;
  /** Asks the process to end, where it is one that can be asked. */
  stop: () => void;
}

const HOUR_MS = 3_600_000;
const SKEW_MS = 50;
/** As `src/apps/process.ts` has it: a process that does not end by itself is ended. */
const STOP_WITHIN_MS = 8_000;

/** Everybody in a world, and who brings trouble to them. */
export class Cast {
  readonly #world: World;
  readonly #network: Network;
  readonly #shared: SharedDatabase;
  readonly #blobs: Blobs;
  readonly #places: Place[] = [];
  readonly #running = new Set<RunningProgram>();
  #user: Process | undefined;

  constructor(world: World, { shared, blobs }: { readonly shared: SharedDatabase; readonly blobs: Blobs }) {
    this.#world = world;
    this.#network = new Network(world);
    this.#shared = shared;
    this.#blobs = blobs;
  }

  start(workload: Workload): Users {
    const { random } = this.#world;
    const controlPlanes = 1 + random.int(3);
    const workers = 1 + random.int(4);
    for (let i = 1; i <= controlPlanes; i++) this.#place(`control-plane-${i}`, false);
    for (let i = 1; i <= workers; i++) this.#place(`worker-${i}`, true, [{}, SPOT, ON_DEMAND][random.int(3)]);
    this.#trouble();
    this.#user = new Process('user', new Machine('user'), this.#world);
    return startUsers(this.#user, this.#network, workload);
  }

  /**
   * Ends what lasts of the trouble. Dead processes are started again by themselves. A worker that is stuck stays so,
   * and another one comes: the work has to get to it.
   */
  heal(): void {
    for (const { machine, process } of this.#places) {
      if (process) process.cutOff = false;
      machine.offsetMs = this.#world.between(-SKEW_MS, SKEW_MS);
    }
    this.#place('worker-late', true, { ...SPOT, ...ON_DEMAND });
  }

  /** Whether no process of a step runs for a worker that lives, but for those that nothing can end. */
  isIdle(): boolean {
    return ![...this.#running].some(({ worker, isStuck }) => worker.alive && !isStuck);
  }

  /** The attempts whose processes run for a worker that lives. */
  runningAttempts(): string[] {
    return [...this.#running].filter(({ worker }) => worker.alive).map(({ attempt }) => attempt);
  }

  /** Ends the world. */
  close(): void {
    for (const { process } of this.#places) process?.kill('the world ends');
    this.#user?.kill('the world ends');
  }

  #place(name: string, isWorker: boolean, labels: Place['labels'] = {}): void {
    const place: Place = { machine: new Machine(name), isWorker, labels, process: undefined, stop: () => {} };
    this.#places.push(place);
    this.#boot(place);
  }

  #boot(place: Place): void {
    const process = new Process(place.machine.name, place.machine, this.#world);
    place.process = process;
    this.#world.tell(() => `${process.name} starts`);
    process.onDeath(() => {
      place.process = undefined;
      this.#world.at(this.#world.between(50, 3_000), () => this.#boot(place));
    });
    if (place.isWorker) this.#bootWorker(place, process);
    else this.#network.servers.set(process.name, this.#controlPlane(process));
  }

  #controlPlane(process: Process) {
    return startControlPlane(process, { shared: this.#shared, blobs: this.#blobs });
  }

  #bootWorker(place: Place, process: Process): void {
    const { stop, ended } = startWorker(process, {
      network: this.#network,
      blobs: this.#blobs,
      running: this.#running,
      slots: 1 + this.#world.random.int(3),
      labels: place.labels,
    });
    place.stop = stop;
    // A worker that ends, by itself or because it was asked to, is started again.
    const over = (): void => process.kill('it has ended');
    ended.then(over, over);
  }

  /** Brings faults of the kinds that come by time, as long as the plan has them. */
  #trouble(): void {
    this.#every('controlPlaneLivesMs', () => this.#kill(false));
    this.#every('workerLivesMs', () => this.#kill(true));
    this.#every('workerServesMs', () => this.#ask());
    this.#every('partitionEveryMs', () => this.#cutOff());
    this.#every('clockJumpsEveryMs', () => this.#setClock());
  }

  #every(name: keyof Plan, act: () => void): void {
    const meanMs = this.#world.plan[name];
    if (meanMs === 0) return;
    // Exponential gaps: a fault does not wait for the one before.
    this.#world.at(-Math.log(1 - this.#world.random.next()) * meanMs, () => {
      if (this.#world.plan[name] === 0) return;
      act();
      this.#every(name, act);
    });
  }

  #pick(isWorker: boolean): Place | undefined {
    const places = this.#places.filter((place) => place.isWorker === isWorker && place.process?.alive);
    return places[this.#world.random.int(places.length)];
  }

  #kill(isWorker: boolean): void {
    const process = this.#pick(isWorker)?.process;
    if (!process) return;
    this.#world.fault(isWorker ? 'worker killed' : 'control plane killed', process.name);
    process.kill('kill -9');
  }

  #ask(): void {
    const place = this.#pick(true);
    const process = place?.process;
    if (!process) return;
    this.#world.fault('worker asked to end', process.name);
    place.stop();
    this.#world.at(STOP_WITHIN_MS, () => process.kill('it did not end when it was asked to'));
  }

  #cutOff(): void {
    const process = this.#pick(true)?.process;
    if (!process) return;
    this.#world.fault('lease lost in a partition', process.name);
    process.cutOff = true;
    this.#world.at(this.#world.between(5_000, 12_000), () => {
      process.cutOff = false;
    });
  }

  #setClock(): void {
    const { random } = this.#world;
    const place = this.#places[random.int(this.#places.length)];
    if (!place) return;
    const jumpMs = [-HOUR_MS, HOUR_MS, -5_000, 5_000, 86_400_000][random.int(5)] ?? 0;
    place.machine.offsetMs += jumpMs;
    this.#world.fault('clock set', `${place.machine.name} by ${jumpMs} ms`);
  }
}
