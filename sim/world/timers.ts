import type { Random } from '#core/random';

interface Timer {
  readonly at: number;
  /** Orders what is due at one time by chance, so that every order is tried. */
  readonly tie: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** What is to happen, in the order of time: a binary heap. */
export class Timers {
  readonly #heap: Timer[] = [];
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  add(at: number, run: () => void): () => void {
    const timer: Timer = { at, tie: this.#random.next(), run, cancelled: false };
    this.#heap.push(timer);
    this.#rise(this.#heap.length - 1);
    return () => {
      timer.cancelled = true;
    };
  }

  /** Takes the next timer, if one is due until `untilMs`. */
  next(untilMs: number): Pick<Timer, 'at' | 'run'> | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (!first || (!first.cancelled && first.at > untilMs)) return undefined;
      const last = this.#heap.pop();
      if (last && last !== first) {
        this.#heap[0] = last;
        this.#sink(0);
      }
      if (!first.cancelled) return first;
    }
  }

  #rise(index: number): void {
    let at = index;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(this.#heap[at]!, this.#heap[parent]!)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #sink(index: number): void {
    let at = index;
    for (;;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < this.#heap.length && before(this.#heap[child]!, this.#heap[least]!)) least = child;
      }
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #swap(a: number, b: number): void {
    [this.#heap[a], this.#heap[b]] = [this.#heap[b]!, this.#heap[a]!];
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.tie < b.tie);
}
