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
  readonly #bytes = Buffer.allocUnsafeSlow(BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  #at = 0;

  /** The bytes are sound until {@link clear}. */
  encode(entry: LogEntry): Buffer {
    const text = textOf(entry);
    const bytesMax = bytesMaxOf(entry, text);
    if (this.#at + bytesMax > BYTES) return alone(entry, text, bytesMax);
    const from = this.#at;
    this.#at = write(entry, text, { bytes: this.#bytes, view: this.#view, at: from });
    return this.#bytes.subarray(from, this.#at);
  }

  clear(): void {
    this.#at = 0;
  }
}

/** One entry by itself. */
export function encodeEntry(entry: LogEntry): Buffer {
  const text = textOf(entry);
  return alone(entry, text, bytesMaxOf(entry, text));
}

function alone(entry: LogEntry, text: string, bytesMax: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(bytesMax);
  return bytes.subarray(0, write(entry, text, { bytes, view: new DataView(bytes.buffer), at: 0 }));
}

interface Target {
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly at: number;
}

/** Writes an entry and tells where it ends. */
function write(entry: LogEntry, text: string, { bytes, view, at }: Target): number {
  if (!('prediction' in entry)) {
    view.setUint32(at, 0, true);
    return at + COUNT_BYTES + bytes.write(text, at + COUNT_BYTES);
  }
  const { prediction, beside } = entry;
  let end = at + COUNT_BYTES;
  const put = (value: number | null): void => {
    view.setFloat64(end, value ?? Number.NaN, true);
    end += NUMBER_BYTES;
  };
  for (const name of HEAD) put(prediction[name]);
  for (let i = 0; i < prediction.numeric.length; i++) put(prediction.numeric[i] as number | null);
  for (const value of beside?.numeric ?? []) put(value);
  view.setUint32(at, (HAS_HEAD | ((end - at) >>> 3)) >>> 0, true);
  return end + bytes.write(text, end);
}

function bytesMaxOf(entry: LogEntry, text: string): number {
  const rows = 'prediction' in entry ? entry.prediction.numeric.length + (entry.beside?.numeric.length ?? 0) : 0;
  return COUNT_BYTES + NUMBER_BYTES * (HEAD.length + rows) + 3 * text.length;
}

/** The JSON, put together here because a generic writer takes three times as long for the same. */
function textOf(entry: LogEntry): string {
  if (!('prediction' in entry)) return JSON.stringify(entry);
  const { prediction, awaits, beside } = entry;
  const { id, endpoint, revision, arm, categories } = prediction;
  let text = `{"prediction":{"id":${quoted(id)},"endpoint":${known(endpoint)},"revision":${known(revision)}`;
  text += `,"arm":${known(arm)},"categories":${categories.length === 0 ? '[]' : JSON.stringify(categories)}`;
  for (const name of OPTIONAL) {
    const value = prediction[name];
    if (value !== undefined) text += `,"${name}":${JSON.stringify(value)}`;
  }
  text += '}';
  if (awaits !== undefined) text += `,"awaits":${known(awaits)}`;
  if (beside) text += `,"beside":${JSON.stringify({ ...beside, numeric: beside.numeric.length })}`;
  return `${text}}`;
}

const PLAIN = /^[\w .:@/-]*$/;

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

const KNOWN_MAX = 1_000;
const knownTexts = new Map<string, string>();

/** Names that come again with every entry. */
function known(text: string): string {
  let found = knownTexts.get(text);
  if (found === undefined) {
    if (knownTexts.size >= KNOWN_MAX) knownTexts.clear();
    found = JSON.stringify(text);
    knownTexts.set(text, found);
  }
  return found;
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
