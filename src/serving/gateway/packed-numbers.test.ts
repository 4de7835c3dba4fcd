import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { packedBytesMax, packNumbers, unpackNumbers, type Words } from './packed-numbers.ts';

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

test('numbers that are not all there are refused', () => {
  const { bytes } = packed([1, 0.1 + 0.2]);
  for (let end = FROM * WORD_BYTES; end < bytes.length; end++) {
    assert.throws(() => unpackNumbers(bytes.subarray(0, end), FROM * WORD_BYTES, 2), RangeError);
  }
  assert.throws(() => unpackNumbers(bytes, 0, 2 ** 29 - 1), RangeError);
});
