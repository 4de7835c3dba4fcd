import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, seededRandom } from '#core/random';
import { rocAuc } from '../metric/binary.ts';
import { bootstrapDifference, type PairedScores } from './bootstrap.ts';
import { gaussian } from './simulated-traffic.ts';

/** Days of paired scores whose quality shares a daily cause: `gain` is how much more of the signal b carries. */
function scored(random: Random, days: number, gain: number): PairedScores {
  const rows = days * 60;
  const paired = {
    a: new Float64Array(rows),
    b: new Float64Array(rows),
    labels: new Uint8Array(rows),
    blocks: Int32Array.from({ length: rows }, (_, i) => Math.floor(i / 60)),
  };
  let cause = 0;
  for (let i = 0; i < rows; i++) {
    if (i % 60 === 0) cause = 0.5 * gaussian(random);
    const signal = gaussian(random);
    paired.labels[i] = signal + gaussian(random) > 0 ? 1 : 0;
    paired.a[i] = signal * (1 - cause) + gaussian(random);
    paired.b[i] = signal * (1 + cause + gain) + gaussian(random);
  }
  return paired;
}

const meanScore = (scores: Float64Array): number => scores.reduce((sum, score) => sum + score, 0) / scores.length;

test('the interval of a difference of AUC holds the estimate and shows a real gain', () => {
  const paired = scored(seededRandom(1), 30, 1);
  const found = bootstrapDifference(paired, rocAuc, { random: seededRandom(2), resamples: 300 });
  assert.ok(found && found.low <= found.estimate && found.estimate <= found.high && found.low > 0);
  assert.equal(found.blocks, 30);
  assert.equal(
    found.estimate,
    rocAuc(Float64Array.from(paired.b), paired.labels)! - rocAuc(Float64Array.from(paired.a), paired.labels)!,
  );
});

test('equal seeds give equal intervals, other seeds others', () => {
  const paired = scored(seededRandom(1), 20, 0);
  const run = (seed: number) => bootstrapDifference(paired, rocAuc, { random: seededRandom(seed), resamples: 100 });
  assert.deepEqual(run(5), run(5));
  assert.notDeepEqual(run(5), run(6));
});

test('blocks keep the level where single requests as blocks lose it', (t) => {
  const random = seededRandom(3);
  const runs = 200;
  let [byDay, byRequest] = [0, 0];
  for (let run = 0; run < runs; run++) {
    const b = new Float64Array(30 * 20);
    for (let day = 0, i = 0; day < 30; day++) {
      const cause = gaussian(random);
      for (let k = 0; k < 20; k++) b[i++] = cause + gaussian(random);
    }
    const zeros = new Float64Array(b.length);
    const misses = (blocks: ArrayLike<number>): boolean => {
      const found = bootstrapDifference({ a: zeros, b, labels: zeros, blocks }, meanScore, { random, resamples: 200 });
      return found !== null && (found.low > 0 || found.high < 0);
    };
    if (misses(Array.from(b, (_, i) => Math.floor(i / 20)))) byDay++;
    if (misses(Array.from(b, (_, i) => i))) byRequest++;
  }
  t.diagnostic(`95 % intervals that miss the truth in ${runs} runs: ${byDay} by day, ${byRequest} by request`);
  assert.ok(byDay / runs <= 0.12 && byRequest / runs >= 0.3);
});

test('a metric that is undefined on all requests has no interval; rare undefined resamples are counted', () => {
  const random = seededRandom(4);
  const paired = scored(random, 10, 0);
  const oneClass = { ...paired, labels: new Uint8Array(paired.a.length) };
  assert.equal(bootstrapDifference(oneClass, rocAuc, { random, resamples: 100 }), null);
  const rare = { ...paired, labels: paired.labels.map((_, i) => (i < 60 || (i >= 120 && i < 180) ? i % 2 : 0)) };
  const found = bootstrapDifference(rare, rocAuc, { random, resamples: 200 });
  assert.ok(found && found.undefinedResamples > 0 && found.undefinedResamples < 100);
});

test('too few blocks, resamples or rows are refused by field', () => {
  const random = seededRandom(5);
  assert.throws(() => bootstrapDifference(scored(random, 4, 0), rocAuc, { random }), { message: /blocks.*5/ });
  const paired = scored(random, 6, 0);
  assert.throws(() => bootstrapDifference(paired, rocAuc, { random, resamples: 9 }), { message: /resamples/ });
  const short = { ...paired, labels: new Uint8Array(3) };
  assert.throws(() => bootstrapDifference(short, rocAuc, { random }), { code: 'math/bad-input', message: /labels/ });
});
