import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { armDraw, type Weighted } from './draw-arm.ts';

const KEYS = 4_000;
const keys = (prefix: string): string[] => Array.from({ length: KEYS }, (_, i) => `${prefix}/${i}`);

const weights = fc.array(fc.integer({ min: 2, max: 100 }), { minLength: 2, maxLength: 9 });
const armsOf = (all: readonly number[]): Weighted[] => all.map((weight, i) => ({ name: `a${i}`, weight }));

/** So many standard deviations are exceeded once in some 10^9 draws. */
const DEVIATIONS_MAX = 6.5;

function assertShare(count: number, share: number, of = KEYS): void {
  const deviation = Math.sqrt(of * share * (1 - share)) + 1;
  assert.ok(Math.abs(count - of * share) < DEVIATIONS_MAX * deviation, `${count} of ${of}, not ${of * share}`);
}

describe('the draw of an arm', () => {
  test('each arm gets its share of the keys', () => {
    fc.assert(
      fc.property(weights, fc.integer(), (all, seed) => {
        const draw = armDraw(armsOf(all));
        const total = all.reduce((sum, weight) => sum + weight, 0);
        const counts = new Map<string, number>();
        for (const key of keys(`k${seed}`)) counts.set(draw(key), (counts.get(draw(key)) ?? 0) + 1);
        for (const [i, weight] of all.entries()) assertShare(counts.get(`a${i}`) ?? 0, weight / total);
      }),
      { numRuns: 20 },
    );
  });

  test('an arm that comes or goes moves its own share, and no key between the others', () => {
    fc.assert(
      fc.property(weights, fc.integer(), fc.nat(), (all, seed, place) => {
        const arms = armsOf(all);
        const gone = arms[place % arms.length] as Weighted;
        const rest = arms.filter((arm) => arm !== gone);
        const [before, after] = [armDraw(arms), armDraw(rest)];
        const total = all.reduce((sum, weight) => sum + weight, 0);
        const taken = new Map<string, number>();
        let moved = 0;
        for (const key of keys(`k${seed}`)) {
          const [a, b] = [before(key), after(key)];
          if (a !== gone.name) assert.equal(b, a);
          else moved += 1;
          if (a === gone.name) taken.set(b, (taken.get(b) ?? 0) + 1);
        }
        assertShare(moved, gone.weight / total);
        // And what moves is shared out as the others are.
        for (const { name, weight } of rest) assertShare(taken.get(name) ?? 0, weight / (total - gone.weight), moved);
      }),
      { numRuns: 20 },
    );
  });

  test('an arm that gets more weight takes keys and gives none away', () => {
    fc.assert(
      fc.property(weights, fc.integer(), fc.nat(), fc.integer({ min: 1, max: 50 }), (all, seed, place, more) => {
        const arms = armsOf(all);
        const grown = place % arms.length;
        const before = armDraw(arms);
        const after = armDraw(arms.map((arm, i) => (i === grown ? { ...arm, weight: arm.weight + more } : arm)));
        for (const key of keys(`k${seed}`)) {
          if (after(key) !== before(key)) assert.equal(after(key), `a${grown}`);
        }
      }),
      { numRuns: 20 },
    );
  });

  test('weights are relative, and an arm without one gets nothing', () => {
    const halves = armDraw([
      { name: 'a', weight: 25 },
      { name: 'b', weight: 25 },
      { name: 'c', weight: 0 },
    ]);
    const same = armDraw([
      { name: 'b', weight: 50 },
      { name: 'a', weight: 50 },
    ]);
    for (const key of keys('k')) assert.equal(halves(key), same(key));
  });
});
