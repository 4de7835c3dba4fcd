import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  packedBytesMax,
  packNumbers,
  packRow,
  ROW_SPARE,
  unpackNumbers,
  unpackRow,
  type Words,
} from './packed-numbers.ts';

const WORD_BYTES = 4;
const FROM = 3;

interface Packed {
  readonly bytes: Buffer;
  /** How many words they take. */
  readonly words: number;
}

function packed(values: readonly (number | null)[]): Packed {
  const bytes = Buffer.alloc(WORD_BYTES * FROM + packedBytesMax(values.length), 0xff);
  const memory: Words = { ints: new Int32Array(bytes.buffer), floats: new Float32Array(bytes.buffer) };
  const end = packNumbers(memory, FROM, values);
  assert.ok(end * WORD_BYTES <= bytes.length);
  return { bytes: bytes.subarray(0, end * WORD_BYTES), words: end - FROM };
}

function read(values: readonly (number | null)[]): readonly (number | null)[] {
  const { bytes } = packed(values);
  const unpacked = unpackNumbers(bytes, FROM * WORD_BYTES, values.length);
  assert.equal(unpacked.end, bytes.length);
  return unpacked.values;
}

const decimal = fc.tuple(fc.integer(), fc.integer({ min: 0, max: 6 })).map(([digits, scale]) => digits / 10 ** scale);
const number = fc.oneof(decimal, fc.float({ noNaN: true }), fc.double({ noNaN: true }), fc.maxSafeInteger());

test('numbers are read as they were written, to the last bit', () => {
  fc.assert(
    fc.property(fc.array(fc.option(number), { maxLength: 70 }), (values) => {
      // Strict equality of assert tells the two zeros apart.
      assert.deepEqual(read(values), values);
    }),
    { numRuns: 1_000 },
  );
});

test('thousandths and float32 take a word, others two, a missing one none, and sixteen one for their kinds', () => {
  const edge = (2 ** 31 - 1) / 1_000;
  for (const [value, words] of [
    ...([0, 1, -1.5, 0.001, 12.345, edge, -edge, 0.3] as const).map((it) => [it, 1] as const),
    ...[-0, 2 ** 31, Math.fround(0.1), Number.POSITIVE_INFINITY, 2 ** -149].map((it) => [it, 1] as const),
    ...[0.1 + 0.2, 0.0001, edge + 0.001, -edge - 0.001, 1.7e12, 1e300, 2 ** -1074].map((it) => [it, 2] as const),
    ...[null, Number.NaN].map((it) => [it, 0] as const),
  ]) {
    assert.equal(packed([value]).words, 1 + words, `${value}`);
    assert.deepEqual(read([value]), [Number.isNaN(value) ? null : value]);
  }
  assert.equal(packed(Array(16).fill(1)).words, 17);
  assert.equal(packed(Array(17).fill(1)).words, 19);
  assert.equal(packed([]).words, 0);
});

interface PackedRow extends Packed {
  readonly told: number;
}

function packedRow(values: readonly (number | null)[]): PackedRow {
  const bytes = Buffer.alloc(WORD_BYTES * FROM + packedBytesMax(values.length), 0xff);
  const memory: Words = { ints: new Int32Array(bytes.buffer), floats: new Float32Array(bytes.buffer) };
  const end = packRow(memory, 0, FROM, values);
  assert.ok(end * WORD_BYTES <= bytes.length);
  return { bytes: bytes.subarray(0, end * WORD_BYTES), words: end - FROM, told: bytes.readUInt32LE(0) };
}

function readRow(values: readonly (number | null)[]): readonly (number | null)[] {
  const { bytes, told } = packedRow(values);
  assert.equal(told & ROW_SPARE, 0);
  const unpacked = unpackRow(bytes, FROM * WORD_BYTES, told | ROW_SPARE);
  assert.equal(unpacked.end, bytes.length);
  return unpacked.values;
}

test('rows are read as they were written, to the last bit', () => {
  const small = fc.integer({ min: -33_000, max: 33_000 }).map((it) => it / 1_000);
  const whole = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map((it) => it / 1_000);
  const rows = [small, whole, number].map((each) => fc.array(each, { maxLength: 40 }));
  const mostly = fc.array(fc.option(fc.oneof({ weight: 30, arbitrary: small }, number), { freq: 30 }));
  fc.assert(
    fc.property(fc.oneof(...rows, mostly), (values) => assert.deepEqual(readRow(values), values)),
    { numRuns: 2_000 },
  );
});

test('a row of thousandths takes half a word for each number where all are small, and a word where not', () => {
  type Values = readonly (number | null)[];
  const small: readonly Values[] = [[], [0], [32.767, -32.768], [1, 2, 3], [0.1, 0.2, 0.3, 0.4]];
  const whole: readonly Values[] = [[32.768], [1, -32.769], [1, 2, 1_000], [2 ** 31 / -1_000]];
  const mixed: readonly Values[] = [[-0], [0.5, -0], [2 ** 31], [1, 0.0001], [null], [1, null], [Number.NaN, 1, 2]];
  for (const values of small) assert.equal(packedRow(values).words, Math.ceil(values.length / 2), `${values}`);
  for (const values of whole) assert.equal(packedRow(values).words, values.length, `${values}`);
  for (const values of mixed) assert.equal(packedRow(values).words, packed(values).words, `${values}`);
  for (const values of [...small, ...whole, ...mixed]) {
    const expected = values.map((value) => (Number.isNaN(value) ? null : value));
    assert.deepEqual(readRow(values), expected);
  }
});

test('numbers that are not all there are refused', () => {
  const { bytes } = packed([1, 0.1 + 0.2]);
  for (let end = FROM * WORD_BYTES; end < bytes.length; end++) {
    assert.throws(() => unpackNumbers(bytes.subarray(0, end), FROM * WORD_BYTES, 2), RangeError);
  }
  assert.throws(() => unpackNumbers(bytes, 0, 2 ** 29 - 1), RangeError);
  for (const values of [
    [1, 2, 3],
    [1, 2, 1_000],
    [1, null, 0.1 + 0.2],
  ]) {
    const row = packedRow(values);
    for (let end = FROM * WORD_BYTES; end < row.bytes.length; end++) {
      assert.throws(() => unpackRow(row.bytes.subarray(0, end), FROM * WORD_BYTES, row.told), RangeError);
    }
  }
  for (const told of [0x0fff_ffff, 0x17ff_ffff, 0x1fff_ffff]) {
    assert.throws(() => unpackRow(packed([1]).bytes, 0, told), RangeError);
  }
});
