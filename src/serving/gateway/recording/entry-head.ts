import {
  FLOAT32,
  FLOAT64,
  MISSING,
  packedBytesMax,
  packNumbers,
  THOUSANDTHS,
  unpackNumbers,
  type Words,
} from './packed-numbers.ts';
import type { PredictionRecord } from './prediction-record.ts';

/*
 * The numbers that each prediction has, packed: `at`, `receivedAt` where it differs from it, `score`, `propensity`,
 * `latencyUs`.
 */
export type EntryHead = Pick<PredictionRecord, 'at' | 'receivedAt' | 'score' | 'propensity' | 'latencyUs'>;

const COUNT = 5;
export const HEAD_BYTES_MAX = packedBytesMax(COUNT);

/** The kinds of the numbers of most heads. */
const USUAL = FLOAT64 | (MISSING << 2) | (FLOAT32 << 4) | (THOUSANDTHS << 6) | (THOUSANDTHS << 8);
/** Two seconds: as many microseconds as have thousandths in 32 bits. */
const LATENCY_US_MAX = 2_000_000;

const numbers = [0, 0, 0, 0, 0];
const one = new Float64Array(1);
const halves = new Int32Array(one.buffer);

/** Writes a head from a word on; tells the word behind it. */
export function packHead(words: Words, from: number, head: EntryHead): number {
  if (isUsual(head)) return packUsual(words, from, head);
  const { at, receivedAt, score, propensity, latencyUs } = head;
  numbers[0] = at;
  numbers[1] = receivedAt === at ? Number.NaN : receivedAt;
  numbers[2] = score;
  numbers[3] = propensity;
  numbers[4] = latencyUs;
  return packNumbers(words, from, numbers);
}

/** Of a request that told no time, answered with a float32 by an endpoint without a rollout. */
function isUsual({ at, receivedAt, score, propensity, latencyUs }: EntryHead): boolean {
  const isPlain = receivedAt === at && propensity === 1 && Math.fround(score) === score;
  return isPlain && Number.isInteger(latencyUs) && latencyUs > 0 && latencyUs < LATENCY_US_MAX;
}

function packUsual({ ints, floats }: Words, from: number, { at, score, latencyUs }: EntryHead): number {
  one[0] = at;
  ints[from] = USUAL;
  ints[from + 1] = halves[0] as number;
  ints[from + 2] = halves[1] as number;
  floats[from + 3] = score;
  ints[from + 4] = 1_000;
  ints[from + 5] = 1_000 * latencyUs;
  return from + 6;
}

/** Reads a head from a byte on, and tells the byte behind it. Throws a `RangeError` where it is not all there. */
export function unpackHead(bytes: Buffer, from: number): { readonly head: EntryHead; readonly end: number } {
  const { values, end } = unpackNumbers(bytes, from, COUNT);
  // A score that was no number is read as null, as JSON has it.
  const [at, receivedAt, score, propensity, latencyUs] = values as readonly number[];
  return { head: { at, receivedAt: receivedAt ?? at, score, propensity, latencyUs } as EntryHead, end };
}
