import { messageOf } from '#core/errors';
import { PACKED_LENGTH } from '#ports/event-log';
import { readEntries } from './entry-codec.ts';
import type { NumberBudget } from './packed-numbers.ts';
import type { PredictionRecord } from './prediction-record.ts';

/*
 * Predictions as a gateway sends them: the records of its log as they are, each behind its length (32 bits,
 * little-endian). To make JSON of them would take longer than to answer them.
 */

/** What a batch of a gateway can have: of its bytes, four missing numbers each. */
const NUMBERS_MAX = 4_000_000;

/** The body of one request. */
export function packPredictions(records: readonly Uint8Array[]): Buffer<ArrayBuffer> {
  const lengths = records.map(({ length }) => length);
  const body = Buffer.allocUnsafeSlow(lengths.reduce((sum, length) => sum + PACKED_LENGTH + length, 0));
  let at = 0;
  for (const record of records) {
    at = body.writeUInt32LE(record.length, at);
    body.set(record, at);
    at += record.length;
  }
  return body;
}

/**
 * The predictions of such a body. A number that is none, as JSON has no word for it, is missing.
 *
 * @throws RangeError with the place of the record that cannot be read, that is no prediction or waits for a score, or
 * with which there are more than `countMax` predictions.
 */
export function unpackPredictions(body: Uint8Array, countMax: number): PredictionRecord[] {
  const budget: NumberBudget = { left: NUMBERS_MAX };
  const predictions: PredictionRecord[] = [];
  for (let at = 0, number = 1; at < body.length; number++) {
    const { data, end } = recordAt(body, at, number);
    for (const prediction of readRecord(data, number, budget)) predictions.push(prediction);
    if (predictions.length > countMax) throw new RangeError(`there are more than ${countMax} predictions`);
    at = end;
  }
  return predictions;
}

function recordAt(body: Uint8Array, at: number, number: number): { readonly data: Uint8Array; readonly end: number } {
  const from = at + PACKED_LENGTH;
  const length = from <= body.length ? new DataView(body.buffer, body.byteOffset + at).getUint32(0, true) : 0;
  if (from + length > body.length || length === 0) throw new RangeError(`record ${number} is not all there`);
  return { data: body.subarray(from, from + length), end: from + length };
}

function readRecord(data: Uint8Array, number: number, budget: NumberBudget): readonly PredictionRecord[] {
  try {
    const predictions = readEntries(data, budget).map((entry) => {
      if (!('prediction' in entry) || entry.awaits !== undefined) throw new RangeError('it is no complete prediction');
      return withoutInfinities(entry.prediction);
    });
    if (predictions.length > 0) return predictions;
  } catch (error) {
    throw new RangeError(`record ${number} cannot be read: ${messageOf(error)}`);
  }
  throw new RangeError(`record ${number} is none of a gateway's log`);
}

function withoutInfinities(prediction: PredictionRecord): PredictionRecord {
  const { numeric } = prediction;
  if (numeric.every((value) => value === null || Number.isFinite(value))) return prediction;
  return { ...prediction, numeric: numeric.map((value) => (Number.isFinite(value) ? value : null)) };
}
