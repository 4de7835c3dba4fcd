import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TokenBuckets } from './token-buckets.ts';

const traffic = fc.array(fc.record({ afterMs: fc.nat(500), tokens: fc.integer({ min: 1, max: 5 }) }), {
  minLength: 1,
  maxLength: 60,
});

test('in any span of time no key is given more than a burst and what came in since', () => {
  const rule = fc.record({
    perMs: fc.double({ min: 1e-4, max: 1, noNaN: true }),
    burst: fc.integer({ min: 5, max: 40 }),
  });
  fc.assert(
    fc.property(rule, traffic, ({ perMs, burst }, requests) => {
      const buckets = new TokenBuckets({ perMs, burst });
      const taken: { readonly at: number; readonly tokens: number }[] = [];
      let now = 1_000;
      for (const { afterMs, tokens } of requests) {
        now += afterMs;
        const told = buckets.waitMs('k', tokens, now);
        const waitMs = buckets.take('k', tokens, now);
        assert.equal(told, waitMs);
        if (waitMs === 0) taken.push({ at: now, tokens });
      }
      for (const [i, first] of taken.entries()) {
        let sum = 0;
        for (const { at, tokens } of taken.slice(i)) {
          sum += tokens;
          assert.ok(sum <= burst + perMs * (at - first.at) + 1e-6);
        }
      }
    }),
  );
});

test('who comes again when told to is let in, and whoever stays below the rate always is', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-3, max: 1, noNaN: true }), traffic, (perMs, requests) => {
      const buckets = new TokenBuckets({ perMs, burst: 5 });
      let now = 0;
      for (const { tokens } of requests) {
        const waitMs = buckets.take('k', tokens, now);
        if (waitMs > 0) {
          now += waitMs;
          assert.equal(buckets.take('k', tokens, now), 0);
        }
      }
      for (const { tokens } of requests) {
        now += tokens / perMs;
        assert.equal(buckets.take('k', tokens, now), 0);
      }
    }),
  );
});

test('a refusal costs nothing, what is given back is there again, and keys do not touch each other', () => {
  const buckets = new TokenBuckets({ perMs: 0.001, burst: 3 });

  assert.equal(buckets.take('a', 2, 0), 0);
  for (let i = 0; i < 5; i++) assert.equal(buckets.take('a', 2, 0), 1_000);
  assert.equal(buckets.take('a', 1, 0), 0);
  buckets.giveBack('a', 1);
  assert.equal(buckets.take('a', 1, 0), 0);
  assert.equal(buckets.take('b', 3, 0), 0);
});
