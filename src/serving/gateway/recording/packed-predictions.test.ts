import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PACKED_LENGTH, PACKED_ROOM } from '#ports/event-log';
import { armNames, EntryEncoder, encodeEntry } from './entry-codec.ts';
import { packPredictions, unpackPredictions } from './packed-predictions.ts';
import type { LogEntry, PredictionRecord } from './prediction-record.ts';

const record = (id: string, more: Partial<PredictionRecord> = {}): PredictionRecord => ({
  ...{ id, endpoint: 'delays', at: 981_331_200_000, receivedAt: 981_331_200_000, revision: 'm@1', arm: 'current' },
  ...{ score: 0.5, propensity: 1, numeric: [1.5, 2], categories: [], latencyUs: 120 },
  ...more,
});

/** Predictions with nothing of their own, in one record. */
function groupOf(rows: readonly (readonly (number | null)[])[]): Uint8Array {
  const encoder = new EntryEncoder();
  const names = armNames('delays', 'm@1', 'current');
  for (const [i, numeric] of rows.entries()) {
    encoder.addPlain(names, { id: `r${i}`, at: 981_331_200_000, score: 0.5, row: { numeric } }, 120);
  }
  assert.equal(encoder.records, 1);
  return Buffer.from(encoder.packed.bytes.subarray(PACKED_ROOM + PACKED_LENGTH));
}

/** Two predictions in one record and one in another, as the first version of the format has them. */
const GOLDEN =
  'XAAAAAIAACAHAAAAWyJkZWxheXMiLCJtQDEiLCJjdXJyZW50IiwgIAAAALl8j2xCeAAAAAAAAD8BYSAgAgAACNwF0AdQAOAAAACA' +
  'PgFiICACAAAADAAAAFVVVVVVVdU/mAAAAAEAAEhfAQAAAEABuXyPbEIAYAG5fI9sQu4CAAD0AQAAeGMBAGDwAABbImRlbGF5cyIs' +
  'Im1AMiIsImNhbmRpZGF0ZSIsImMiLHsiY2F0ZWdvcmllcyI6WyJBQSJdLCJzaGFkb3ciOnsicmV2aXNpb24iOiJtQDEiLCJzY29y' +
  'ZSI6MC41fSwicm9sbG91dCI6InJvXzEifV0g';

test('what a gateway of the first version sent is read', () => {
  const predictions = unpackPredictions(Buffer.from(GOLDEN, 'base64'), 3);

  const at = 981_331_200_007;
  const shadow = { revision: 'm@1', score: 0.5 };
  assert.deepEqual(predictions, [
    record('a'),
    record('b', { at, receivedAt: at, score: 0.25, numeric: [null, 1 / 3], latencyUs: 80 }),
    record('c', {
      ...{ at: at + 3, receivedAt: at + 4, revision: 'm@2', arm: 'candidate', score: 0.75, propensity: 0.5 },
      ...{ numeric: [-4], categories: ['AA'], latencyUs: 91, shadow, rollout: 'ro_1' },
    }),
  ]);
});

test('predictions come as they were recorded, in their order, alone or together', () => {
  const numeric = fc.array(fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })), { maxLength: 20 });
  const together = fc.array(numeric, { minLength: 1, maxLength: 20 });
  const part = fc.oneof(
    together.map((rows) => ({
      data: groupOf(rows),
      predictions: rows.map((row, i) => record(`r${i}`, { numeric: row })),
    })),
    numeric.map((row) => {
      const prediction = record('é"', { numeric: row, categories: ['AA'], rollout: 'ro_1' });
      return { data: encodeEntry({ prediction }), predictions: [prediction] };
    }),
  );
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      const body = packPredictions(parts.map(({ data }) => data));
      assert.deepEqual(
        unpackPredictions(body, 10_000),
        parts.flatMap(({ predictions }) => predictions),
      );
    }),
  );
});

test('a number that JSON has no word for is missing', () => {
  const rows = [[Number.POSITIVE_INFINITY, 1], [-1 / 0]];

  const [first, second] = unpackPredictions(packPredictions([groupOf(rows)]), 2);

  assert.deepEqual([first?.numeric, second?.numeric], [[null, 1], [null]]);
});

test('a body that is cut, or of anything else, is refused with the place', () => {
  const [first, second] = [groupOf([[1], [2]]), encodeEntry({ prediction: record('c', { rollout: 'ro_1' }) })];
  const body = packPredictions([first, second]);
  const between = PACKED_LENGTH + first.length;
  for (let end = 1; end < body.length; end++) {
    const cut = () => unpackPredictions(body.subarray(0, end), 3);
    if (end === between) assert.equal(cut().length, 2);
    else assert.throws(cut, { name: 'RangeError', message: `record ${end < between ? 1 : 2} is not all there` });
  }
  const refused = (data: Uint8Array) => {
    try {
      unpackPredictions(packPredictions([first, data]), 3);
    } catch (error) {
      return (error as Error).message;
    }
    return 'read';
  };
  assert.match(refused(first.subarray(0, first.length - 4)), /^record 2 cannot be read: /);
  assert.match(refused(Buffer.from('no record at all')), /^record 2 (cannot be read: |is none)/);
  assert.match(refused(new Uint8Array(0)), /^record 2 is not all there$/);
  const waiting: LogEntry = { prediction: record('w'), awaits: 'm@2' };
  const beside: LogEntry = { shadowOf: 'w', shadow: { revision: 'm@2', score: 1 } };
  for (const entry of [waiting, beside]) {
    assert.equal(refused(encodeEntry(entry)), 'record 2 cannot be read: it is no complete prediction');
  }
  assert.equal(refused(first), 'there are more than 3 predictions');
  const noRow = record('n', { rollout: 'numeric' });
  const text = encodeEntry({ prediction: noRow });
  // What is told of a prediction in JSON may tell another row, and anything in its place.
  text.write('"numeric":"rollout"', text.indexOf('"rollout":"numeric"'));
  assert.match(refused(text), /^record 2 cannot be read: /);
});

test('any bytes are predictions or refused, and take no more memory than they have a right to', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(60), fc.nat(255), (bytes, at, byte) => {
      const body = packPredictions([groupOf([[1, 2, 3], [null]]), bytes]);
      body[at] = byte;
      try {
        unpackPredictions(body, 10);
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
      }
    }),
    { numRuns: 1_000 },
  );
  // Each missing number takes two bits here and eight bytes in memory.
  const empty = new Array<null>(1_000_000).fill(null);
  const one = encodeEntry({ prediction: record('e', { numeric: empty, categories: ['AA'] }) });
  const body = packPredictions([one, one, one, one, one]);

  assert.ok(body.length < 2 * 1_048_576);
  assert.throws(() => unpackPredictions(body, 10), /^RangeError: record 5 cannot be read: its rows have more numbers/);
});
