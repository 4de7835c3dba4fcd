import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#core/random';
import { weightOf } from '../weight.ts';
import { frozenBy } from './freeze.ts';
import type { Observation } from './observation.ts';
import { quietTraffic, type SimulatedTraffic, simulatedPlan, simulateRollout } from './simulated-rollout.ts';
import { ToldRollout } from './testing.ts';

const BLOCK = 10_000;

const planWith = (strategy: string, live: Record<string, unknown> = {}) =>
  simulatedPlan(strategy, { bake: '2m', ...live });

type Plan = ReturnType<typeof planWith>;

class Told extends ToldRollout<Plan> {
  /** Blocks of 400 requests that both arms score. */
  traffic(blocks: number, more: Partial<Observation> & { failures?: number; slower?: number } = {}): void {
    const { failures = 0, slower = 1, ...rest } = more;
    for (let i = 0; i < blocks; i++) {
      const weight = weightOf(this.state, this.plan);
      const candidate = Math.round(4 * weight);
      const { number, ...time } = this.nextBlock();
      const noise = 0.01 * (((number + 1) % 3) - 1);
      this.tell({
        kind: 'observation',
        observation: {
          ...{ ...time, rollout: 'r', weight, odd: [] },
          current: { answered: 400 - candidate, logLatencySum: (400 - candidate) * 3, scored: 400, failures: 1 },
          candidate: {
            ...{ answered: candidate, logLatencySum: candidate * (3 + noise + Math.log(slower)), scored: 400 },
            failures: 1 + failures,
          },
          pairs: { count: 400, flips: 8 },
          assigned: { current: 400 - candidate, candidate },
          ...rest,
        },
      });
    }
  }

  get path(): string[] {
    return this.decisions.map(({ from, to, weight }) => `${from}>${to} ${weight}`);
  }

  get hold(): string | undefined {
    return this.state.live?.hold?.kind;
  }
}

describe('a rollout that is decided on live traffic', () => {
  test('a canary takes its steps when each is baked and no harm is found, and becomes current', () => {
    const told = new Told(planWith('canary'));
    told.traffic(5);
    assert.equal(told.hold, 'baking');
    told.traffic(95);
    assert.deepEqual(told.path, [
      ...['canary>canary 10', 'canary>canary 25', 'canary>canary 50', 'canary>canary 100'],
      'canary>completed 100',
    ]);
    assert.match(told.decisions[0]?.sentence ?? '', /^The candidate did no harm: errors did not rise \(.*confidence/);
    assert.ok(told.decisions.every(({ findings }) => findings?.every(({ verdict }) => verdict === 'harmless')));
  });

  test('a canary that fails more often is rolled back, with the figures that say so', () => {
    const told = new Told(planWith('canary'));
    told.traffic(3, { failures: 20 });
    assert.deepEqual(told.path, ['canary>rolled-back 0']);
    const [decision] = told.decisions;
    assert.match(decision?.sentence ?? '', /^errors rose \(.* points of \d+ requests.*the endpoint is locked\.$/);
  });

  test('a canary that is slower than its margin is rolled back by blocks, and one within it is not', () => {
    const slow = new Told(planWith('canary'));
    slow.traffic(60, { slower: 1.5 });
    assert.match(slow.path[0] ?? '', /rolled-back/);
    assert.match(slow.decisions[0]?.sentence ?? '', /^latency rose \(\+.* %/);
    const fair = new Told(planWith('canary'));
    fair.traffic(100, { slower: 1.05 });
    assert.equal(fair.state.stage, 'completed');
  });

  test('a candidate whose decisions differ too often is rolled back', () => {
    const told = new Told(planWith('canary'));
    told.traffic(1, { pairs: { count: 60, flips: 30 } });
    assert.match(told.decisions[0]?.sentence ?? '', /^decisions differ too often \(.* limit 25 %/);
  });

  test('too little traffic holds a canary with the reason, until its time is over', () => {
    const told = new Told(planWith('canary', { maxDuration: '10m' }));
    const arm = { answered: 1, logLatencySum: 3, scored: 1, failures: 0 };
    const thin = {
      current: arm,
      candidate: arm,
      pairs: { count: 1, flips: 0 },
      assigned: { current: 0, candidate: 0 },
    };
    told.traffic(59, thin);
    assert.deepEqual([told.hold, told.path.length], ['sample', 0]);
    assert.match(told.state.live?.hold?.sentence ?? '', /scored 59 requests in this step, 200 are needed/);
    told.traffic(1, thin);
    assert.deepEqual(told.path, ['canary>rolled-back 0']);
    assert.match(
      told.decisions[0]?.sentence ?? '',
      /In the 10 min 0 s it had the rollout did not go on: the candidate/,
    );
  });

  test('a split that is not the declared one holds the canary', () => {
    const told = new Told(planWith('canary'));
    told.traffic(60, { assigned: { current: 300, candidate: 100 } });
    assert.deepEqual([told.hold, told.path.length], ['sample-ratio', 0]);
  });

  test('blue-green switches at once after a shadow without harm, and switches back at once', () => {
    const told = new Told(planWith('blue-green'));
    told.traffic(20);
    assert.deepEqual(told.path, ['shadow>probation 100']);
    told.traffic(2, { failures: 60 });
    assert.deepEqual(told.path[1], 'probation>rolled-back 0');
    const fine = new Told(planWith('blue-green'));
    fine.traffic(40);
    assert.equal(fine.state.stage, 'completed');
    const bad = new Told(planWith('blue-green'));
    bad.traffic(4, { failures: 60 });
    assert.deepEqual(bad.path, ['shadow>refused 0']);
  });

  test('a shadow answers nobody until a person promotes it', () => {
    const told = new Told(planWith('shadow'));
    told.traffic(200);
    assert.deepEqual([told.state.stage, told.hold, told.path.length], ['shadow', 'no-harm-found', 0]);
    told.tell({ kind: 'approve', reason: 'looked at it' });
    assert.deepEqual(told.path, ['shadow>completed 100']);
  });

  test('an A/B test ends with the arm that the metric favours, or with neither', () => {
    const metric = { name: 'revenue', margin: 0 };
    const outcomes = (told: Told, blocks: number, lift: number): void => {
      const random = seededRandom(3);
      for (let i = 0; i < blocks; i++) {
        const current = { requests: 100, sum: 100 + random.next() };
        const candidate = { requests: 100, sum: 100 + lift + random.next() };
        told.tell({ kind: 'outcomes', outcomes: { source: 'shop', start: i, end: i + 1, current, candidate } });
      }
    };
    const better = new Told(planWith('ab', { metric }));
    better.traffic(3);
    assert.equal(weightOf(better.state, better.plan), 50);
    outcomes(better, 60, 5);
    assert.deepEqual(better.path, ['canary>completed 100']);
    assert.match(better.decisions[0]?.sentence ?? '', /^revenue is better/);
    const worse = new Told(planWith('ab', { metric }));
    worse.traffic(3);
    outcomes(worse, 60, -5);
    assert.deepEqual(worse.path, ['canary>rolled-back 0']);
    const equal = new Told(planWith('ab', { metric, maxDuration: '20m' }));
    equal.traffic(119);
    assert.deepEqual([equal.hold, equal.path.length], ['undecided', 0]);
    equal.traffic(1);
    assert.deepEqual(equal.path, ['canary>aborted 0']);
  });

  test('a bandit moves its share to the arm that earns more, not too often, and ends with it', () => {
    const told = new Told(planWith('bandit', { metric: { name: 'clicks' }, bandit: { every: '1m' } }));
    const random = seededRandom(4);
    const clicks = (count: number, rate: number): number =>
      Array.from({ length: count }, () => random.next() < rate).filter(Boolean).length;
    let moves = 0;
    for (let i = 0; i < 400 && told.state.stage === 'canary'; i++) {
      const weight = weightOf(told.state, told.plan);
      const [start, requests] = [i * BLOCK, 100];
      const mine = Math.round(weight);
      const current = { requests: requests - mine, sum: clicks(requests - mine, 0.1) };
      const candidate = { requests: mine, sum: clicks(mine, 0.2) };
      told.tell({ kind: 'outcomes', outcomes: { source: 'shop', start, end: start + BLOCK, current, candidate } });
      if (weightOf(told.state, told.plan) !== weight) moves++;
      assert.ok(weight >= 5 && weight <= 95);
    }
    assert.deepEqual([told.state.stage, told.path.at(-1)?.slice(0, 16)], ['completed', 'canary>completed']);
    assert.match(
      told.decisions[0]?.sentence ?? '',
      /^The bandit moves the share: the metric is 0\.\d+ of \d+ requests/,
    );
    assert.ok(moves >= 2 && (told.decisions.at(-2)?.weight ?? 0) > 85, told.path.join(', '));
    const times = told.decisions.slice(0, -1).map(({ at }) => at);
    assert.ok(times.length <= 400 / 6);
    assert.throws(() => planWith('bandit'), /metric that a bandit follows/);
  });

  test('a pause holds the steps up and no rollback, and resuming goes on', () => {
    const told = new Told(planWith('canary'));
    told.tell({ kind: 'pause', reason: 'lunch' });
    told.traffic(100);
    assert.deepEqual([told.path.length, told.hold], [0, 'paused']);
    told.tell({ kind: 'resume', reason: 'back' });
    told.traffic(1);
    assert.deepEqual(told.path, ['canary>canary 10']);
    told.tell({ kind: 'pause', reason: 'again' });
    told.traffic(3, { failures: 40 });
    assert.deepEqual(told.path[1], 'canary>rolled-back 0');
  });

  test('a step waits for the person it was declared to wait for, and a freeze for its end', () => {
    const gated = new Told(planWith('canary', { approval: 'last' }));
    gated.traffic(100);
    assert.deepEqual([gated.path.at(-1), gated.hold], ['canary>canary 50', 'approval']);
    gated.tell({ kind: 'approve', reason: 'seen' });
    assert.equal(gated.path.at(-1), 'canary>canary 100');
    const freeze = [{ from: '1970-01-01T00:00:00Z', to: '1970-01-01T00:10:00Z' }];
    const frozen = new Told(planWith('canary', { freeze }));
    frozen.traffic(59);
    assert.deepEqual([frozen.path.length, frozen.hold], [0, 'frozen']);
    frozen.traffic(2);
    assert.deepEqual(frozen.path, ['canary>canary 10']);
  });

  test('a spec that cannot be followed is refused by field', () => {
    assert.throws(() => planWith('canary', { block: { length: '10ms' } }), /100ms to 1h/);
    assert.throws(() => planWith('canary', { steps: [10, 5] }), /rising percentages/);
    assert.throws(() => planWith('canary', { freeze: [{ from: 'Friday', to: 'Mon 08:00' }] }), /freeze/);
  });

  test('a freeze of every week may run over its end', () => {
    const weekend = [{ from: 'Fri 16:00', to: 'Mon 08:00' }];
    const at = (text: string) => frozenBy(weekend, Date.parse(text)) !== undefined;
    assert.deepEqual(
      ['2026-11-20T15:59:00Z', '2026-11-20T16:00:00Z', '2026-11-22T12:00:00Z', '2026-11-23T08:00:00Z'].map(at),
      [false, true, true, false],
    );
  });

  test('worse labels roll it back however well it serves, and a guardrail and an abort end it at once', () => {
    const told = new Told(planWith('canary'));
    told.traffic(3);
    for (let hour = 0; hour < 60; hour++) {
      const differenceSum = -5 + ((hour * 7) % 5) / 5;
      told.tell({ kind: 'block', start: hour * 3_600_000, requests: 100, differenceSum });
    }
    assert.match(told.decisions[0]?.sentence ?? '', /^The candidate is worse by 0\.0\d+ log loss per request/);
    const tripped = new Told(planWith('canary'));
    const figures = { observed: 0.5, limit: 0.01, requests: 60 };
    tripped.tell({ kind: 'guardrail', reason: 'error-rate', ...figures, error: 'out of bounds' });
    assert.deepEqual(tripped.path, ['canary>rolled-back 0']);
    const aborted = new Told(planWith('canary'));
    aborted.tell({ kind: 'abort', reason: 'not today' });
    assert.deepEqual(aborted.path, ['canary>aborted 0']);
  });
});

test('a weight never rises while harm is found, paused or over, and what has ended stays as it is', () => {
  const strategy = fc.constantFrom('canary', 'blue-green', 'shadow', 'ab');
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ blocks: fc.integer({ min: 1, max: 30 }), failures: fc.nat(6) }) },
    fc.constantFrom('pause', 'resume', 'approve'),
  );
  fc.assert(
    fc.property(strategy, fc.array(step, { maxLength: 15 }), (name, steps) => {
      const told = new Told(planWith(name));
      for (const one of steps) {
        const before = {
          weight: weightOf(told.state, told.plan),
          stage: told.state.stage,
          count: told.decisions.length,
        };
        const paused = told.state.paused !== undefined;
        if (typeof one === 'string') told.tell({ kind: one as 'pause', reason: 'by chance' });
        else told.traffic(one.blocks, { failures: one.failures });
        const weight = weightOf(told.state, told.plan);
        if (paused && typeof one !== 'string') assert.ok(weight <= before.weight);
        for (const decision of told.decisions.slice(before.count)) {
          const harm = decision.findings?.some(({ verdict }) => verdict === 'worse') ?? false;
          assert.ok(!harm || decision.weight === 0);
        }
        if (before.stage === 'rolled-back' || before.stage === 'refused') assert.equal(told.state.stage, before.stage);
      }
    }),
  );
});

const scenes: Record<string, Partial<SimulatedTraffic>> = {
  'independent requests': {},
  'outages that both arms share, correlated by .9': { shared: 1.5, correlation: 0.9 },
};
for (const [name, more] of Object.entries(scenes)) {
  test(`equal revisions are rolled back in at most 5 % of canaries looked at after every block: ${name}`, (t) => {
    const random = seededRandom(71);
    const plan = planWith('canary', { bake: '3m' });
    const ends = Array.from({ length: 200 }, () =>
      simulateRollout(random, plan, { traffic: { ...quietTraffic, ...more }, blocksMax: 800 }),
    );
    const wrong = ends.filter(({ state }) => state.stage === 'rolled-back').length;
    const done = ends.filter(({ state }) => state.stage === 'completed').length;
    t.diagnostic(`${wrong} of 200 rolled back, ${done} completed`);
    assert.ok(wrong / 200 <= 0.05);
    assert.ok(done / 200 >= 0.9);
  });
}

test('a candidate with as many more errors as may not pass is promoted in at most 5 % of canaries', (t) => {
  const random = seededRandom(72);
  const plan = planWith('canary', { bake: '3m' });
  const traffic = { ...quietTraffic, moreErrors: 0.01 };
  const ends = Array.from({ length: 200 }, () => simulateRollout(random, plan, { traffic, blocksMax: 400 }));
  const promoted = ends.filter(({ state }) => state.stage === 'completed').length;
  t.diagnostic(`${promoted} of 200 promoted`);
  assert.ok(promoted / 200 <= 0.05);
});
