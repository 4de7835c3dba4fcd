import { PACKED_LENGTH, PACKED_ROOM, type PackedRecords } from '#ports/event-log';
import { HEAD_BYTES_MAX, packHead, unpackHead } from './entry-head.ts';
import { decodeFormer } from './former-entry.ts';
import { packedBytesMax, packRow, ROW_SPARE, unpackRow, type Words } from './packed-numbers.ts';
import type { LogEntry, PredictionRecord } from './prediction-record.ts';

/*
 * An entry of the log as bytes, in words of 32 bits, little-endian: the kind of entry with what tells its row
 * (`packed-numbers.ts`), the numbers of its head (`entry-head.ts`), those of the row, what tells a second row and its
 * numbers, and then a list as JSON: endpoint, revision, arm, id, and what else there is. An entry that is no prediction
 * is a word of its kind and JSON. Nothing has a name that need not: what is written for a prediction is read by nobody
 * before it is answered, and half as much takes half as long.
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
  #memory = new Memory(BYTES);
  #end = FIRST;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** How much the entries take so far. */
  get bytes(): number {
    return this.#end - FIRST;
  }

  add(entry: LogEntry): void {
    const parts = partsOf(entry);
    const bytesMax = this.#end + bytesMaxOf(entry, parts);
    if (bytesMax > this.#memory.bytes.length) this.#memory = this.#memory.grownTo(bytesMax, this.#end);
    this.#end = write(entry, parts, this.#memory, this.#end);
    this.#count += 1;
  }

  /** All since {@link clear}, for one append. The bytes are sound until the next entry. */
  get packed(): PackedRecords {
    return { bytes: this.#memory.bytes.subarray(FIRST - PACKED_ROOM, this.#end), count: this.#count };
  }

  clear(): void {
    if (this.#memory.bytes.length > BYTES) this.#memory = new Memory(BYTES);
    this.#end = FIRST;
    this.#count = 0;
  }
}

/** One entry by itself. */
export function encodeEntry(entry: LogEntry): Buffer {
  const encoder = new EntryEncoder();
  encoder.add(entry);
  return encoder.packed.bytes.subarray(PACKED_ROOM + PACKED_LENGTH);
}

class Memory implements Words {
  readonly bytes: Buffer;
  readonly ints: Int32Array;
  readonly floats: Float32Array;

  constructor(bytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(Math.ceil(bytes / WORD_BYTES) * WORD_BYTES);
    this.ints = new Int32Array(this.bytes.buffer);
    this.floats = new Float32Array(this.bytes.buffer);
  }

  /** One of at least `bytes`, with what is in this one up to `end`. */
  grownTo(bytes: number, end: number): Memory {
    const grown = new Memory(Math.max(bytes, 2 * this.bytes.length));
    grown.bytes.set(this.bytes.subarray(0, end));
    return grown;
  }
}

/** Writes an entry behind its length, and tells where the next one begins. */
function write(entry: LogEntry, { names, id, more }: Parts, memory: Memory, at: number): number {
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
  return { names: namesOf(prediction), id: prediction.id, more: `${more}]` };
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

interface Names {
  readonly endpoint: string;
  readonly revision: string;
  readonly arm: string;
  readonly words: Int32Array;
}

let last: Names | undefined;

/** The names that come again with every entry of an arm. */
function namesOf({ endpoint, revision, arm }: PredictionRecord): Int32Array {
  if (last?.endpoint !== endpoint || last.revision !== revision || last.arm !== arm) {
    last = { endpoint, revision, arm, words: wordsOf(`${JSON.stringify([endpoint, revision, arm]).slice(0, -1)},`) };
  }
  return last.words;
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

/** `undefined` for bytes that are no entry: a log written by something else, which the shipper passes over. */
export function decodeEntry(data: Uint8Array): LogEntry | undefined {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  try {
    const told = bytes.readUInt32LE(0);
    const kind = (told & KIND) >>> 0;
    return kind === PREDICTION || kind === TWO_ROWS ? decodePrediction(bytes, told) : decodeFormer(bytes);
  } catch {
    return undefined;
  }
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

function decodePrediction(bytes: Buffer, told: number): PredictionEntry {
  const { head, end } = unpackHead(bytes, WORD_BYTES);
  const row = unpackRow(bytes, end, told);
  const isTwo = (told & KIND) >>> 0 === TWO_ROWS;
  const second = isTwo ? unpackRow(bytes, row.end + WORD_BYTES, bytes.readUInt32LE(row.end)) : undefined;
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
