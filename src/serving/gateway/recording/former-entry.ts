import type { LogEntry, PredictionRecord } from './prediction-record.ts';

/*
 * An entry of the log as former versions wrote it: how many numbers follow (32 bits, little-endian), the numbers (64
 * bits each), then the rest as JSON. First those of HEAD, then the row's, then the second row's, of which the JSON has
 * the count in place of its numbers. The highest bit of the count says that the numbers of HEAD are there: before there
 * were, they stood in the JSON.
 */
const HEAD = ['at', 'receivedAt', 'score', 'propensity', 'latencyUs'] as const;
const HAS_HEAD = 0x8000_0000;
const COUNT_BYTES = 4;
const NUMBER_BYTES = 8;

/** An entry as its JSON has it. */
type WrittenEntry =
  | (Extract<LogEntry, { readonly prediction: unknown }> & { readonly beside?: { readonly numeric: number } })
  | Extract<LogEntry, { readonly shadowOf: unknown }>;

/** Reads such an entry, which a gateway that was updated may not have sent yet. Throws for bytes that are none. */
export function decodeFormer(bytes: Buffer): LogEntry | undefined {
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
}
