/** How many entries of a log wait to be sent: what is recorded is held to a limit of it. */
export class Backlog {
  #waiting = 0;

  get waiting(): number {
    return this.#waiting;
  }

  add(entries: number): void {
    this.#waiting += entries;
  }

  /** They were sent, or will not be. */
  settle(entries: number): void {
    this.#waiting = Math.max(0, this.#waiting - entries);
  }

  /** What waited is no more. */
  clear(): void {
    this.#waiting = 0;
  }
}
