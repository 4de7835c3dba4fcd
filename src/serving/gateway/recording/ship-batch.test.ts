import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type LogPage, PACKED_LENGTH, PACKED_ROOM } from '#ports/event-log';
import { armNames, decodeEntries, EntryEncoder, encodeEntry } from './entry-codec.ts';
import { packPredictions, unpackPredictions } from './packed-predictions.ts';
import type { LogEntry, PredictionRecord } from './prediction-record.ts';
import { BATCH_RECORDS_MAX, batchOf as packedBatchOf, type Settlement } from './ship-batch.ts';

const record = (id: string, more: Partial<PredictionRecord> = {}): PredictionRecord => ({
  ...{ id, endpoint: 'e', at: 1, receivedAt: 1_000, revision: 'm@1', arm: 'current', score: 0.5, propensity: 1 },
  ...{ numeric: [1.5, null, -0.1], categories: ['é', ''], latencyUs: 7 },
  ...more,
});
const shadow = { revision: 'm@2', score: 0.25 };
const page = (entries: readonly LogEntry[], first = 1) => ({
  records: entries.map((entry, i) => ({ offset: first + i, data: encodeEntry(entry) })),
  last: first + entries.length - 1,
});
/** With what its records are, each of which waits for nothing. */
const batchOf = (from: LogPage, settlement: Settlement) => {
  const { records, ...batch } = packedBatchOf(from, settlement);
  return { ...batch, records: unpackPredictions(packPredictions(records), BATCH_RECORDS_MAX) };
};
const never = { complete: true, settledEnd: 0, receivedBefore: 0, scoredAgain: new Set<string>() };

describe('a batch of recorded predictions', () => {
  test('joins each prediction with the score beside it', () => {
    const entries = [
      { prediction: record('a'), awaits: 'm@2' },
      { prediction: record('b') },
      { shadowOf: 'a', shadow },
    ];

    const { records, last } = batchOf(page(entries), never);

    assert.deepEqual(records, [record('a', { shadow }), record('b')]);
    assert.equal(last, 3);
  });

  test('ends before a prediction whose other score may still come', () => {
    const entries = [
      { prediction: record('a') },
      { prediction: record('b'), awaits: 'm@2' },
      { prediction: record('c') },
    ];

    const { records, last } = batchOf(page(entries, 11), never);

    assert.deepEqual(
      records.map(({ id }) => id),
      ['a'],
    );
    assert.equal(last, 11);
  });

  test('takes a score as lost when its process is gone, but not when it may be on a later page', () => {
    const entries = [{ prediction: record('a') }, { prediction: record('b'), awaits: 'm@2' }];

    const whole = batchOf(page(entries), { ...never, settledEnd: 2 });
    const cut = batchOf(page(entries), { ...never, settledEnd: 2, complete: false });
    const again = batchOf(page(entries), { ...never, settledEnd: 2, scoredAgain: new Set(['b']) });

    assert.equal(whole.records[1]?.shadow?.score, null);
    assert.match(whole.records[1]?.shadow?.error ?? '', /ended before it was scored/);
    assert.equal(cut.last, 1);
    assert.equal(again.last, 1);
  });

  test('has at most its number of records', () => {
    const entries = Array.from({ length: BATCH_RECORDS_MAX + 5 }, (_, i) => ({ prediction: record(`r${i}`) }));

    assert.deepEqual(
      [batchOf(page(entries), never).records.length, batchOf(page(entries), never).last],
      [BATCH_RECORDS_MAX, BATCH_RECORDS_MAX],
    );
  });

  test('has the predictions of a record all or none, and counts the entries that are over with it', () => {
    const encoder = new EntryEncoder();
    const names = armNames('e', 'm@1', 'current');
    for (let i = 0; i < 256; i++) {
      encoder.addPlain(names, { id: `r${i}`, at: 1_000, score: 0.5, row: { numeric: [i] } }, 7);
    }
    const group = encoder.packed.bytes.subarray(PACKED_ROOM + PACKED_LENGTH);
    const single = encodeEntry({ shadowOf: 'x', shadow });
    const records = Array.from({ length: 12 }, (_, i) => ({ offset: i + 1, data: i % 4 === 3 ? single : group }));

    const batch = batchOf({ records, last: 12 }, never);

    assert.deepEqual([batch.predictions, batch.entries, batch.last], [7 * 256, 7 * 256 + 2, 9]);
    assert.equal(batch.records.length, batch.predictions);
    assert.deepEqual(batch.records[257], record('r1', { at: 1_000, numeric: [1], categories: [] }));
  });

  test('passes over what is no entry', () => {
    const odd = {
      records: [
        { offset: 1, data: Buffer.from('?') },
        { offset: 2, data: encodeEntry({ prediction: record('a') }) },
      ],
      last: 2,
    };

    assert.deepEqual(
      batchOf(odd, never).records.map(({ id }) => id),
      ['a'],
    );
    assert.equal(batchOf(odd, never).last, 2);
  });

  test('an entry comes back as it was written', () => {
    const numbers = fc.array(fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })), { maxLength: 40 });
    const row = fc.record({ numeric: numbers, categories: fc.array(fc.string()) }, { noNullPrototype: true });
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), row, fc.option(row), (id, own, beside) => {
        const entry = { prediction: record(id, own), awaits: 'm@2', ...(beside ? { beside } : {}) };
        assert.deepEqual(decodeEntries(encodeEntry(entry)), [entry]);
      }),
    );
  });
});
