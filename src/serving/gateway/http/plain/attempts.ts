/** For how many bodies nothing is tried, at most, after bodies that were written otherwise. */
const PAUSE_MAX = 1_024;

/** Tries something the less often the more often it came to nothing, and each time once it has come to something. */
export class Attempts {
  #misses = 0;
  #pause = 0;

  /** What `read` finds in a body, or undefined where it finds nothing or is not tried. */
  try<Found>(body: Buffer, read: (body: Buffer) => Found | undefined): Found | undefined {
    if (this.#pause > 0) {
      this.#pause -= 1;
      return undefined;
    }
    const found = read(body);
    this.#misses = found === undefined ? this.#misses + 1 : 0;
    if (found === undefined) this.#pause = Math.min(PAUSE_MAX, 2 ** this.#misses);
    return found;
  }

  get isPaused(): boolean {
    return this.#pause > 0;
  }
}
