import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { psi } from '../drift/psi.ts';
import {
  countBins,
  countCategories,
  frozenBins,
  frozenCategories,
  mergeCategoryCounts,
  mergeCounts,
} from './binning.ts';
import { countsOf, mergeProfiles, profileLike, profileOf } from './profile.ts';
import { quantileOfSorted } from './quantile.ts';

const values = fc.array(fc.double({ min: -1e6, max: 1e6 }), { maxLength: 200 }).map((list) => Float64Array.from(list));
const words = fc.array(fc.option(fc.constantFrom('a', 'b', 'c', 'd', '__proto__')), { maxLength: 60 });
const total = (list: readonly number[]): number => list.reduce((sum, count) => sum + count, 0);

test('quantile bins hold about equal shares of their reference', () => {
  const reference = Float64Array.from({ length: 1000 }, (_, i) => Math.sin(i) * 10);
  const { bins, below, above } = countBins(frozenBins(reference), reference);
  assert.deepEqual([bins.length, below, above], [10, 0, 0]);
  for (const count of bins) assert.ok(Math.abs(count - 100) <= 1);
});

test('every value falls into exactly one bin or is missing', () => {
  fc.assert(
    fc.property(values, values, fc.integer({ min: 2, max: 40 }), (reference, current, bins) => {
      const counts = countBins(frozenBins(reference, { bins }), current);
      assert.equal(total(counts.bins) + counts.missing, current.length);
      assert.equal(counts.missing, current.filter(Number.isNaN).length);
    }),
  );
});

test('values outside the range of the reference are in the outer bins and counted apart', () => {
  const edges = frozenBins(
    Float64Array.from({ length: 100 }, (_, i) => i),
    { bins: 4 },
  );
  const counts = countBins(edges, Float64Array.of(-5, Number.NEGATIVE_INFINITY, 50, 500, Number.POSITIVE_INFINITY));
  assert.deepEqual(counts, { bins: [2, 0, 1, 2], below: 2, above: 2, missing: 0 });
});

test('counts of parts add up to the counts of the whole', () => {
  fc.assert(
    fc.property(values, values, values, (reference, a, b) => {
      const edges = frozenBins(reference);
      const whole = countBins(edges, Float64Array.of(...a, ...b));
      assert.deepEqual(mergeCounts(countBins(edges, a), countBins(edges, b)), whole);
    }),
  );
  fc.assert(
    fc.property(words, words, (a, b) => {
      const whole = countCategories(['a', 'c'], [...a, ...b]);
      const merged = mergeCategoryCounts(countCategories(['a', 'c'], a), countCategories(['a', 'c'], b));
      assert.deepEqual(merged, whole);
    }),
  );
});

test('a constant, a flag and a nearly constant column still show a change', () => {
  const columns: [Float64Array, Float64Array][] = [
    [new Float64Array(100).fill(7), new Float64Array(100).fill(7.1)],
    [new Float64Array(100), new Float64Array(100).fill(-1e-9)],
    [new Float64Array(100).fill(0, 1).fill(1, 0, 3), new Float64Array(100).fill(1, 0, 40)],
    [Float64Array.from({ length: 100 }, (_, i) => (i < 96 ? 0 : i)), new Float64Array(100).fill(50)],
  ];
  for (const [reference, current] of columns) {
    const edges = frozenBins(reference);
    const shift = psi(countBins(edges, reference).bins, countBins(edges, current).bins);
    assert.ok(shift !== null && shift > 0.5, `edges ${edges}: ${shift}`);
  }
});

test('a column of 32-bit floats is binned like the same numbers as doubles', () => {
  fc.assert(
    fc.property(values, (list) => {
      const single = Float32Array.from(list);
      assert.deepEqual(countBins(frozenBins(single), single), countBins(frozenBins(Float64Array.from(single)), single));
    }),
  );
});

test('bad numbers of bins and edges out of order are refused by name', () => {
  assert.throws(() => frozenBins(Float64Array.of(1), { bins: 1 }), {
    code: 'math/bad-input',
    message: /bins.*2 to 1000/,
  });
  assert.throws(() => countBins([1, 1], Float64Array.of(1)), { code: 'math/bad-input' });
});

test('known categories are the most frequent of the reference, the rest is other', () => {
  const reference = ['b', 'a', 'b', null, 'c', 'a', 'b'];
  const known = frozenCategories(reference, { limit: 2 });
  assert.deepEqual(known, ['b', 'a']);
  assert.deepEqual(countCategories(known, reference), { bins: [3, 2], other: 1, missing: 1 });
});

const reference = {
  delay: Float32Array.of(1, 2, 3, 4, 5, Number.NaN),
  origin: ['ATL', 'ORD', 'ATL', null, 'DFW', 'ORD'],
};

test('a profile of later windows merges to the profile of all their rows and survives JSON', () => {
  const frozen = profileOf(reference, { bins: 3 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.double(), fc.option(fc.constantFrom('ATL', 'LAX'))), { minLength: 2, maxLength: 50 }),
      fc.nat(),
      (rows, at) => {
        const table = (part: typeof rows) =>
          profileLike(frozen, { delay: Float64Array.from(part, ([x]) => x), origin: part.map(([, o]) => o) });
        const cut = at % rows.length;
        const merged = mergeProfiles(table(rows.slice(0, cut)), table(rows.slice(cut)));
        assert.deepEqual(merged, table(rows));
        assert.deepEqual(JSON.parse(JSON.stringify(merged)), merged);
      },
    ),
  );
});

test('the reference survives JSON exactly, so that later windows fall into the same bins', () => {
  fc.assert(
    fc.property(values, (list) => {
      const profile = profileOf({ x: list });
      assert.deepEqual(JSON.parse(JSON.stringify(profile)), profile);
    }),
    { examples: [[Float64Array.of(Number.MIN_VALUE)], [Float64Array.of(-Number.MIN_VALUE)]] },
  );
});

test('counts for a distance end with other and missing, so silence is a shift', () => {
  const frozen = profileOf(reference, { bins: 3 });
  assert.deepEqual(countsOf(frozen.columns['delay']!).at(-1), 1);
  assert.deepEqual(countsOf(frozen.columns['origin']!), [2, 2, 1, 0, 1]);
  const silent = profileLike(frozen, { delay: new Float64Array(6).fill(Number.NaN), origin: reference.origin });
  assert.ok((psi(countsOf(frozen.columns['delay']!), countsOf(silent.columns['delay']!)) ?? 0) > 1);
});

test('a window that lacks a column, has another kind or other bins is refused by the name of the column', () => {
  const frozen = profileOf(reference);
  assert.throws(() => profileLike(frozen, { delay: reference.delay }), { code: 'math/bad-input', message: /origin/ });
  assert.throws(() => profileLike(frozen, { ...reference, delay: ['1'] }), { message: /delay must be a numeric/ });
  assert.throws(() => profileOf({ ...reference, origin: ['ATL'] }), { message: /origin must have 6 rows/ });
  const others = profileOf({ ...reference, delay: Float32Array.of(9, 8, 7, 6, 5, 4) });
  assert.throws(() => mergeProfiles(frozen, others), { message: /delay must be counted over the same bins/ });
});

test('a quantile of sorted values interpolates between neighbours', () => {
  assert.equal(quantileOfSorted([1, 2, 4], 0.75), 3);
  assert.equal(quantileOfSorted([5], 0.3), 5);
  assert.throws(() => quantileOfSorted([], 0.5), { code: 'math/bad-input' });
});
