import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '#core/random';
import { weightOf } from '../../weight.ts';
import { type ArmsPlan, quietArms, simulateArms, simulatedArmsPlan } from '../simulated-arms.ts';
import { ToldRollout } from '../testing.ts';
import { armWeights } from './arms-state.ts';

/** A rollout of several candidates that is told one block after another. */
class Told extends ToldRollout<ArmsPlan> {
  get shares(): Record<string, number> {
    const { arms } = this.state.live ?? {};
    const shares = arms ? armWeights(arms, this.plan.live.arms ?? []) : [];
    return Object.fromEntries([...shares].map(([name, share]) => [name, Math.round(share)]));
  }

  /** Blocks of 1,000 requests; `means` of the metric and `failures` a block by arm. */
  traffic(blocks: number, means: Record<string, number>, failures: Record<string, number> = {}, tilt = 0): void {
    for (let i = 0; i < blocks; i++) {
      const { number, ...time } = this.nextBlock();
      const noise = 0.004 * ((number % 3) - 1);
      const of = (name: string, weight: number) => {
        const count = 10 * Math.round(weight) + (name === 'current' ? -tilt : 0);
        const seen = {
          answered: count,
          logLatencySum: count * (3 + noise),
          scored: count,
          failures: failures[name] ?? 1,
        };
        return {
          seen,
          sums: { requests: count, sum: count * ((means[name] ?? 0.1) + (name === 'current' ? 0 : noise)) },
        };
      };
      const { current = 0, ...arms } = this.shares;
      const own = of('current', current);
      const each = Object.entries(arms).map(([name, weight]) => ({ name, weight, ...of(name, weight) }));
      const all = Object.fromEntries(
        each.map(({ name, weight, seen }) => [name, { ...seen, weight, assigned: seen.scored + tilt }]),
      );
      this.tell({
        kind: 'observation',
        observation: {
          ...{ ...time, rollout: 'r', weight: weightOf(this.state, this.plan), odd: [] },
          ...{ current: own.seen, candidate: own.seen, arms: all, pairs: { count: 0, flips: 0 } },
          assigned: { current: own.seen.scored, candidate: 1_000 - own.seen.scored },
        },
      });
      const sums = Object.fromEntries(each.map(({ name, sums: earned }) => [name, earned]));
      if (this.state.stage !== 'canary') return;
      this.tell({ kind: 'outcomes', outcomes: { ...time, current: own.sums, arms: sums } });
    }
  }

  get path(): string[] {
    return this.decisions.map(({ to, arm }) => `${to} ${arm ?? ''}`.trim());
  }
}

describe('a rollout of several candidates', () => {
  test('an arm that hurts is taken out, the others go on with its share, and the best is promoted', () => {
    const told = new Told(simulatedArmsPlan('ab', 3));
    told.traffic(1, {}, { a2: 60 });
    assert.deepEqual(told.path, ['canary a2']);
    assert.deepEqual(told.shares, { current: 33, a1: 33, a3: 33 });
    assert.match(
      told.decisions[0]?.sentence ?? '',
      /^Arm 'a2' is taken out: errors rose .*; current 33.33 %, a1 33.33 %/,
    );
    told.traffic(80, { a1: 0.1, a3: 0.15 });
    assert.equal(told.state.stage, 'completed');
    assert.equal(told.path.at(-1), 'completed a3');
    assert.match(
      told.decisions.at(-1)?.sentence ?? '',
      /Best is arm 'a3': value is better .*it is the current revision/,
    );
    assert.deepEqual(told.state.live?.arms?.lead, 'a3');
  });

  test('an arm that another one beats is taken out before anything is promoted', () => {
    const told = new Told(simulatedArmsPlan('ab', 2));
    told.traffic(120, { a1: 0.13, a2: 0.2 });
    assert.equal(told.path.at(-1), 'completed a2');
    const beaten = told.state.live?.arms?.arms.find(({ name }) => name === 'a1')?.out;
    assert.match(beaten?.sentence ?? '', /'a2' is better by its whole interval/);
  });

  test('two arms that are both better hold with the reason, and the better one so far wins when time is over', () => {
    const told = new Told(simulatedArmsPlan('ab', 2, { maxDuration: '20m' }));
    told.traffic(100, { a1: 0.15, a2: 0.1501 });
    assert.equal(told.state.stage, 'canary');
    assert.match(
      told.state.live?.hold?.sentence ?? '',
      /^2 arms are better than the current revision, and 'a\d' may be/,
    );
    told.traffic(25, { a1: 0.15, a2: 0.1501 });
    assert.equal(told.path.at(-1), 'completed a2');
    assert.match(
      told.decisions.at(-1)?.sentence ?? '',
      /^Time is over, and of what is better the best so far is arm 'a2'/,
    );
  });

  test('every arm worse rolls back; none worth a change ends it without a lock', () => {
    const worse = new Told(simulatedArmsPlan('ab', 2));
    worse.traffic(1, {}, { a1: 80, a2: 80 });
    assert.deepEqual([worse.state.stage, worse.path.length], ['rolled-back', 1]);
    const futile = new Told(simulatedArmsPlan('ab', 2, { metric: { name: 'value', margin: 0.05 } }));
    futile.traffic(100, { a1: 0.101, a2: 0.102 });
    assert.equal(futile.state.stage, 'aborted');
    assert.match(futile.decisions.at(-1)?.sentence ?? '', /not better than the current revision by the margin/);
  });

  test('the guardrail and a person take one arm out, and reports of it again change nothing', () => {
    const told = new Told(simulatedArmsPlan('ab', 3));
    const report = { kind: 'guardrail', reason: 'error-rate', observed: 0.4, limit: 0.01, requests: 60 } as const;
    told.tell({ ...report, arm: 'a1' });
    told.tell({ ...report, arm: 'a1' });
    told.tell(report);
    told.tell({ kind: 'drop', arm: 'a2', reason: 'too dear' });
    assert.deepEqual(told.path, ['canary a1', 'canary a2']);
    assert.match(told.decisions[0]?.sentence ?? '', /^Arm 'a1' failed 40 % of 60 requests, the limit is 1 %/);
    assert.deepEqual(told.shares, { current: 50, a3: 50 });
    told.tell({ kind: 'promote', arm: 'a3', reason: 'we know' });
    assert.deepEqual([told.state.stage, told.path.at(-1)], ['completed', 'completed a3']);
  });

  test('a pause, a split that is not the declared one, a freeze and a missing approval hold what has won', () => {
    const better = { a1: 0.2 };
    const paused = new Told(simulatedArmsPlan('ab', 1));
    paused.tell({ kind: 'pause', reason: 'holidays' });
    paused.traffic(60, better);
    assert.deepEqual([paused.path.length, paused.state.live?.hold?.kind], [0, 'paused']);
    const tilted = new Told(simulatedArmsPlan('ab', 1));
    tilted.traffic(60, better, {}, 60);
    assert.equal(tilted.state.live?.hold?.kind, 'sample-ratio');
    assert.match(tilted.state.live?.hold?.sentence ?? '', /requests went \d+ to current, \d+ to a1, which are not/);
    const frozen = new Told(simulatedArmsPlan('ab', 1, { freeze: [{ from: 'Thu 00:00', to: 'Fri 00:00' }] }));
    frozen.traffic(60, better);
    assert.equal(frozen.state.live?.hold?.kind, 'frozen');
    const asked = new Told(simulatedArmsPlan('ab', 1, { approval: 'last' }));
    asked.traffic(60, better);
    assert.equal(asked.state.live?.hold?.kind, 'approval');
    asked.tell({ kind: 'approve', reason: 'good' });
    assert.deepEqual(asked.path, ['completed a1']);
  });

  test('a bandit moves the shares to what earns, keeps the floor, and drops nobody by chance', () => {
    const bandit = { every: '1m', requestsMin: 100 };
    const plan = simulatedArmsPlan('bandit', 3, { bandit, metric: { name: 'value', margin: 0.2 } });
    const told = new Told({ ...plan, live: { ...plan.live, alpha: 0.0001 } });
    told.traffic(12, { a1: 0.1, a2: 0.3, a3: 0.12 });
    const { current = 0, a1 = 0, a2 = 0, a3 = 0 } = told.shares;
    assert.ok(a2 > 70, JSON.stringify(told.shares));
    for (const share of [current, a1, a3]) assert.ok(share >= 5, JSON.stringify(told.shares));
    assert.match(told.decisions[0]?.sentence ?? '', /^The bandit moves the shares: current \d/);
  });

  test('equal arms are hardly ever promoted, and a good one of five is', () => {
    const plan = simulatedArmsPlan('ab', 4);
    const equal = Array.from({ length: 5 }, () => ({ mean: 0.1 }));
    const random = seededRandom(7);
    const ends = Array.from({ length: 40 }, () =>
      simulateArms(random, plan, { traffic: quietArms, arms: equal, blocksMax: 150 }),
    );
    assert.ok(ends.filter(({ promoted }) => promoted !== null).length <= 3);
    const one = equal.map((arm, i) => (i === 3 ? { mean: 0.16 } : arm));
    const found = simulateArms(seededRandom(1), plan, { traffic: quietArms, arms: one, blocksMax: 400 });
    assert.equal(found.promoted, 'a3');
  });
});
