import { wasmMemory, wasmModule } from '#core/webassembly';
import { errors } from './errors.ts';
import { KERNEL_BASE64 } from './kernel.gen.ts';
import { GBDT_LIMITS } from './limits.ts';

/** Cells of one column's histogram: 255 bins of values and the bin of missing values. */
export const CELLS_PER_COLUMN = 256;
/** Numbers per cell of {@link HistogramKernel.decoded}: gradient sum, hessian sum, rows. */
export const CELL_FIELDS = 3;

const CELL_BYTES = 16;

interface KernelExports {
  quantise(...args: [gradients: number, hessians: number, count: number, ...scales: number[]]): void;
  accumulate(bins: number, columns: number, rows: number, count: number, packed: number, histogram: number): void;
  subtract(parent: number, child: number, count: number): void;
  decode(...args: [histogram: number, count: number, gradientStep: number, ...rest: number[]]): void;
  partition(...args: [bins: number, columns: number, column: number, rows: number, ...rest: number[]]): number;
}

const instantiate = wasmModule<KernelExports>(KERNEL_BASE64);

/**
 * The memory of one training and the WebAssembly loops over it (`kernel.wat`). Rows are addressed through the index
 * list `rows`, of which a leaf owns a contiguous segment; histograms are addressed by slot.
 */
export class HistogramKernel {
  /** Row-major bins, one byte a column. */
  readonly bins: Uint8Array;
  readonly rows: Int32Array;
  readonly gradients: Float64Array;
  readonly hessians: Float64Array;
  /** The histogram last decoded: per column and bin {@link CELL_FIELDS} numbers. */
  readonly decoded: Float64Array;
  readonly columns: number;
  readonly #exports: KernelExports;
  readonly #memory: Uint8Array;
  readonly #at: Layout;
  readonly #rowCount: number;
  readonly #countBits: number;
  #gradientStep = 1;
  #hessianStep = 1;

  /** Throws `gbdt/limit-exceeded` when rows, columns and histogram slots need more memory than allowed. */
  constructor(rowCount: number, columns: number, slots: number) {
    const at = layout(rowCount, columns, slots);
    if (at.end > GBDT_LIMITS.kernelBytesMax) {
      const message =
        `${rowCount} rows x ${columns} columns with ${slots} leaves need ${at.end} bytes of memory, ` +
        `the limit is ${GBDT_LIMITS.kernelBytesMax}`;
      throw errors['limit-exceeded'](`train: ${message}`, [{ path: 'train', message }]);
    }
    const memory = wasmMemory(at.end);
    this.#exports = instantiate(memory);
    this.#memory = new Uint8Array(memory.buffer);
    this.#at = at;
    this.#rowCount = rowCount;
    this.#countBits = Math.ceil(Math.log2(rowCount + 1));
    this.columns = columns;
    this.bins = new Uint8Array(memory.buffer, at.bins, rowCount * columns);
    this.rows = new Int32Array(memory.buffer, at.rows, rowCount);
    this.gradients = new Float64Array(memory.buffer, at.gradients, rowCount);
    this.hessians = new Float64Array(memory.buffer, at.hessians, rowCount);
    this.decoded = new Float64Array(memory.buffer, at.decoded, columns * CELLS_PER_COLUMN * CELL_FIELDS);
  }

  /**
   * Turns `gradients` and `hessians` (each >= 0) into fixed point. The scales are powers of two chosen so that the sum
   * over all rows cannot overflow: at 200,000 rows a gradient keeps more than 40 bits.
   */
  quantise(): void {
    let gradientSum = 0;
    let hessianSum = 0;
    for (let row = 0; row < this.#rowCount; row++) {
      gradientSum += Math.abs(this.gradients[row]!);
      hessianSum += this.hessians[row]!;
    }
    const gradientScale = powerOfTwoBelow(2 ** 61, gradientSum);
    const hessianScale = powerOfTwoBelow(2 ** (61 - this.#countBits), hessianSum);
    this.#gradientStep = 1 / gradientScale;
    this.#hessianStep = 1 / hessianScale;
    const { gradients, hessians, packed } = this.#at;
    const scales = [gradientScale, hessianScale, this.#countBits, packed];
    this.#exports.quantise(gradients, hessians, this.#rowCount, ...scales);
  }

  /** Counts the histogram of the segment `rows[begin, begin + count)` into `slot`. */
  accumulate(slot: number, begin: number, count: number): void {
    const histogram = this.#histogram(slot);
    this.#memory.fill(0, histogram, histogram + this.columns * CELLS_PER_COLUMN * CELL_BYTES);
    const { bins, rows, packed } = this.#at;
    this.#exports.accumulate(bins, this.columns, rows + begin * 4, count, packed, histogram);
  }

  /** Takes the histogram of `child` away from that of its parent; the parent's slot then holds the sibling. */
  subtract(parent: number, child: number): void {
    this.#exports.subtract(this.#histogram(parent), this.#histogram(child), this.columns * CELLS_PER_COLUMN);
  }

  /** Writes the histogram of `slot` to {@link decoded}. */
  decode(slot: number): void {
    const cells = this.columns * CELLS_PER_COLUMN;
    const steps = [this.#hessianStep, this.#countBits, this.#at.decoded];
    this.#exports.decode(this.#histogram(slot), cells, this.#gradientStep, ...steps);
  }

  /**
   * Reorders the segment so that the rows with `bin <= limit` of `column` come first (and those with a missing value
   * when `missingLeft`), each side in its old order. Returns how many there are.
   */
  partition(
    segment: { begin: number; count: number },
    by: { column: number; limit: number; missingLeft: boolean },
  ): number {
    const { bins, rows, scratch } = this.#at;
    const { column, limit, missingLeft } = by;
    const begin = rows + segment.begin * 4;
    return this.#exports.partition(
      bins,
      this.columns,
      column,
      begin,
      segment.count,
      limit,
      missingLeft ? 1 : 0,
      scratch,
    );
  }

  #histogram(slot: number): number {
    return this.#at.histograms + slot * this.columns * CELLS_PER_COLUMN * CELL_BYTES;
  }
}

interface Layout {
  readonly bins: number;
  readonly rows: number;
  readonly scratch: number;
  readonly packed: number;
  readonly gradients: number;
  readonly hessians: number;
  readonly decoded: number;
  readonly histograms: number;
  readonly end: number;
}

function layout(rowCount: number, columns: number, slots: number): Layout {
  let end = 0;
  const take = (bytes: number): number => {
    const start = end;
    end += Math.ceil(bytes / 64) * 64;
    return start;
  };
  const cells = columns * CELLS_PER_COLUMN;
  return {
    packed: take(rowCount * CELL_BYTES),
    gradients: take(rowCount * 8),
    hessians: take(rowCount * 8),
    rows: take(rowCount * 4),
    scratch: take(rowCount * 4),
    decoded: take(cells * CELL_FIELDS * 8),
    histograms: take(slots * cells * CELL_BYTES),
    bins: take(rowCount * columns),
    end,
  };
}

/** The largest power of two s with s * sum <= limit, kept where both s and 1 / s are normal numbers. */
function powerOfTwoBelow(limit: number, sum: number): number {
  const exponent = sum > 0 ? Math.floor(Math.log2(limit / sum)) - 1 : 0;
  return 2 ** Math.max(-1000, Math.min(1000, exponent));
}
