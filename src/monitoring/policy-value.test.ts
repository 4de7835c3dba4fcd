import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#core/random';
import { forEachDialect } from '#testing/databases';
import type { PredictionRecord } from './contract.ts';
import { monitoringMigrations } from './index.ts';
import { type Drawn, policyValues } from './policy-value.ts';
import { openMonitoring, START, traffic } from './testing.ts';

const HOUR = 3_600_000;

/**
 * A fortnight of offers: the candidate sells at .3 where the current one sells at .2, and the canary grows from 10 % to
 * 50 % in a week in which everything sells twice as well.
 */
function offers(seed: number): Drawn[] {
  const random = seededRandom(seed);
  return Array.from({ length: 336 * 20 }, (_, i) => {
    const second = i >= 168 * 20;
    const propensityOfCandidate = second ? 0.5 : 0.1;
    const candidate = random.next() < propensityOfCandidate;
    const rates = second ? [0.4, 0.6] : [0.2, 0.3];
    return {
      ...{ at: START + Math.floor(i / 20) * HOUR + i, arm: candidate ? 'candidate' : 'current' },
      propensity: candidate ? propensityOfCandidate : 1 - propensityOfCandidate,
      scores: { current: rates[0] as number, candidate: rates[1] as number },
      label: random.next() < (rates[candidate ? 1 : 0] as number) ? 1 : 0,
    };
  });
}

test('each arm is worth what it would have sold to all, which the plain shares of a growing canary get wrong', (t) => {
  const drawn = offers(1);
  const { requests, hours, policies } = policyValues(drawn);
  assert.deepEqual([requests, hours], [6_720, 336]);
  const truth: Record<string, number> = { current: 0.3, candidate: 0.45 };
  const plain = drawn.filter(({ arm }) => arm === 'candidate');
  const naive = plain.reduce((sum, { label }) => sum + label, 0) / plain.length;
  t.diagnostic(`candidate: ${JSON.stringify(policies[1])}; plain share ${naive.toFixed(3)}`);
  assert.ok(naive > 0.52, `${naive}`);
  for (const { policy, ips, dr } of policies) {
    for (const { value, interval } of [ips, dr]) {
      const expected = truth[policy] ?? Number.NaN;
      assert.ok(value !== null && Math.abs(value - expected) < 0.03, `${policy} ${value}`);
      assert.ok(interval && interval.low <= expected && expected <= interval.high);
    }
    const width = ({ interval }: typeof ips): number => (interval ? interval.high - interval.low : Number.NaN);
    if (policy === 'candidate') assert.ok(width(dr) < width(ips));
  }
});

test('each of several arms is worth what it would have sold, whatever its share and until it was taken out', () => {
  const random = seededRandom(3);
  const rates: Record<string, number> = { current: 0.2, small: 0.3, wide: 0.1 };
  const drawn: Drawn[] = Array.from({ length: 336 * 30 }, (_, i) => {
    // `wide` is out in the second week, in which everything sells half as well again.
    const second = i >= 168 * 30;
    const shares = second ? { current: 0.8, small: 0.2, wide: 0 } : { current: 0.5, small: 0.3, wide: 0.2 };
    const at = random.next();
    const arm = at < shares.current ? 'current' : at < shares.current + shares.small ? 'small' : 'wide';
    const label = random.next() < (rates[arm] ?? 0) * (second ? 1.5 : 1) ? 1 : 0;
    return { at: START + Math.floor(i / 30) * HOUR + i, arm, propensity: shares[arm], scores: {}, label };
  });
  const truth: Record<string, number> = { current: 0.25, small: 0.375, wide: 0.1 };
  const { policies } = policyValues(drawn);
  assert.deepEqual(
    policies.map(({ policy }) => policy),
    ['current', 'small', 'wide'],
  );
  for (const { policy, ips, dr } of policies) {
    for (const { value } of [ips, dr])
      assert.ok(Math.abs((value ?? 0) - (truth[policy] ?? 0)) < 0.03, `${policy} ${value}`);
  }
});

test('an empty log gives no value, and few hours no interval', () => {
  assert.deepEqual(policyValues([]).policies[0]?.dr.value, null);
  const few = policyValues(offers(2).slice(0, 100)).policies[0]?.dr;
  assert.ok(few?.value !== null && few?.interval === null);
});

forEachDialect('Policy values', monitoringMigrations, (open) => {
  test('rest on the labelled requests whose arm was drawn', async () => {
    const { monitoring, close } = await openMonitoring(open);
    const { records, labels } = traffic({ hours: 24 });
    const named: PredictionRecord = { ...(records[0] as PredictionRecord), id: 'named', propensity: 1 };
    const failed: PredictionRecord = {
      ...(records[0] as PredictionRecord),
      ...{ id: 'failed', fallback: { revision: 'm@2', error: 'late' } },
    };
    await monitoring.recordPredictions([...records, named, failed]);
    const label = { value: 1 as const, knownAt: START + 1 };
    await monitoring.recordLabels([...labels, { prediction: 'named', ...label }, { prediction: 'failed', ...label }]);

    const { requests, policies } = await monitoring.readings.policyValue('ro_1');

    assert.equal(requests, labels.length + 1);
    const candidate = records.filter(({ arm }) => arm === 'candidate').map(({ id }) => id);
    const sold = labels.filter(({ prediction, value }) => value === 1 && candidate.includes(prediction)).length + 1;
    assert.ok(Math.abs((policies[1]?.ips.value ?? 0) - (2 * sold) / requests) < 1e-9);
    assert.equal((await monitoring.readings.policyValue('ro_2')).requests, 0);
    await close();
  });
});
