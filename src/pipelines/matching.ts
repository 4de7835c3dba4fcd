/** What a lease request offers, and who holds what at this moment. Everything is derived from live leases. */
export interface Offer {
  readonly slots: number;
  readonly labels: Readonly<Record<string, string>>;
  /** All that the worker has, free or not. A name that is absent is none of it. */
  readonly capacity: Readonly<Record<string, number>>;
  /** What the steps take that it runs. */
  readonly held: Readonly<Record<string, number>>;
  /** Free slots of each pool. A pool that is absent has none. */
  readonly pools: ReadonlyMap<string, number>;
  /** Running steps of each project. */
  readonly running: ReadonlyMap<string, number>;
  /** How many steps of a project may run at a time. A project that is absent has no such limit. */
  readonly quotas: ReadonlyMap<string, number>;
  readonly now: number;
}

/** What the steps of a class have in common: what decides where they may run. */
export interface StepClass {
  readonly labels: Readonly<Record<string, string>>;
  readonly resources: Readonly<Record<string, number>>;
  readonly pool: { readonly name: string; readonly slots: number } | null;
  readonly project: string | null;
}

export interface Candidate {
  readonly run: string;
  readonly step: string;
  readonly key: string | null;
  readonly priority: number;
  readonly readyAt: number;
  /** Orders the steps of a run. */
  readonly position: number;
}

/** The ready steps of a class, in the order in which they are to be taken. */
export interface Queue {
  readonly class: StepClass;
  readonly steps: readonly Candidate[];
}

/** A step that has been ready for so long keeps a worker that is large enough from taking smaller ones. */
const RESERVE_AFTER_MS = 60_000;

/** Whether a worker could ever run steps of a class, with nothing else on it. */
export function couldRun({ labels, capacity }: Pick<Offer, 'labels' | 'capacity'>, wants: StepClass): boolean {
  return (
    Object.entries(wants.labels).every(([name, value]) => labels[name] === value) &&
    Object.entries(wants.resources).every(([name, amount]) => (capacity[name] ?? 0) >= amount)
  );
}

/**
 * Which steps a worker takes. Pure. By priority; among equals, the project with the fewest running steps; then the
 * longest ready, and within a run as declared. First fit: a step that does not fit into what is free is passed over,
 * unless it has been ready for a minute, in which case the worker takes nothing until it fits. A pool serves strictly
 * in this order, so that a step which wants many of its slots is not overtaken for ever.
 */
export function match(queues: readonly Queue[], offer: Offer): Candidate[] {
  const state = new Matching(offer, queues);
  while (state.takeNext()) {
    // One at a time, because each changes who is next.
  }
  return state.taken;
}

interface OpenQueue extends Queue {
  next: number;
}

class Matching {
  readonly taken: Candidate[] = [];
  readonly #offer: Offer;
  readonly #open: OpenQueue[];
  readonly #free: Map<string, number>;
  readonly #pools: Map<string, number>;
  readonly #running: Map<string, number>;
  readonly #keys = new Set<string>();

  constructor(offer: Offer, queues: readonly Queue[]) {
    this.#offer = offer;
    this.#open = queues.filter((queue) => couldRun(offer, queue.class)).map((queue) => ({ ...queue, next: 0 }));
    const left = Object.entries(offer.capacity).map(([name, all]) => [name, all - (offer.held[name] ?? 0)] as const);
    this.#free = new Map(left);
    this.#pools = new Map(offer.pools);
    this.#running = new Map(offer.running);
  }

  /** Takes a step or closes a queue; false when there is nothing left to do. */
  takeNext(): boolean {
    if (this.taken.length >= this.#offer.slots) return false;
    const queue = this.#first();
    const step = queue?.steps[queue.next];
    if (!queue || !step) return false;
    const { pool, resources, project } = queue.class;
    if (this.#load(project) >= (this.#offer.quotas.get(project ?? '') ?? Number.POSITIVE_INFINITY)) {
      this.#close((other) => other.project === project);
      return true;
    }
    if (pool && (this.#pools.get(pool.name) ?? 0) < pool.slots) {
      this.#close((other) => other.pool?.name === pool.name);
      return true;
    }
    if (Object.entries(resources).some(([name, amount]) => (this.#free.get(name) ?? 0) < amount)) {
      this.#close((other) => other === queue.class);
      return this.#offer.now - step.readyAt < RESERVE_AFTER_MS;
    }
    queue.next++;
    if (step.key !== null && this.#keys.has(step.key)) return true;
    if (step.key !== null) this.#keys.add(step.key);
    for (const [name, amount] of Object.entries(resources)) this.#free.set(name, (this.#free.get(name) ?? 0) - amount);
    if (pool) this.#pools.set(pool.name, (this.#pools.get(pool.name) ?? 0) - pool.slots);
    this.#running.set(project ?? '', this.#load(project) + 1);
    this.taken.push(step);
    return true;
  }

  #first(): OpenQueue | undefined {
    const waiting = this.#open.filter((queue) => queue.next < queue.steps.length);
    return waiting.sort((a, b) => {
      const [one, other] = [a.steps[a.next] as Candidate, b.steps[b.next] as Candidate];
      return (
        other.priority - one.priority ||
        this.#load(a.class.project) - this.#load(b.class.project) ||
        one.readyAt - other.readyAt ||
        (one.run === other.run ? one.position - other.position : one.run < other.run ? -1 : 1)
      );
    })[0];
  }

  #load(project: string | null): number {
    return this.#running.get(project ?? '') ?? 0;
  }

  #close(which: (of: StepClass) => boolean): void {
    for (const queue of this.#open) if (which(queue.class)) queue.next = queue.steps.length;
  }
}
