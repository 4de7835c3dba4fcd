import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Guardrail } from './guardrail.ts';

const limits = { errorRateMax: 0.1, latencyP95MsMax: 50, requestsMin: 20, windowMs: 6_000 };

describe('a guardrail', () => {
  test('does not judge before it has seen enough', () => {
    const guardrail = new Guardrail(limits);

    const trips = Array.from({ length: 20 }, (_, i) => guardrail.observe('boom', 1, i));

    assert.deepEqual(trips.slice(0, 19), Array(19).fill(undefined));
    assert.deepEqual(trips[19], { reason: 'error-rate', observed: 1, limit: 0.1, requests: 20, error: 'boom' });
  });

  test('tolerates exactly its error rate and trips above it', () => {
    const guardrail = new Guardrail(limits);
    for (let i = 0; i < 18; i++) guardrail.observe(undefined, 1, i);

    assert.equal(guardrail.observe('boom', 1, 18), undefined);
    assert.equal(guardrail.observe('boom', 1, 19), undefined);
    assert.equal(guardrail.observe('boom', 1, 20)?.reason, 'error-rate');
  });

  test('tells the last error also when it trips with a request that was answered', () => {
    const guardrail = new Guardrail(limits);
    for (let i = 0; i < 19; i++) guardrail.observe(i < 5 ? `boom ${i}` : undefined, 1, i);

    assert.equal(guardrail.observe(undefined, 1, 19)?.error, 'boom 4');
  });

  test('trips when more than a twentieth of the answers is too slow', () => {
    const guardrail = new Guardrail(limits);
    for (let i = 0; i < 39; i++) guardrail.observe(undefined, 50, i);

    assert.equal(guardrail.observe(undefined, 51, 40), undefined);
    assert.equal(guardrail.observe(undefined, 51, 41), undefined);
    assert.equal(guardrail.observe(undefined, 51, 42)?.reason, 'latency');
  });

  test('forgets what left the window', () => {
    const guardrail = new Guardrail(limits);
    for (let i = 0; i < 19; i++) guardrail.observe('boom', 1, 0);

    assert.equal(guardrail.observe(undefined, 1, 6_000), undefined);
    for (let i = 0; i < 19; i++) assert.equal(guardrail.observe(undefined, 1, 6_001), undefined);
  });
});
