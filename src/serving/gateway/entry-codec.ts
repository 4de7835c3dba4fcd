import { PACKED_LENGTH, PACKED_ROOM, type PackedRecords } from '#ports/event-log';
import type { LogEntry, PredictionRecord } from './prediction-record.ts';

/*
 * An entry of the log as bytes: how many numbers follow (32 bits, little-endian), the numbers (64 bits each), then the
 * rest as JSON. Numbers go raw because their decimal digits cost more than the rest of the entry. First those of HEAD,
 * then the row's, then the second row's, of which the JSON has the count in place of its numbers. The highest bit of
 * the count says that the numbers of HEAD are there: before there were, they stood in the JSON.
 */
const HEAD = ['at', 'receivedAt', 'score', 'propensity', 'latencyUs'] as const;
const HAS_HEAD = 0x8000_0000;
const COUNT_BYTES = 4;
const NUMBER_BYTES = 8;

/** What a record may have beside the texts and numbers that each has. */
const OPTIONAL = [
  ...(['chosenBy', 'shadow', 'fallback', 'cached'] as const),
  ...(['entities', 'nodes', 'rollout', 'tensors'] as const),
];

/** Some five hundred entries of small models: as many as one turn has at most. */
const BYTES = 512 * 1024;

/** Where the length of an entry stands so that its numbers come to lie at a multiple of their size. */
const BEFORE_NUMBERS = PACKED_LENGTH + COUNT_BYTES;
/** Where the first entry begins, its length included. What the log may write to lies before it. */
const FIRST = Math.ceil(PACKED_ROOM / NUMBER_BYTES) * NUMBER_BYTES;
const SPACE = 0x20;

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

class Memory {
  readonly bytes: Buffer;
  /** In the machine's order, which the gateway asks to be little-endian (`tensors/datatypes.ts`). */
  readonly counts: Uint32Array;
  readonly numbers: Float64Array;

  constructor(bytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(Math.ceil(bytes / NUMBER_BYTES) * NUMBER_BYTES);
    this.counts = new Uint32Array(this.bytes.buffer);
    this.numbers = new Float64Array(this.bytes.buffer);
  }

  /** One of at least `bytes`, with what is in this one up to `end`. */
  grownTo(bytes: number, end: number): Memory {
    const grown = new Memory(Math.max(bytes, 2 * this.bytes.length));
    grown.bytes.set(this.bytes.subarray(0, end));
    return grown;
  }
}

/** Writes an entry behind its length, and tells where the next one begins. */
function write(entry: LogEntry, { names, rest }: Parts, { bytes, counts, numbers }: Memory, at: number): number {
  const from = (at + BEFORE_NUMBERS) / NUMBER_BYTES;
  let place = from;
  if ('prediction' in entry) {
    const { prediction, beside } = entry;
    for (const name of HEAD) numbers[place++] = prediction[name];
    place = writeRow(numbers, place, prediction.numeric);
    if (beside) place = writeRow(numbers, place, beside.numeric);
  }
  let end = place * NUMBER_BYTES;
  if (names) {
    bytes.set(names, end);
    end += names.length;
  }
  end += bytes.write(rest, end);
  // Spaces behind the JSON, so that the next entry begins where its numbers come to lie right.
  while (end % NUMBER_BYTES !== 0) bytes[end++] = SPACE;
  counts[at / PACKED_LENGTH] = end - at - PACKED_LENGTH;
  counts[(at + PACKED_LENGTH) / COUNT_BYTES] = place - from + ('prediction' in entry ? HAS_HEAD : 0);
  return end;
}

function writeRow(numbers: Float64Array, place: number, row: readonly (number | null)[]): number {
  for (let i = 0; i < row.length; i++) numbers[place + i] = row[i] ?? Number.NaN;
  return place + row.length;
}

function bytesMaxOf(entry: LogEntry, { names, rest }: Parts): number {
  const rows = 'prediction' in entry ? entry.prediction.numeric.length + (entry.beside?.numeric.length ?? 0) : 0;
  return BEFORE_NUMBERS + NUMBER_BYTES * (HEAD.length + rows + 1) + (names?.length ?? 0) + 3 * rest.length;
}

/** The JSON of an entry: bytes that many entries share, and a text of its own. */
interface Parts {
  readonly names: Buffer | undefined;
  readonly rest: string;
}

/** Put together here because a generic writer takes three times as long for the same. */
function partsOf(entry: LogEntry): Parts {
  if (!('prediction' in entry)) return { names: undefined, rest: JSON.stringify(entry) };
  const { prediction, awaits, beside } = entry;
  const { id, categories } = prediction;
  let rest = quoted(id);
  if (categories.length > 0) rest += `,"categories":${JSON.stringify(categories)}`;
  for (const name of OPTIONAL) {
    const value = prediction[name];
    if (value !== undefined) rest += `,"${name}":${JSON.stringify(value)}`;
  }
  rest += '}';
  if (awaits !== undefined) rest += `,"awaits":${JSON.stringify(awaits)}`;
  if (beside) rest += `,"beside":${JSON.stringify({ ...beside, numeric: beside.numeric.length })}`;
  return { names: namesOf(prediction), rest: `${rest}}` };
}

interface Names {
  readonly endpoint: string;
  readonly revision: string;
  readonly arm: string;
  readonly bytes: Buffer;
}

let last: Names | undefined;

/** The names that come again with every entry of an arm. A field that is named twice is what it is named last. */
function namesOf({ endpoint, revision, arm }: PredictionRecord): Buffer {
  if (last?.endpoint !== endpoint || last.revision !== revision || last.arm !== arm) {
    const text = JSON.stringify({ endpoint, revision, arm, categories: [] });
    last = { endpoint, revision, arm, bytes: Buffer.from(`{"prediction":${text.slice(0, -1)},"id":`) };
  }
  return last.bytes;
}

const PLAIN = /^[\w .:@/-]*$/;

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** An entry as its JSON has it. */
type WrittenEntry =
  | (Extract<LogEntry, { readonly prediction: unknown }> & { readonly beside?: { readonly numeric: number } })
  | Extract<LogEntry, { readonly shadowOf: unknown }>;

/** `undefined` for bytes that are no entry: a log written by something else, which the shipper passes over. */
export function decodeEntry(data: Uint8Array): LogEntry | undefined {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  try {
    const told = bytes.readUInt32LE(0);
    const count = told % HAS_HEAD;
    const numbers = Array.from({ length: Math.min(count, bytes.length >> 3) }, (_, i) => {
      const value = bytes.readDoubleLE(COUNT_BYTES + NUMBER_BYTES * i);
      return Number.isNaN(value) ? null : value;
    });
    const entry = JSON.parse(bytes.toString('utf8', COUNT_BYTES + NUMBER_BYTES * count)) as WrittenEntry;
    if (!('prediction' in entry)) return 'shadowOf' in entry ? entry : undefined;
    const head = told >= HAS_HEAD ? HEAD : [];
    const numeric = numbers.slice(head.length);
    const { beside } = entry;
    const own = numeric.length - (beside?.numeric ?? 0);
    const prediction = { ...entry.prediction, numeric: numeric.slice(0, own) } as Record<string, unknown>;
    for (const [i, name] of head.entries()) prediction[name] = numbers[i];
    return {
      ...entry,
      prediction: prediction as object as PredictionRecord,
      ...(beside ? { beside: { ...beside, numeric: numeric.slice(own) } } : {}),
    } as LogEntry;
  } catch {
    return undefined;
  }
}
