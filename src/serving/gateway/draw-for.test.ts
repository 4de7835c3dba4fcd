import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { digestOf } from '#core/hash';
import { learnLinear, startLinearArm } from '#math/bandit/lin-ucb';
import { armShares } from '../live/context.ts';
import { policyOf, startContextual, valuesOf, withRewards } from '../live/contextual.ts';
import { simulatedArmsPlan } from '../live/simulated-arms.ts';
import type { RoutedEndpoint } from '../routing.ts';
import { drawArm } from './draw-for.ts';
import { liveEndpoint, withoutArm } from './live-endpoint.ts';
import { endpointOf } from './testing/gateway-harness.ts';

const NAMES = ['current', 'small', 'wide'];

/** Three arms of which each earns where x is low, in the middle or high, as a gateway gets them. */
function routed(): RoutedEndpoint {
  const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'value' as const };
  const arm = (version: number) => ({
    ...{ revision: `m@${version}`, model: 'm', version, digest: digestOf(`${version}`), signature },
  });
  const learnt = [-1, 0, 1].map((slope) =>
    Array.from({ length: 40 }, (_, i) => i / 10 - 2).reduce(
      (state, x) => learnLinear(state, [1, x], slope * x),
      startLinearArm(2),
    ),
  );
  const arms = learnt.map(({ inverse, b }) => ({ inverse: inverse.map((row) => [...row]), b: [...b] }));
  const policy = { context: [{ input: 'x', mean: 0, scale: 1 }], arms, names: NAMES, width: 0.1, floor: 0.1 };
  return endpointOf('e', arm(1), {
    arms: NAMES.slice(1).map((name, i) => ({ ...arm(i + 2), name, weight: 25 })),
    rollout: 'roll_1',
    live: { blockMs: 10_000, sticky: null, override: true, policy },
  });
}

describe('the draw of several arms', () => {
  const instance = { id: undefined, at: undefined, entities: undefined, inputs: {} };
  const draw = (endpoint: ReturnType<typeof liveEndpoint>, x: number, drawn: string) =>
    drawArm(endpoint, { instance, row: { numeric: [x], categories: [] }, drawn });

  test('a contextual bandit draws by the request, with the probability that it records', () => {
    const endpoint = liveEndpoint(routed(), 0);
    for (const [x, best] of [
      [-2, 'current'],
      [2, 'wide'],
    ] as const) {
      const counts = new Map<string, number>();
      for (let i = 0; i < 2_000; i++) {
        const { candidate, propensity, counts: ofSample } = draw(endpoint, x, `r-${i}`);
        const name = candidate?.name ?? 'current';
        assert.ok(Math.abs(propensity - (name === best ? 0.8 : 0.1)) < 1e-9, `${name} ${propensity}`);
        assert.equal(ofSample, false);
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
      for (const name of NAMES) {
        const share = name === best ? 0.8 : 0.1;
        const deviations = ((counts.get(name) ?? 0) - 2_000 * share) / Math.sqrt(2_000 * share * (1 - share));
        assert.ok(Math.abs(deviations) < 6, `${name} ${counts.get(name)}`);
      }
    }
  });

  test('an arm that a gateway takes out gets nothing by the parameters that it still has', () => {
    const endpoint = withoutArm(liveEndpoint(routed(), 0), 'wide', 1);
    for (let i = 0; i < 200; i++) {
      const { candidate, propensity } = draw(endpoint, 2, `r-${i}`);
      assert.ok(Math.abs(propensity - (candidate ? 0.9 : 0.1)) < 1e-9);
      assert.notEqual(candidate?.name, 'wide');
    }
    const alone = withoutArm(endpoint, 'small', 2);
    assert.deepEqual([alone.arms, alone.routed.rollout, draw(alone, 2, 'r').propensity], [undefined, undefined, 1]);
  });

  test('what it learns of several arms is valued by name, and those that are out are left out', () => {
    const bandit = { policy: 'linucb', context: [{ input: 'x' }], requestsMin: 1 };
    const { live } = simulatedArmsPlan('bandit', 2, { bandit });
    const rows = Array.from({ length: 90 }, (_, i) => {
      const arm = ['current', 'a1', 'a2'][i % 3] ?? 'current';
      return { arm, propensity: 1 / 3, context: { x: (i % 7) - 3 }, reward: arm === 'a2' ? 1 : 0 };
    });
    const state = withRewards(
      startContextual(live),
      [...rows, { ...rows[0], arm: 'other' } as (typeof rows)[number]],
      live,
    );
    assert.equal(state.rows, 90);
    assert.deepEqual(
      valuesOf(state, live).map(({ policy, ips }) => [policy, Number(ips.value?.toFixed(6))]),
      [
        ['bandit', 0.333333],
        ['current', 0],
        ['a1', 0],
        ['a2', 1],
      ],
    );
    const pushed = { ...state, pushed: { arms: state.arms, at: 0, rows: 90 } };
    const policy = policyOf(pushed, live, new Set(['a2']));
    assert.deepEqual(policy?.names, ['current', 'a2']);
    assert.ok(policy && (armShares(policy, [1, 0])[1] ?? 0) > 0.9);
  });
});
