import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { KedgeError } from '#core/errors';
import { encodeState, type StateColumns, StateReader } from './state-codec.ts';

/** Numbers around the edges of every encoding: whole, 32-bit ranges, single and double precision, signed zero. */
const numbers = fc.oneof(
  fc.integer({ min: -100, max: 100 }),
  fc.constantFrom(0xffffffff, 0x100000000, -0, 0.5, 0.1, 2 ** 24 + 1, 2 ** 53, 1e300, Number.NaN, -Infinity, Infinity),
  fc.double(),
);

const states: fc.Arbitrary<StateColumns> = fc
  .record({ rows: fc.nat(20), names: fc.uniqueArray(fc.constantFrom('delay', 'late', 'größe', 'x'), { maxLength: 4 }) })
  .chain(({ rows, names }) => {
    const column = fc
      .constantFrom(numbers, fc.integer(), fc.integer({ min: 0, max: 0xffffffff }), fc.constantFrom(-0, 1))
      .chain((values) => fc.array(values, { minLength: rows, maxLength: rows }))
      .map((values) => Float64Array.from(values));
    return fc.record(
      {
        names: fc.constant([...names].sort()),
        droppedToMs: fc.constantFrom(Number.NEGATIVE_INFINITY, 0, 1e12),
        rows: fc.constant(rows),
        ids: column,
        knownMs: column,
        eventMs: column,
        values: fc.tuple(...names.map(() => column)),
      },
      { noNullPrototype: true },
    );
  });

const decoded = (reader: StateReader): StateColumns => ({
  names: reader.names,
  droppedToMs: reader.droppedToMs,
  rows: reader.rows,
  ids: reader.ids(),
  knownMs: reader.knownMs(),
  eventMs: reader.eventMs(),
  values: reader.names.map((_, column) => reader.values(column)),
});

const isCorrupt = (error: unknown): boolean =>
  error instanceof KedgeError && error.code === 'features/window-state-corrupt';

describe('the stored state', () => {
  it('gives back every double, whatever encoding was the narrowest, also from an unaligned slice', () => {
    fc.assert(
      fc.property(states, fc.integer({ min: 0, max: 9 }), (state, shift) => {
        const bytes = encodeState(state);
        const page = new Uint8Array(bytes.length + 20);
        page.set(bytes, shift);
        assert.deepEqual(decoded(new StateReader(page.subarray(shift, shift + bytes.length))), state);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps times that lie 2^32 milliseconds and more apart', () => {
    const times = Float64Array.of(1e12, 1e12 + 2 ** 32, 1e12 + 2 ** 33 + 1);
    const bytes = encodeState({
      names: [],
      droppedToMs: 0,
      rows: 3,
      ids: Float64Array.of(0, 2 ** 32 - 1, 2 ** 32),
      knownMs: times,
      eventMs: times,
      values: [],
    });
    const reader = new StateReader(bytes);
    assert.deepEqual(reader.knownMs(), times);
    assert.deepEqual(reader.ids(), Float64Array.of(0, 2 ** 32 - 1, 2 ** 32));
  });

  it('takes 20 bytes for a row with whole-number times of one month and two small values', () => {
    const rows = 1_000;
    const column = (step: number): Float64Array => Float64Array.from({ length: rows }, (_, i) => 1e12 + i * step);
    const small = Float64Array.from({ length: rows }, (_, i) => (i % 7) - 3);
    const state = { names: ['a', 'b'], droppedToMs: 0, rows, values: [small, small] };
    const bytes = encodeState({ ...state, ids: column(1), knownMs: column(2_600_000), eventMs: column(2_600_000) });
    assert.equal(bytes.length, 24 + 5 * 16 + 8 + rows * 20);
  });

  it('refuses every single changed byte and every truncation by name', () => {
    const column = Float64Array.of(1, 2, 3);
    const bytes = encodeState({
      names: ['delay'],
      droppedToMs: 5,
      rows: 3,
      ids: column,
      knownMs: column,
      eventMs: column,
      values: [Float64Array.of(0.1, Number.NaN, 3)],
    });
    for (let place = 0; place < bytes.length; place++) {
      const changed = bytes.slice();
      changed[place]! ^= 0x10;
      assert.throws(() => decoded(new StateReader(changed)), isCorrupt, `byte ${place}`);
      assert.throws(() => decoded(new StateReader(bytes.slice(0, place))), isCorrupt, `${place} bytes`);
    }
  });

  it('names a version that it does not know', () => {
    const bytes = encodeState({
      names: [],
      droppedToMs: 0,
      rows: 0,
      ids: new Float64Array(),
      knownMs: new Float64Array(),
      eventMs: new Float64Array(),
      values: [],
    });
    bytes[3] = 9;
    assert.throws(() => new StateReader(bytes), /version 9 is not known, only 1/);
  });
});
