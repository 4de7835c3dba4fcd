import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PACKED_LENGTH, PACKED_ROOM, type PackedRecords } from '#ports/event-log';
import { armNames, decodeEntries, EntryEncoder, encodeEntry, entriesIn } from './entry-codec.ts';
import type { LogEntry, PredictionRecord } from './prediction-record.ts';

const text = fc.oneof(
  fc.stringMatching(/^[\w:@-]{1,20}$/),
  fc.string({ unit: 'binary' }).map((it) => it.toWellFormed()),
);
const number = fc.double({ noNaN: true });
const numeric = fc.array(fc.option(number), { maxLength: 40 });
const shadow = fc.record({ revision: text, score: fc.constant(null), error: text }, { noNullPrototype: true });
const prediction = fc.record(
  {
    ...{ id: text, endpoint: text, at: fc.nat(), receivedAt: fc.maxSafeInteger(), revision: text, arm: text },
    ...{ score: number, propensity: fc.double({ min: 0, max: 1, noNaN: true }), latencyUs: fc.nat() },
    ...{ numeric, categories: fc.array(text, { maxLength: 3 }), chosenBy: text, shadow, cached: fc.constant(true) },
    ...{ entities: fc.dictionary(fc.stringMatching(/^[a-z]+$/), text, { noNullPrototype: true }), rollout: text },
  },
  {
    requiredKeys: [
      ...(['id', 'endpoint', 'at', 'receivedAt', 'revision', 'arm', 'score', 'propensity'] as const),
      ...(['latencyUs', 'numeric', 'categories'] as const),
    ],
    noNullPrototype: true,
  },
);
const beside = fc.record({ numeric, categories: fc.array(text) }, { noNullPrototype: true });
const entry = fc.oneof(
  fc.record({ prediction, awaits: text, beside }, { requiredKeys: ['prediction'], noNullPrototype: true }),
  fc.record({ shadowOf: text, shadow }, { noNullPrototype: true }),
) as fc.Arbitrary<LogEntry>;

/** The records of an append, as a log would hand them out one by one. */
function recordsOf({ bytes, count }: PackedRecords): readonly Buffer[] {
  const records: Buffer[] = [];
  let at = PACKED_ROOM;
  while (at < bytes.length) {
    const end = at + PACKED_LENGTH + bytes.readUInt32LE(at);
    records.push(bytes.subarray(at + PACKED_LENGTH, end));
    at = end;
  }
  assert.deepEqual([at, records.length], [bytes.length, count]);
  return records;
}

/** The entries of an append. */
function unpacked(packed: PackedRecords): readonly LogEntry[] {
  return recordsOf(packed).flatMap((record) => {
    const entries = decodeEntries(record);
    assert.equal(entriesIn(record), entries.length);
    return entries;
  });
}

const decodeEntry = (data: Uint8Array): LogEntry | undefined => decodeEntries(data)[0];

test('entries are read as they were written, many in one append and others after it', () => {
  const encoder = new EntryEncoder();
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
      for (const each of entries) encoder.add(each);
      assert.deepEqual(unpacked(encoder.packed), entries);
      encoder.clear();
    }),
  );
});

test('an append that is larger than the memory that is used again is whole', () => {
  const encoder = new EntryEncoder();
  const many = Array.from({ length: 3_000 }, (_, i): LogEntry => {
    const row = { numeric: Array.from({ length: 30 }, (_, k) => i + k / 7), categories: [] };
    const numbers = { at: i, receivedAt: i, score: i / 3, propensity: 1, latencyUs: i };
    return { prediction: { id: `p-${i}`, endpoint: 'e', revision: 'm@1', arm: 'current', ...numbers, ...row } };
  });
  for (let turn = 0; turn < 2; turn++) {
    for (const each of many) encoder.add(each);
    assert.deepEqual(unpacked(encoder.packed), many);
    encoder.clear();
    assert.deepEqual(unpacked(encoder.packed), []);
  }
});

interface Plain {
  readonly endpoint?: string;
  readonly revision?: string;
  readonly id?: string;
  readonly at?: number;
  readonly score?: number;
  readonly latencyUs?: number;
  readonly numeric?: readonly (number | null)[];
}

const plain = (i: number, more: Plain = {}): PredictionRecord => {
  const { at = 1.7e12 + i, ...rest } = more;
  const numbers = { at, receivedAt: at, score: i / 4, propensity: 1, latencyUs: 1_000 + i };
  const row = { numeric: Array.from({ length: 30 }, (_, k) => (i + k) / 1_000), categories: [] };
  return { id: `p-${i}`, endpoint: 'e', revision: 'm@1', arm: 'current', ...numbers, ...row, ...rest };
};

/** Adds a prediction that has nothing of its own, as an entry where it must. Tells whether it shares a record. */
function add(encoder: EntryEncoder, prediction: PredictionRecord): boolean {
  const { endpoint, revision, arm, numeric, latencyUs } = prediction;
  const shares = encoder.addPlain(armNames(endpoint, revision, arm), { ...prediction, row: { numeric } }, latencyUs);
  if (!shares) encoder.add({ prediction });
  return shares;
}

/** How many predictions each record of an append has. */
function sizesOf(predictions: readonly PredictionRecord[]): readonly number[] {
  const encoder = new EntryEncoder();
  for (const each of predictions) add(encoder, each);
  assert.deepEqual([encoder.entries, encoder.records], [predictions.length, encoder.packed.count]);
  assert.deepEqual(
    unpacked(encoder.packed),
    predictions.map((prediction) => ({ prediction })),
  );
  return recordsOf(encoder.packed).map(entriesIn);
}

test('predictions of one arm that have nothing of their own share a record', () => {
  const many = Array.from({ length: 600 }, (_, i) => plain(i));
  assert.deepEqual(sizesOf(many), [256, 256, 88]);

  const encoder = new EntryEncoder();
  for (const each of many) add(encoder, each);
  assert.ok(encoder.bytes / many.length < 82, `${encoder.bytes / many.length} bytes each`);
  encoder.clear();
  add(encoder, plain(0));
  assert.deepEqual(unpacked(encoder.packed), [{ prediction: plain(0) }]);
});

test('a record ends with the last prediction that has the same names and comes in time, and before any other', () => {
  const of = (more: Plain): readonly number[] => sizesOf([plain(0), plain(1, more), plain(2)]);

  assert.deepEqual(of({}), [3]);
  assert.deepEqual(of({ revision: 'm@2' }), [1, 1, 1]);
  assert.deepEqual(of({ endpoint: 'f' }), [1, 1, 1]);
  assert.deepEqual(of({ at: 1.7e12 + 2_047 }), [3]);
  assert.deepEqual(of({ at: 1.7e12 + 2_048 }), [1, 1, 1]);
  assert.deepEqual(of({ at: 1.7e12 - 1 }), [1, 2]);
  assert.deepEqual(of({ at: 1.7e12 + 0.5 }), [1, 1, 1]);
  assert.deepEqual(of({ id: 'x'.repeat(255) }), [3]);

  const encoder = new EntryEncoder();
  const entries: LogEntry[] = [
    { prediction: plain(0) },
    { shadowOf: 'p-0', shadow: { revision: 'm@2', score: 1 } },
    { prediction: plain(1) },
  ];
  for (const entry of entries) {
    if ('prediction' in entry) add(encoder, entry.prediction);
    else encoder.add(entry);
  }
  assert.deepEqual(unpacked(encoder.packed), entries);
});

test('a prediction with a score, latency or id that a shared record has no place for is told to be none of it', () => {
  const shares = (more: Plain): boolean => add(new EntryEncoder(), plain(0, more));

  assert.deepEqual([shares({}), shares({ latencyUs: 2 ** 21 - 1 }), shares({ score: -1.5 })], [true, true, true]);
  assert.deepEqual(
    [shares({ latencyUs: 2 ** 21 }), shares({ latencyUs: 0.5 }), shares({ latencyUs: -1 })],
    Array(3).fill(false),
  );
  assert.deepEqual([shares({ score: 0.1 }), shares({ score: Number.NaN })], [false, false]);
  assert.deepEqual([shares({ id: 'x'.repeat(256) }), shares({ id: 'é' }), shares({ id: '\n' })], Array(3).fill(false));
});

test('predictions with rows of every kind are read from their records as they were', () => {
  const numbers = fc.oneof(
    fc.array(fc.integer({ min: -(2 ** 34), max: 2 ** 34 }).map((it) => it / 1_000)),
    fc.array(fc.option(number), { maxLength: 40 }),
  );
  const member = fc.record(
    { id: text, score: fc.float({ noNaN: true }), numeric: numbers, latencyUs: fc.nat(2 ** 22), at: fc.nat(4_000) },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(member, { maxLength: 20 }), (members) => {
      sizesOf(members.map((more) => plain(0, more)));
    }),
  );
});

test('what is not a number is null, and entries of former versions are read', () => {
  const numbers = { at: 7, receivedAt: 8, propensity: 1, latencyUs: 9 };
  const record = { id: 'p', endpoint: 'e', revision: 'm@1', arm: 'current', categories: [], ...numbers };
  const read = decodeEntry(encodeEntry({ prediction: { ...record, score: Number.NaN, numeric: [Number.NaN] } }));
  assert.deepEqual(read, { prediction: { ...record, score: null, numeric: [null] } });

  const rest = JSON.stringify({ prediction: { ...record, score: 0.25, numeric: [] }, awaits: 'm@2' });
  const before = Buffer.alloc(20);
  before.writeUInt32LE(2);
  before.writeDoubleLE(1.5, 4);
  before.writeDoubleLE(Number.NaN, 12);
  assert.deepEqual(decodeEntry(Buffer.concat([before, Buffer.from(rest)])), {
    prediction: { ...record, score: 0.25, numeric: [1.5, null] },
    awaits: 'm@2',
  });

  const headed = Buffer.alloc(4 + 8 * 7);
  headed.writeUInt32LE(0x8000_0000 + 7);
  for (const [i, value] of [7, 8, 0.25, 1, 9, 1.5, Number.NaN].entries()) headed.writeDoubleLE(value, 4 + 8 * i);
  const names = { id: 'p', endpoint: 'e', revision: 'm@1', arm: 'current', categories: ['a'] };
  const text = JSON.stringify({ prediction: names, awaits: 'm@2', beside: { numeric: 1, categories: [] } });
  assert.deepEqual(decodeEntry(Buffer.concat([headed, Buffer.from(text)])), {
    prediction: { ...names, ...numbers, score: 0.25, numeric: [1.5] },
    awaits: 'm@2',
    beside: { numeric: [null], categories: [] },
  });
});

test('bytes that are no entry are none', () => {
  assert.equal(decodeEntry(Buffer.from('something else')), undefined);
  const entry = encodeEntry({
    prediction: {
      ...{ id: 'p', endpoint: 'e', revision: 'm@1', arm: 'current', at: 1.7e12 + 1, receivedAt: 2, score: 0.1 },
      ...{ propensity: 1, latencyUs: 9, numeric: [1, 2, 0.1 + 0.2], categories: [] },
    },
  });
  for (let end = 0; end < entry.length - 3; end++) assert.equal(decodeEntry(entry.subarray(0, end)), undefined);
  const encoder = new EntryEncoder();
  for (let i = 0; i < 3; i++) add(encoder, plain(i));
  const group = recordsOf(encoder.packed)[0] as Buffer;
  for (let end = 0; end < group.length; end++) assert.deepEqual(decodeEntries(group.subarray(0, end)), []);
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeEntry(bytes)));
});
