/** What is kept of every answered prediction. Posted to `POST /api/v1/predictions`, which is idempotent by `id`. */
export interface PredictionRecord {
  readonly id: string;
  readonly endpoint: string;
  /** Event time in epoch milliseconds: what the request says, or when it came. */
  readonly at: number;
  readonly receivedAt: number;
  readonly revision: string;
  readonly arm: 'current' | 'candidate';
  readonly score: number;
  /** The probability with which this arm was drawn, for off-policy evaluation. */
  readonly propensity: number;
  readonly shadow?: ShadowScore;
  /** The candidate that should have answered, and why it did not. */
  readonly fallback?: { readonly revision: string; readonly error: string };
  /** The row as the answering revision got it, in the order of its signature; null for a missing number. */
  readonly numeric: readonly (number | null)[];
  readonly categories: readonly string[];
  readonly entities?: Readonly<Record<string, string>>;
  readonly latencyUs: number;
  readonly rollout?: string;
}

/** What the arm that did not answer made of the same row. `score` is null when it failed. */
export interface ShadowScore {
  readonly revision: string;
  readonly score: number | null;
  readonly error?: string;
}

/**
 * One entry of the local log. A prediction is written before its answer is released; when another arm is scored beside
 * it, that score follows as an entry of its own, and `awaits` says so.
 */
export type LogEntry =
  | { readonly prediction: PredictionRecord; readonly awaits?: string }
  | { readonly shadowOf: string; readonly shadow: ShadowScore };

/**
 * An entry as bytes: how many numbers the row has (32 bits, little-endian), the numbers (64 bits each), then the rest
 * as JSON. The row goes raw because decimal digits of thirty numbers cost more than the rest of the entry.
 */
export function encodeEntry(entry: LogEntry): Buffer {
  const numeric = 'prediction' in entry ? entry.prediction.numeric : [];
  const rest = 'prediction' in entry ? { ...entry, prediction: { ...entry.prediction, numeric: [] } } : entry;
  const text = JSON.stringify(rest);
  const head = 4 + 8 * numeric.length;
  const bytes = Buffer.allocUnsafe(head + 3 * text.length);
  bytes.writeUInt32LE(numeric.length, 0);
  for (let i = 0; i < numeric.length; i++) bytes.writeDoubleLE(numeric[i] ?? Number.NaN, 4 + 8 * i);
  return bytes.subarray(0, head + bytes.write(text, head));
}

/** `undefined` for bytes that are no entry: a log written by something else, which the shipper passes over. */
export function decodeEntry(data: Uint8Array): LogEntry | undefined {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  try {
    const count = bytes.readUInt32LE(0);
    const numeric = Array.from({ length: Math.min(count, bytes.length >> 3) }, (_, i) => {
      const value = bytes.readDoubleLE(4 + 8 * i);
      return Number.isNaN(value) ? null : value;
    });
    const entry = JSON.parse(bytes.toString('utf8', 4 + 8 * count)) as LogEntry;
    if ('prediction' in entry) return { ...entry, prediction: { ...entry.prediction, numeric } };
    return 'shadowOf' in entry ? entry : undefined;
  } catch {
    return undefined;
  }
}
