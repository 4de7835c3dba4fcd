import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { durationMs } from '#core/units';
import { ruleSpec } from './contract.ts';
import { decide, initialRuleState, type RuleFact, type RuleState, runParams } from './model.ts';

const HOUR = 3_600_000;
const start = Date.UTC(2001, 1, 12);
const cause = { kind: 'event' as const, id: 'monitor/quality', depth: 0 };

const spec = ruleSpec.parse({
  on: { monitor: 'quality', alert: 'calibration' },
  run: { pipeline: 'retrain', params: { until: '${at}', days: 28 } },
  debounce: '6h',
  cooldown: '3d',
  budget: { firings: 2, per: '30d' },
});

/** Plays facts at hours after the start and returns each decision as `hour outcome`. */
function play(
  facts: readonly { readonly hour: number; readonly kind: RuleFact['kind']; readonly depth?: number }[],
): string[] {
  let state: RuleState = initialRuleState;
  const told: string[] = [];
  for (const { hour, kind, depth = 0 } of facts) {
    const at = start + hour * HOUR;
    const fact: RuleFact = kind === 'firing' ? { kind, at, cause: { ...cause, depth } } : { kind, at };
    const result = decide({ name: 'retrain', spec }, state, fact);
    state = result.state;
    if (result.decision) told.push(`${hour} ${result.decision.outcome}`);
  }
  return told;
}

const hours = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => ({ hour: from + i, kind: 'time' as const }));

test('a signal acts once it has been firing for the debounce, not before', () => {
  assert.deepEqual(play([{ hour: 0, kind: 'firing' }, ...hours(1, 5)]), []);
  assert.deepEqual(play([{ hour: 0, kind: 'firing' }, ...hours(1, 12)]), ['6 fired']);
});

test('a signal that is resolved within the debounce starts nothing', () => {
  assert.deepEqual(play([{ hour: 0, kind: 'firing' }, { hour: 4, kind: 'resolved' }, ...hours(5, 20)]), [
    '4 resolved-early',
  ]);
});

test('a second signal within the cool-down is told once and acts when it is over', () => {
  const facts = [{ hour: 0, kind: 'firing' as const }, ...hours(1, 6), { hour: 10, kind: 'firing' as const }];

  assert.deepEqual(play([...facts, ...hours(11, 100)]), ['6 fired', '16 cooling-down', '78 fired']);
});

test('the budget holds a rule back until its span has passed', () => {
  const firing = (hour: number) => ({ hour, kind: 'firing' as const });
  const facts = [firing(0), ...hours(1, 6), firing(100), ...hours(101, 106), firing(200), ...hours(201, 800)];

  assert.deepEqual(play(facts), ['6 fired', '106 fired', '206 over-budget', '726 fired']);
});

test('a signal that the rule itself brought about too many steps ago is a loop and starts nothing', () => {
  const told = play([{ hour: 0, kind: 'firing', depth: spec.depthMax }, ...hours(1, 20)]);

  assert.deepEqual(told, ['6 loop']);
});

test('parameters of the run carry the event time of the firing', () => {
  assert.deepEqual(runParams(spec, start), { until: '2001-02-12T00:00:00.000Z', days: 28 });
});

test('whatever happens, two firings are a cool-down apart and never more than the budget within its span', () => {
  const fact = fc.record({
    hour: fc.integer({ min: 1, max: 12 }),
    kind: fc.constantFrom('firing' as const, 'resolved' as const, 'time' as const),
  });
  fc.assert(
    fc.property(fc.array(fact, { maxLength: 300 }), (steps) => {
      let hour = 0;
      const facts = steps.map((step) => {
        hour += step.hour;
        return { ...step, hour };
      });
      const fired = play(facts)
        .filter((line) => line.endsWith(' fired'))
        .map((line) => Number(line.split(' ')[0]) * HOUR);
      for (const [i, at] of fired.entries()) {
        if (i > 0) assert.ok(at - (fired[i - 1] as number) >= durationMs(spec.cooldown));
        const within = fired.filter((other) => other <= at && other > at - durationMs(spec.budget.per));
        assert.ok(within.length <= spec.budget.firings);
      }
    }),
  );
});
