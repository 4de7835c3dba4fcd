/** Longer columns are not kept, so that one huge entity does not hold its memory for ever. */
const ROWS_KEPT_MAX = 65_536;
const ROWS_MIN = 1_024;

/**
 * Columns for work that is over before the next begins. A batch of reports touches thousands of entities with a few
 * rows each, and memory of its own for every column of each would keep the garbage collector busier than the append.
 */
export class Workspace {
  #kept: Float64Array[] = [];
  #taken = 0;

  /** From here on columns that were handed out may be handed out again. */
  reset(): void {
    this.#taken = 0;
  }

  /** A column of `rows` values; what is in it is left from earlier work. */
  column(rows: number): Float64Array<ArrayBufferLike> {
    if (rows > ROWS_KEPT_MAX) return new Float64Array(rows);
    const place = this.#taken++;
    let kept = this.#kept[place];
    if (!kept || kept.length < rows) {
      kept = new Float64Array(Math.max(ROWS_MIN, 2 ** Math.ceil(Math.log2(rows))));
      this.#kept[place] = kept;
    }
    return kept.subarray(0, rows);
  }
}
