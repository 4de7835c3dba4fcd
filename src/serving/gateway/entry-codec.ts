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

/** Encodes the entries of one append after another into memory that is used again for the next. */
export class EntryEncoder {
  readonly #memory = new Memory(BYTES);
  #at = FIRST;

  /** The bytes are sound until {@link clear}. */
  encode(entry: LogEntry): Buffer {
    const parts = partsOf(entry);
    const bytesMax = bytesMaxOf(entry, parts);
    if (this.#at + bytesMax > BYTES) return alone(entry, parts, bytesMax);
    const end = write(entry, parts, this.#memory, this.#at);
    const encoded = this.#memory.bytes.subarray(this.#at, end);
    // The next one begins where its numbers come to lie at a multiple of their size.
    this.#at = FIRST + ((end - FIRST + NUMBER_BYTES - 1) & -NUMBER_BYTES);
    return encoded;
  }

  clear(): void {
    this.#at = FIRST;
  }
}

/** One entry by itself. */
export function encodeEntry(entry: LogEntry): Buffer {
  const parts = partsOf(entry);
  return alone(entry, parts, bytesMaxOf(entry, parts));
}

function alone(entry: LogEntry, parts: Parts, bytesMax: number): Buffer {
  const memory = new Memory((FIRST + bytesMax + NUMBER_BYTES) & -NUMBER_BYTES);
  return memory.bytes.subarray(FIRST, write(entry, parts, memory, FIRST));
}

/** Where an entry begins whose numbers lie at a multiple of their size. */
const FIRST = NUMBER_BYTES - COUNT_BYTES;

class Memory {
  readonly bytes: Buffer;
  /** In the machine's order, which the gateway asks to be little-endian (`tensors/datatypes.ts`). */
  readonly counts: Uint32Array;
  readonly numbers: Float64Array;

  constructor(bytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(bytes);
    this.counts = new Uint32Array(this.bytes.buffer);
    this.numbers = new Float64Array(this.bytes.buffer);
  }
}

/** Writes an entry and tells where it ends. */
function write(entry: LogEntry, { names, rest }: Parts, { bytes, counts, numbers }: Memory, at: number): number {
  const from = (at + COUNT_BYTES) / NUMBER_BYTES;
  let place = from;
  if ('prediction' in entry) {
    const { prediction, beside } = entry;
    for (const name of HEAD) numbers[place++] = prediction[name];
    place = writeRow(numbers, place, prediction.numeric);
    if (beside) place = writeRow(numbers, place, beside.numeric);
  }
  counts[at / COUNT_BYTES] = place - from + ('prediction' in entry ? HAS_HEAD : 0);
  let end = place * NUMBER_BYTES;
  if (names) {
    bytes.set(names, end);
    end += names.length;
  }
  return end + bytes.write(rest, end);
}

function writeRow(numbers: Float64Array, place: number, row: readonly (number | null)[]): number {
  for (let i = 0; i < row.length; i++) numbers[place + i] = row[i] ?? Number.NaN;
  return place + row.length;
}

function bytesMaxOf(entry: LogEntry, { names, rest }: Parts): number {
  const rows = 'prediction' in entry ? entry.prediction.numeric.length + (entry.beside?.numeric.length ?? 0) : 0;
  return COUNT_BYTES + NUMBER_BYTES * (HEAD.length + rows) + (names?.length ?? 0) + 3 * rest.length;
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
