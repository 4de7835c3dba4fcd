import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#core/random';
import { assignBins, findCuts, MISSING_BIN } from './bins.ts';

const columns = fc
  .array(fc.oneof(fc.float({ noDefaultInfinity: true }), fc.integer({ min: -3, max: 3 })), { maxLength: 200 })
  .map((values) => Float32Array.from(values));
const binLimits = fc.integer({ min: 2, max: 255 });

function binsOf(values: Float32Array, cuts: Float32Array): Uint8Array {
  const bins = new Uint8Array(values.length);
  assignBins([values], [cuts], bins);
  return bins;
}

test('cuts ascend, and there are at most maxBins bins', () => {
  fc.assert(
    fc.property(columns, binLimits, (values, maxBins) => {
      const cuts = findCuts(values, maxBins, 1);
      assert.ok(cuts.length < maxBins);
      for (let i = 1; i < cuts.length; i++) assert.ok(cuts[i]! > cuts[i - 1]!);
    }),
  );
});

test('values share a bin only when equal, as long as there are no more distinct values than bins', () => {
  fc.assert(
    fc.property(columns, (values) => {
      const distinct = new Set([...values].filter((value) => !Number.isNaN(value)).map((value) => value + 0));
      const bins = binsOf(values, findCuts(values, 255, 1));
      assert.equal(new Set([...bins].filter((bin) => bin !== MISSING_BIN)).size, distinct.size);
    }),
  );
});

test('the bin of a value is the number of cuts below it; a missing value has its own', () => {
  fc.assert(
    fc.property(columns, binLimits, (values, maxBins) => {
      const cuts = findCuts(values, maxBins, 1);
      const expected = Array.from(values, (x) =>
        Number.isNaN(x) ? MISSING_BIN : cuts.filter((cut) => cut < x).length,
      );
      assert.deepEqual([...binsOf(values, cuts)], expected);
    }),
  );
});

test('many distinct values fill the bins evenly', () => {
  const random = seededRandom(1);
  const values = Float32Array.from({ length: 100_000 }, () => Math.exp(8 * random.next()));
  const counts = new Uint32Array(256);
  for (const bin of binsOf(values, findCuts(values, 255, 1))) counts[bin]!++;
  const used = counts.filter((count) => count > 0);
  assert.equal(used.length, 255);
  assert.ok(Math.max(...used) < 1.1 * (100_000 / 255), `${Math.max(...used)}`);
});

test('a value heavier than a bin gets a bin of its own and leaves the others to the rest', () => {
  const random = seededRandom(2);
  const values = Float32Array.from({ length: 50_000 }, (_, row) => (row % 2 === 0 ? 0.5 : random.next()));
  const bins = binsOf(values, findCuts(values, 100, 1));
  const counts = new Uint32Array(256);
  for (const bin of bins) counts[bin]!++;
  const heavy = bins[values.indexOf(0.5)]!;
  assert.equal(counts[heavy], values.filter((value) => value === 0.5).length);
  const light = counts.filter((count, bin) => count > 0 && bin !== heavy);
  assert.ok(light.length >= 97);
  assert.ok(Math.max(...light) < 1.5 * (25_000 / 99), `${Math.max(...light)}`);
});

test('heavy values keep bins of their own when light values between them use up the rest', () => {
  const heavy = Array.from({ length: 60 }, (_, k) => Array<number>(200).fill(k)).flat();
  // Behind each of the first four heavy values 140 light ones, behind each of the others a single one.
  const light = Array.from({ length: 60 }, (_, k) =>
    Array.from({ length: k < 4 ? 140 : 1 }, (_, i) => k + (i + 1) / 256),
  ).flat();
  const cuts = findCuts(Float32Array.from([...heavy, ...light]), 64, 1);
  const bins = binsOf(
    Float32Array.from({ length: 60 }, (_, k) => k),
    cuts,
  );
  assert.equal(new Set(bins).size, 60);
});

test('cuts of more rows than are sampled still fill the bins evenly', () => {
  const values = Float32Array.from({ length: 300_000 }, (_, row) => row);
  const counts = new Uint32Array(256);
  for (const bin of binsOf(values, findCuts(values, 10, 1))) counts[bin]!++;
  for (const count of counts.subarray(0, 10)) assert.ok(Math.abs(count - 30_000) < 1000, `${count}`);
});
