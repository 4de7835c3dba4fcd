import { PACKED_LENGTH } from '#ports/event-log';
import type { EntryMemory } from './entry-memory.ts';
import { type NumberBudget, packedBytesMax, packRow, unpackRow } from './packed-numbers.ts';
import type { PredictionRecord } from './prediction-record.ts';

/*
 * Most predictions differ from the one before in their numbers and their id alone. Such of one arm are a group: one
 * entry of the log, which has once what they share. In words of 32 bits, little-endian: the kind of entry and how many
 * they are; how many words the names take; the names, a list as JSON without its end; when the first was made (64-bit
 * float). Then of each the milliseconds since the first (upper 11 bits) with its latency in microseconds, its score
 * (float32), its id behind its length (a byte), and what tells its row with the row (`packed-numbers.ts`).
 */
const GROUP = 0x2000_0000;
const COUNT = 0x1fff_ffff;

const WORD_BYTES = 4;
const LATENCY_BITS = 21;
/** Two seconds, as many microseconds and milliseconds as there are bits for. */
const LATENCY_US_MAX = 2 ** LATENCY_BITS - 1;
const LATER_MS_MAX = 2 ** (32 - LATENCY_BITS) - 1;

/** What goes to the control plane at once are whole groups: small ones leave no large part of a batch empty. */
const GROUP_PREDICTIONS_MAX = 256;
const GROUP_WORDS_MAX = 16 * 1024;

const ID_BYTES_MAX = 255;
const [SPACE, TILDE] = [0x20, 0x7e] as const;

const one = new Float64Array(1);
const halves = new Int32Array(one.buffer);

/** What is kept of a prediction of a group by itself. */
export interface Member {
  readonly id: string;
  readonly at: number;
  readonly score: number;
  readonly row: { readonly numeric: readonly (number | null)[] };
}

/** The most that a prediction adds, also where it begins a group. */
export function memberBytesMax(names: Int32Array, { row }: Member): number {
  const shared = PACKED_LENGTH + WORD_BYTES * (4 + names.length);
  return shared + WORD_BYTES * 4 + ID_BYTES_MAX + packedBytesMax(row.numeric.length);
}

/** The group that predictions are added to as they come. */
export class OpenGroup {
  readonly #memory: EntryMemory;
  /** The word of its length. */
  #from = 0;
  #names: Int32Array | undefined;
  #firstAt = 0;
  #count = 0;

  constructor(memory: EntryMemory) {
    this.#memory = memory;
  }

  /** How many predictions it has. */
  get count(): number {
    return this.#count;
  }

  /** The next prediction begins another one. */
  close(): void {
    this.#count = 0;
  }

  /**
   * Adds a prediction at `at`, where the group ends, or begins another group with it. Tells where the next entry is to
   * begin; -1 of one whose score, latency or id is none of a group, and then nothing was added.
   */
  add(at: number, names: Int32Array, member: Member, latencyUs: number): number {
    const { ints, floats, bytes } = this.#memory;
    const { id, at: madeAt, score, row } = member;
    if (Math.fround(score) !== score || (latencyUs & LATENCY_US_MAX) !== latencyUs) return -1;
    const next = at / WORD_BYTES;
    const joins = this.#takes(names, madeAt, next);
    const from = joins ? this.#from : next;
    const word = joins ? next : packShared({ ints, from }, names, madeAt);
    const toldAt = packId(bytes, WORD_BYTES * (word + 2), id);
    if (toldAt < 0) return -1;
    ints[word] = ((joins ? madeAt - this.#firstAt : 0) << LATENCY_BITS) | latencyUs;
    floats[word + 1] = score;
    const end = packRow(this.#memory, toldAt, toldAt + 1, row.numeric);
    if (!joins) {
      this.#from = from;
      this.#names = names;
      this.#firstAt = madeAt;
      this.#count = 0;
    }
    this.#count += 1;
    ints[from] = WORD_BYTES * (end - from) - PACKED_LENGTH;
    ints[from + 1] = GROUP | this.#count;
    return WORD_BYTES * end;
  }

  #takes(names: Int32Array, madeAt: number, next: number): boolean {
    if (this.#count === 0 || this.#count === GROUP_PREDICTIONS_MAX || names !== this.#names) return false;
    const laterMs = madeAt - this.#firstAt;
    const isKept = (laterMs & LATER_MS_MAX) === laterMs && this.#firstAt + laterMs === madeAt;
    return isKept && next - this.#from < GROUP_WORDS_MAX;
  }
}

/** Writes what all of a group share, and tells the word behind it. */
function packShared(
  { ints, from }: { readonly ints: Int32Array; readonly from: number },
  names: Int32Array,
  firstAt: number,
): number {
  ints[from + 2] = names.length;
  let word = from + 3;
  // Some ten words: a loop over them is faster than a call of what copies bytes.
  for (let i = 0; i < names.length; i++) ints[word++] = names[i] as number;
  one[0] = firstAt;
  ints[word++] = halves[0] as number;
  ints[word++] = halves[1] as number;
  return word;
}

/** Writes an id from a byte on and tells the word behind it; -1 of one that is long or not printable ASCII. */
function packId(bytes: Buffer, from: number, id: string): number {
  const { length } = id;
  if (length > ID_BYTES_MAX) return -1;
  let end = from;
  bytes[end++] = length;
  for (let i = 0; i < length; i++) {
    const code = id.charCodeAt(i);
    if (code < SPACE || code > TILDE) return -1;
    bytes[end++] = code;
  }
  while (end % WORD_BYTES !== 0) bytes[end++] = SPACE;
  return end / WORD_BYTES;
}

/** How many predictions a word says that its group has, where it is the first of one. */
export function groupCount(told: number): number | undefined {
  return told >>> 29 === GROUP >>> 29 ? told & COUNT : undefined;
}

/** The predictions of a group. Throws a `RangeError` where they are not all there, and for other bytes any error. */
export function unpackGroup(bytes: Buffer, budget?: NumberBudget): PredictionRecord[] {
  const count = bytes.readUInt32LE(0) & COUNT;
  const firstAtAt = WORD_BYTES * (2 + bytes.readUInt32LE(WORD_BYTES));
  const firstAt = bytes.readDoubleLE(firstAtAt);
  const names = bytes.toString('utf8', 2 * WORD_BYTES, firstAtAt);
  const [endpoint, revision, arm] = JSON.parse(`${names.slice(0, names.lastIndexOf(','))}]`) as [
    string,
    string,
    string,
  ];
  const predictions: PredictionRecord[] = [];
  let at = firstAtAt + 2 * WORD_BYTES;
  for (let i = 0; i < count; i++) {
    const when = bytes.readUInt32LE(at);
    const score = bytes.readFloatLE(at + WORD_BYTES);
    const idAt = at + 2 * WORD_BYTES + 1;
    const idEnd = idAt + bytes.readUInt8(idAt - 1);
    const toldAt = WORD_BYTES * Math.ceil(idEnd / WORD_BYTES);
    const row = unpackRow(bytes, toldAt + WORD_BYTES, bytes.readUInt32LE(toldAt), budget);
    const madeAt = firstAt + (when >>> LATENCY_BITS);
    predictions.push({
      ...{ id: bytes.toString('latin1', idAt, idEnd), endpoint, at: madeAt, receivedAt: madeAt, revision, arm, score },
      ...{ propensity: 1, numeric: row.values, categories: [], latencyUs: when & LATENCY_US_MAX },
    });
    at = row.end;
  }
  if (at !== bytes.length) throw new RangeError('a group ends before its entry');
  return predictions;
}
