/*
 * Numbers as the log of predictions has them: for sixteen at a time a word that tells the kind of each (two bits, the
 * first in the lowest), then what is kept of each: nothing of a missing one, a word of one that is thousandths or a
 * float32, two words of any other. Most that a model is given are counts, prices and readings of few decimals, and
 * what is recorded of a prediction is mostly its numbers. All are read as they were written, to the last bit.
 * Words are 32 bits, little-endian.
 *
 * A row is told by a word: its form and how many numbers it has. In a MIXED one they are kept as above. Where all are
 * thousandths, a SMALL one has 16 bits for each, the first of two in the lower half of their word, and a WHOLE one 32.
 */
export const [MISSING, THOUSANDTHS, FLOAT32, FLOAT64] = [0, 1, 2, 3] as const;
const [MIXED, SMALL, WHOLE] = [0, 0x0800_0000, 0x1000_0000] as const;
const FORM = 0x1800_0000;
const COUNT = 0x07ff_ffff;
/** The bits of the word that tells a row which are 0, and may tell something else besides. */
export const ROW_SPARE = 0xe000_0000;
const WORD_BYTES = 4;
const KINDS_A_WORD = 16;
const INT32_MAX = 2 ** 31 - 1;
/** What is added to a number and taken away again rounds it to a whole one, as beside this no fraction is kept. */
const ROUNDING = 1.5 * 2 ** 52;

/** Memory that numbers are written to, in the machine's order, which the gateway asks to be little-endian. */
export interface Words {
  readonly ints: Int32Array;
  readonly floats: Float32Array;
}

const one = new Float64Array(1);
const halves = new Int32Array(one.buffer);

/** The most that numbers take. */
export function packedBytesMax(count: number): number {
  return WORD_BYTES * (Math.ceil(count / KINDS_A_WORD) + 2 * count);
}

/** Writes what tells a row to the word `toldAt`, and its numbers from another on; tells the word behind them. */
export function packRow(words: Words, toldAt: number, from: number, values: readonly (number | null)[]): number {
  const { ints } = words;
  let form: number = SMALL;
  let end = packSmall(ints, from, values);
  if (end < 0) {
    form = WHOLE;
    end = packWhole(ints, from, values);
  }
  if (end < 0) {
    form = MIXED;
    end = packNumbers(words, from, values);
  }
  ints[toldAt] = form | values.length;
  return end;
}

/** The word behind the numbers of a SMALL row; -1, early as a rule, where they are no such. */
function packSmall(ints: Int32Array, from: number, values: readonly (number | null)[]): number {
  const count = values.length;
  let end = from;
  for (let i = 0; i < count; i += 2) {
    const low = values[i] as number;
    const high = i + 1 < count ? (values[i + 1] as number) : 0;
    const lower = wholeThousandths(low);
    const upper = wholeThousandths(high);
    if (!isRead(low, lower) || !isRead(high, upper)) return -1;
    if ((lower << 16) >> 16 !== lower || (upper << 16) >> 16 !== upper) return -1;
    ints[end++] = (lower & 0xffff) | (upper << 16);
  }
  return end;
}

function packWhole(ints: Int32Array, from: number, values: readonly (number | null)[]): number {
  const count = values.length;
  let end = from;
  for (let i = 0; i < count; i++) {
    const value = values[i] as number;
    const whole = wholeThousandths(value);
    if (!isRead(value, whole)) return -1;
    ints[end++] = whole;
  }
  return end;
}

/** The thousandths of a number as 32 bits: some others where they do not fit. */
function wholeThousandths(value: number): number {
  return (value * 1_000 + ROUNDING - ROUNDING) | 0;
}

/** Whether a number, which is null or NaN where it is missing, is what is read from thousandths. */
function isRead(value: number | null, whole: number): boolean {
  return whole / 1_000 === value && (whole !== 0 || 1 / value > 0);
}

/** Writes numbers, null or NaN for a missing one, from a word on; tells the word behind them. */
export function packNumbers({ ints, floats }: Words, from: number, values: readonly (number | null)[]): number {
  const count = values.length;
  let kindsAt = from;
  let end = from + Math.ceil(count / KINDS_A_WORD);
  for (let i = 0; i < count; ) {
    const stop = Math.min(count, i + KINDS_A_WORD);
    let kinds = 0;
    for (let shift = 0; i < stop; i++, shift += 2) {
      const value = values[i] ?? Number.NaN;
      const thousandths = value * 1_000 + ROUNDING - ROUNDING;
      if (isKept(value, thousandths)) {
        kinds |= THOUSANDTHS << shift;
        ints[end++] = thousandths;
      } else if (Math.fround(value) === value) {
        kinds |= FLOAT32 << shift;
        floats[end++] = value;
      } else if (!Number.isNaN(value)) {
        kinds |= FLOAT64 << shift;
        one[0] = value;
        ints[end++] = halves[0] as number;
        ints[end++] = halves[1] as number;
      }
    }
    ints[kindsAt++] = kinds;
  }
  return end;
}

/** Whether a number is what is read from its thousandths. The zero that is below zero is not. */
function isKept(value: number, thousandths: number): boolean {
  if (thousandths / 1_000 !== value || thousandths > INT32_MAX || thousandths < -INT32_MAX) return false;
  return value !== 0 || 1 / value > 0;
}

export interface Unpacked {
  readonly values: readonly (number | null)[];
  /** The byte behind them. */
  readonly end: number;
}

/** How many more numbers may be read: two bits can tell a missing one, and make a gigabyte of a body of some MiB. */
export interface NumberBudget {
  left: number;
}

/** Reads the row that a word tells from a byte on. Throws a `RangeError` where it is not all there, or too much. */
export function unpackRow(bytes: Buffer, from: number, told: number, budget?: NumberBudget): Unpacked {
  const form = told & FORM;
  const count = told & COUNT;
  if (budget) {
    budget.left -= count;
    if (budget.left < 0) throw new RangeError('its rows have more numbers than are read at a time');
  }
  if (form === MIXED) return unpackNumbers(bytes, from, count);
  const end = from + WORD_BYTES * (form === SMALL ? Math.ceil(count / 2) : count);
  if (end > bytes.length) throw new RangeError(`${count} numbers do not fit into what is left`);
  const values: number[] = [];
  // Byte by byte: with a call for each of its numbers, a batch takes twice as long to read.
  if (form === SMALL) for (let i = 0, at = from; i < count; i++, at += 2) values.push(smallAt(bytes, at) / 1_000);
  else for (let i = 0, at = from; i < count; i++, at += WORD_BYTES) values.push(wholeAt(bytes, at) / 1_000);
  return { values, end };
}

function smallAt(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) | ((bytes[at + 1] as number) << 8)) << 16) >> 16;
}

function wholeAt(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  return low | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
}

/** Reads `count` numbers from a byte on. Throws a `RangeError` where they are not all there. */
export function unpackNumbers(bytes: Buffer, from: number, count: number): Unpacked {
  const kindWords = Math.ceil(count / KINDS_A_WORD);
  let end = from + WORD_BYTES * kindWords;
  if (end > bytes.length) throw new RangeError(`${count} numbers do not fit into what is left`);
  const values: (number | null)[] = [];
  for (let i = 0; i < count; i++) {
    const kinds = bytes.readUInt32LE(from + WORD_BYTES * Math.floor(i / KINDS_A_WORD));
    const kind = (kinds >>> (2 * (i % KINDS_A_WORD))) & 3;
    if (kind === MISSING) values.push(null);
    else if (kind === THOUSANDTHS) values.push(bytes.readInt32LE(end) / 1_000);
    else if (kind === FLOAT32) values.push(bytes.readFloatLE(end));
    else values.push(bytes.readDoubleLE(end));
    end += kind === MISSING ? 0 : kind === FLOAT64 ? 2 * WORD_BYTES : WORD_BYTES;
  }
  return { values, end };
}
