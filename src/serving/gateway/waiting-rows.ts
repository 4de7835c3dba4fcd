/**
 * What waits for one model that runs in a thread, in the runs that its rows came in. A thread cannot give back what it
 * was sent, so it is sent one run at a time, and what nobody waits for any more is taken out here.
 */
export class WaitingRows<Row extends object> {
  /** Each row with the number of its run, in the order of the runs. */
  readonly #runs = new Map<Row, number>();
  #count = 0;

  add(rows: readonly Row[]): void {
    this.#count += 1;
    for (const row of rows) this.#runs.set(row, this.#count);
  }

  /** False when it does not wait. */
  remove(row: Row): boolean {
    return this.#runs.delete(row);
  }

  /** The row that has waited longest. */
  get oldest(): Row | undefined {
    for (const row of this.#runs.keys()) return row;
    return undefined;
  }

  /** Takes the rows that are left of the oldest run; none when nothing waits. */
  takeRun(): Row[] {
    const taken: Row[] = [];
    const [oldest] = this.#runs.values();
    for (const [row, run] of this.#runs) {
      if (run !== oldest) break;
      taken.push(row);
    }
    for (const row of taken) this.#runs.delete(row);
    return taken;
  }
}
