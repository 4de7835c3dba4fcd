import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '#core/clock';
import { AdaptiveLimit } from './adaptive-limit.ts';
import { Bulkhead } from './bulkhead.ts';
import { CircuitBreaker } from './circuit-breaker.ts';

const SPEC = { failureRate: 0.5, requestsMin: 10, windowMs: 1_000, openMs: 500, probes: 2 };

test('a breaker opens when enough requests fail, tries after its pause, and closes when the tries succeed', () => {
  const breaker = new CircuitBreaker(SPEC);
  const ask = (succeeds: boolean, at: number): boolean => {
    const allowed = breaker.allows(at);
    if (allowed) breaker.observe(succeeds, at);
    return allowed;
  };
  for (let i = 0; i < 9; i++) assert.equal(ask(false, i), true);
  assert.equal(breaker.state, 'closed');
  ask(false, 10);
  assert.equal(breaker.state, 'open');
  assert.equal(ask(true, 400), false);
  assert.equal(breaker.waitMs(400), 110);

  assert.equal(ask(false, 511), true);
  assert.equal(breaker.state, 'open');
  assert.deepEqual([ask(true, 600), ask(true, 1_012), ask(true, 1_013)], [false, true, true]);
  assert.equal(breaker.state, 'closed');
});

test('failures that lie back further than the window do not open a breaker', () => {
  const breaker = new CircuitBreaker(SPEC);
  for (let i = 0; i < 9; i++) breaker.observe(false, i);
  for (let i = 0; i < 10; i++) breaker.observe(i !== 0, 2_000 + i);

  assert.equal(breaker.state, 'closed');
});

test('whatever comes, an open breaker lets through at most its tries in a pause, and never stays shut for ever', () => {
  const step = fc.record({ afterMs: fc.nat(300), succeeds: fc.boolean(), answered: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const breaker = new CircuitBreaker(SPEC);
      let now = 0;
      let tries: number[] = [];
      for (const { afterMs, succeeds, answered } of steps) {
        now += afterMs;
        const before = breaker.state;
        const allowed = breaker.allows(now);
        if (before === 'closed') assert.ok(allowed);
        else if (allowed) tries = [...tries.filter((at) => at > now - SPEC.openMs), now];
        assert.ok(tries.length <= SPEC.probes * 2);
        if (allowed && answered) breaker.observe(succeeds, now);
        if (breaker.state === 'closed') tries = [];
      }
      assert.ok(breaker.allows(now + SPEC.openMs));
    }),
  );
});

test('an adaptive limit stays within its bounds, falls while latency grows and rises when it is back', () => {
  const limit = new AdaptiveLimit({ min: 4, max: 200 });
  let now = 0;
  const windows = (count: number, latencyMs: number): void => {
    for (let i = 0; i < count * 10; i++) {
      now += 11;
      limit.observe(latencyMs, limit.limit, now);
    }
  };
  windows(200, 10);
  const calm = limit.limit;
  assert.ok(calm > 100, `${calm}`);
  windows(20, 200);
  const busy = limit.limit;
  assert.ok(busy < calm / 2, `${busy}`);
  windows(400, 10);
  assert.ok(limit.limit > 100, `${limit.limit}`);

  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(10_000), fc.nat(500), fc.nat(500)), { maxLength: 300 }), (samples) => {
      const bounded = new AdaptiveLimit({ min: 3, max: 50 });
      let at = 0;
      for (const [latencyMs, inWork, afterMs] of samples) {
        at += afterMs;
        bounded.observe(latencyMs, inWork, at);
        assert.ok(bounded.limit >= 3 && bounded.limit <= 50);
      }
    }),
  );
});

test('an idle endpoint learns nothing: its limit is that of before', () => {
  const limit = new AdaptiveLimit({ min: 4, max: 200 });
  const before = limit.limit;
  for (let i = 0; i < 1_000; i++) limit.observe(i % 50, 1, i * 20);

  assert.equal(limit.limit, before);
});

test('never are more requests in work than a bulkhead has places, and places come back', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 200 }), (entering) => {
      const bulkhead = new Bulkhead('e', { max: 5, adaptive: false }, new ManualClock());
      const open: ((answered: boolean) => void)[] = [];
      for (const enters of entering) {
        if (!enters) open.shift()?.(true);
        else if (open.length < 5) open.push(bulkhead.enter());
        else assert.throws(() => bulkhead.enter(), { code: 'gateway/overloaded', retryAfterMs: 1_000 });
      }
    }),
  );
});
