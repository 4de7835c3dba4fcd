import { PACKED_LENGTH, PACKED_ROOM, type PackedRecords } from '#ports/event-log';
import { groupCount, type Member, memberBytesMax, OpenGroup, unpackGroup } from './entry-group.ts';
import { HEAD_BYTES_MAX, packHead, unpackHead } from './entry-head.ts';
import { EntryMemory } from './entry-memory.ts';
import { decodeFormer } from './former-entry.ts';
import { type NumberBudget, packedBytesMax, packRow, ROW_SPARE, unpackRow } from './packed-numbers.ts';
import type { LogEntry, PredictionRecord } from './prediction-record.ts';

/*
 * What is recorded as records of the log. Predictions that have nothing of their own are groups (`entry-group.ts`).
 * Any other is by itself, in words of 32 bits, little-endian: the kind of entry with what tells its row
 * (`packed-numbers.ts`), the numbers of its head (`entry-head.ts`), those of the row, what tells a second row and its
 * numbers, and then a list as JSON: endpoint, revision, arm, id, and what else there is. An entry that is no prediction
 * is a word of its kind and JSON. Nothing has a name that need not: all of it is made by the thread that answers, and
 * half as much takes half as long.
 */
const PREDICTION = 0x4000_0000;
const TWO_ROWS = 0x6000_0000;
const KIND = ROW_SPARE;

/** Some thousand entries of small models: as many as one turn has at most. */
const BYTES = 512 * 1024;

const WORD_BYTES = 4;
/** Where the first entry begins, its length included. What the log may write to lies before it. */
const FIRST = PACKED_ROOM;
const [SPACE, QUOTE, BACKSLASH, CLOSE_LIST, TILDE] = [0x20, 0x22, 0x5c, 0x5d, 0x7e] as const;
/** What JSON makes of one unit of a text at most: `\\u0000`. */
const LETTER_BYTES_MAX = 6;

/** Encodes the entries of one append after another into memory that is used again for the next. */
export class EntryEncoder {
  readonly #memory = new EntryMemory(BYTES);
  readonly #group = new OpenGroup(this.#memory);
  #end = FIRST;
  #records = 0;
  #entries = 0;

  /** How many entries were added. */
  get entries(): number {
    return this.#entries;
  }

  /** How many records of the log they are. */
  get records(): number {
    return this.#records;
  }

  /** How much they take so far. */
  get bytes(): number {
    return this.#end - FIRST;
  }

  /**
   * Adds a prediction that has nothing of its own but what a {@link Member} has, was received when it was made, and
   * whose arm was not drawn. `false` of one that can only be added as an entry.
   */
  addPlain(names: ArmNames, member: Member, latencyUs: number): boolean {
    const { words } = names;
    this.#memory.makeRoom(this.#end + memberBytesMax(words, member), this.#end);
    const end = this.#group.add(this.#end, words, member, latencyUs);
    if (end < 0) return false;
    this.#end = end;
    this.#entries += 1;
    if (this.#group.count === 1) this.#records += 1;
    return true;
  }

  add(entry: LogEntry): void {
    this.#group.close();
    const parts = partsOf(entry);
    this.#memory.makeRoom(this.#end + bytesMaxOf(entry, parts), this.#end);
    this.#end = write(entry, parts, this.#memory, this.#end);
    this.#records += 1;
    this.#entries += 1;
  }

  /** All since {@link clear}, for one append. The bytes are sound until the next entry. */
  get packed(): PackedRecords {
    return { bytes: this.#memory.bytes.subarray(FIRST - PACKED_ROOM, this.#end), count: this.#records };
  }

  clear(): void {
    this.#memory.shrink();
    this.#group.close();
    this.#end = FIRST;
    this.#records = 0;
    this.#entries = 0;
  }
}

/** One entry as a record. */
export function encodeEntry(entry: LogEntry): Buffer {
  const encoder = new EntryEncoder();
  encoder.add(entry);
  return encoder.packed.bytes.subarray(PACKED_ROOM + PACKED_LENGTH);
}

/** Writes an entry behind its length, and tells where the next one begins. */
function write(entry: LogEntry, { names, id, more }: Parts, memory: EntryMemory, at: number): number {
  const { bytes, ints } = memory;
  let word = at / WORD_BYTES + 1;
  const kindAt = word++;
  if ('prediction' in entry) {
    const { prediction, beside } = entry;
    const { numeric } = prediction;
    word = packHead(memory, word, prediction);
    word = packRow(memory, kindAt, word, numeric);
    ints[kindAt] = (ints[kindAt] as number) | (beside ? TWO_ROWS : PREDICTION);
    if (beside) word = packRow(memory, word, word + 1, beside.numeric);
  } else {
    ints[kindAt] = 0;
  }
  let end = word * WORD_BYTES;
  if (names) {
    // Some ten words: a loop over them is faster than a call of what copies bytes.
    for (let i = 0; i < names.length; i++) ints[word++] = names[i] as number;
    end = writeQuoted(bytes, word * WORD_BYTES, id);
  }
  if (more === ']') bytes[end++] = CLOSE_LIST;
  else end += bytes.write(more, end);
  // Spaces behind the JSON, so that the next entry begins where its words come to lie right.
  while (end % WORD_BYTES !== 0) bytes[end++] = SPACE;
  ints[at / WORD_BYTES] = end - at - PACKED_LENGTH;
  return end;
}

function bytesMaxOf(entry: LogEntry, { names, id, more }: Parts): number {
  const text = WORD_BYTES * (names?.length ?? 0) + LETTER_BYTES_MAX * (id.length + 2 + more.length) + WORD_BYTES;
  if (!('prediction' in entry)) return PACKED_LENGTH + WORD_BYTES + text;
  const { prediction, beside } = entry;
  const second = beside ? WORD_BYTES + packedBytesMax(beside.numeric.length) : 0;
  const numbers = HEAD_BYTES_MAX + packedBytesMax(prediction.numeric.length) + second;
  return PACKED_LENGTH + WORD_BYTES + numbers + text;
}

/** The JSON of a prediction: words of bytes that many share, its id, and what else there is. */
interface Parts {
  readonly names: Int32Array | undefined;
  readonly id: string;
  readonly more: string;
}

/** Put together here because a generic writer takes three times as long for the same. */
function partsOf(entry: LogEntry): Parts {
  if (!('prediction' in entry)) return { names: undefined, id: '', more: JSON.stringify(entry) };
  const { prediction, awaits, beside } = entry;
  const own = ownOf(prediction);
  const others = awaits === undefined && !beside ? '' : JSON.stringify({ awaits, categories: beside?.categories });
  const more = others === '' ? own : `${own || ',{}'},${others}`;
  const { endpoint, revision, arm, id } = prediction;
  return { names: armNames(endpoint, revision, arm).words, id, more: `${more}]` };
}

/** What a record has beside the texts and numbers that each has; nothing for most. */
function ownOf(prediction: PredictionRecord): string {
  const { categories, chosenBy, shadow, fallback, cached, entities, nodes, rollout, tensors } = prediction;
  const fields =
    field('categories', categories.length > 0 ? categories : undefined) +
    (field('chosenBy', chosenBy) + field('shadow', shadow) + field('fallback', fallback) + field('cached', cached)) +
    (field('entities', entities) + field('nodes', nodes) + field('rollout', rollout) + field('tensors', tensors));
  return fields === '' ? '' : `,{${fields.slice(1)}}`;
}

function field(name: string, value: unknown): string {
  return value === undefined ? '' : `,"${name}":${JSON.stringify(value)}`;
}

/** The names that come again with every prediction that an arm answers. */
export interface ArmNames {
  readonly endpoint: string;
  readonly revision: string;
  readonly arm: string;
  readonly words: Int32Array;
}

let last: ArmNames | undefined;

export function armNames(endpoint: string, revision: string, arm: string): ArmNames {
  if (last?.endpoint !== endpoint || last.revision !== revision || last.arm !== arm) {
    last = { endpoint, revision, arm, words: wordsOf(`${JSON.stringify([endpoint, revision, arm]).slice(0, -1)},`) };
  }
  return last;
}

/** A text in whole words, with spaces behind it. */
function wordsOf(text: string): Int32Array {
  const bytes = Buffer.from(text);
  const words = new Int32Array(Math.ceil(bytes.length / WORD_BYTES));
  new Uint8Array(words.buffer).fill(SPACE).set(bytes);
  return words;
}

/** Writes a text as JSON and tells where it ends: letter by letter as long as it needs no more than its quotes. */
function writeQuoted(bytes: Buffer, at: number, text: string): number {
  let end = at;
  bytes[end++] = QUOTE;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < SPACE || code > TILDE || code === QUOTE || code === BACKSLASH) {
      return at + bytes.write(JSON.stringify(text), at);
    }
    bytes[end++] = code;
  }
  bytes[end++] = QUOTE;
  return end;
}

/** The entries of a record. None of bytes that are no such: a log written by something else, which is passed over. */
export function decodeEntries(data: Uint8Array): readonly LogEntry[] {
  try {
    return readEntries(data);
  } catch {
    return [];
  }
}

/** As {@link decodeEntries}, but throws, mostly a `RangeError`, for what cannot be read. */
export function readEntries(data: Uint8Array, budget?: NumberBudget): readonly LogEntry[] {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const told = bytes.readUInt32LE(0);
  if (groupCount(told) !== undefined) return unpackGroup(bytes, budget).map((prediction) => ({ prediction }));
  const kind = (told & KIND) >>> 0;
  const isPrediction = kind === PREDICTION || kind === TWO_ROWS;
  const entry = isPrediction ? decodePrediction(bytes, told, budget) : decodeFormer(bytes);
  return entry ? [entry] : [];
}

/** How many entries a record has, by what it says of itself. Of more than one, none awaits a score beside it. */
export function entriesIn(data: Uint8Array): number {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return (bytes.length < WORD_BYTES ? undefined : groupCount(bytes.readUInt32LE(0))) ?? 1;
}

type PredictionEntry = Extract<LogEntry, { readonly prediction: unknown }>;

/** The JSON of a prediction. */
type Written = readonly [
  endpoint: string,
  revision: string,
  arm: string,
  id: string,
  own?: Partial<PredictionRecord>,
  beside?: { readonly awaits?: string; readonly categories?: readonly string[] },
];

function decodePrediction(bytes: Buffer, told: number, budget?: NumberBudget): PredictionEntry {
  const { head, end } = unpackHead(bytes, WORD_BYTES);
  const row = unpackRow(bytes, end, told, budget);
  const isTwo = (told & KIND) >>> 0 === TWO_ROWS;
  const second = isTwo ? unpackRow(bytes, row.end + WORD_BYTES, bytes.readUInt32LE(row.end), budget) : undefined;
  const text = bytes.toString('utf8', second?.end ?? row.end);
  const [endpoint, revision, arm, id, own, { awaits, categories = [] } = {}] = JSON.parse(text) as Written;
  const prediction = {
    ...{ id, endpoint, revision, arm, ...head },
    ...{ numeric: row.values, categories: [], ...own },
  } as PredictionRecord;
  return {
    prediction,
    ...(awaits === undefined ? {} : { awaits }),
    ...(second ? { beside: { numeric: second.values, categories } } : {}),
  };
}
