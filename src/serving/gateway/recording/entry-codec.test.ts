import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PACKED_LENGTH, PACKED_ROOM, type PackedRecords } from '#ports/event-log';
import { decodeEntry, EntryEncoder, encodeEntry } from './entry-codec.ts';
import type { LogEntry } from './prediction-record.ts';

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

/** The entries of an append, as a log would hand them out one by one. */
function unpacked({ bytes, count }: PackedRecords): (LogEntry | undefined)[] {
  const entries: (LogEntry | undefined)[] = [];
  let at = PACKED_ROOM;
  while (at < bytes.length) {
    const end = at + PACKED_LENGTH + bytes.readUInt32LE(at);
    entries.push(decodeEntry(bytes.subarray(at + PACKED_LENGTH, end)));
    at = end;
  }
  assert.deepEqual([at, entries.length], [bytes.length, count]);
  return entries;
}

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
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeEntry(bytes)));
});
