import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decideTrigger, initialTriggerState, type TriggerFact, triggerParams } from './model.ts';
import { triggerSpec } from './spec.ts';

const cause = { kind: 'user', id: 'user:ada', depth: 0 } as const;
const trigger = (change: Readonly<Record<string, unknown>> = {}) => ({
  name: 't',
  spec: triggerSpec.parse({ pipeline: 'p', on: { webhook: true }, ...change }),
});

/** What a sequence of facts leads to: the time and word of each outcome. */
function play(of: ReturnType<typeof trigger>, facts: readonly TriggerFact[]): string[] {
  let state = initialTriggerState;
  return facts.flatMap((fact) => {
    const decided = decideTrigger(of, state, fact);
    state = decided.state;
    return decided.outcome ? [`${fact.now} ${decided.outcome.outcome}`] : [];
  });
}
const event = (now: number, depth = 0): TriggerFact => ({
  kind: 'event',
  now,
  cause: { ...cause, depth },
  event: { now },
});
const time = (now: number): TriggerFact => ({ kind: 'time', now });

test('several events within the debounce are one start, after the last of them', () => {
  const facts = [event(0), time(0), event(800), time(1_000), event(1_500), time(2_400), time(2_500), time(9_000)];

  assert.deepEqual(play(trigger({ debounce: '1s' }), facts), ['2500 start']);
});

test('events that never cease put a start off at most ten times', () => {
  const facts = Array.from({ length: 30 }, (_, i) => [event(i * 500), time(i * 500)]).flat();

  assert.deepEqual(play(trigger({ debounce: '1s' }), facts), ['10000 start']);
});

test('a freeze and the rate hold an event, are told once, and let it go when they have passed', () => {
  const frozen: TriggerFact = { kind: 'time', now: 1, frozen: { until: 50, reason: 'sale' } };
  assert.deepEqual(play(trigger(), [event(0), frozen, { ...frozen, now: 2 }, time(49), time(50)]), [
    '1 frozen',
    '50 start',
  ]);
  const limited = trigger({ rate: { runs: 1, per: '1s' } });
  const facts = [event(0), time(0), event(100), time(100), event(200), time(200), time(999), time(1_000)];
  assert.deepEqual(play(limited, facts), ['0 start', '100 limited', '200 limited', '1000 start']);
});

test('a chain of causes that is too long is cut', () => {
  const of = trigger({ depthMax: 2 });
  assert.deepEqual(play(of, [event(0, 1), time(0), event(5, 2), time(5)]), ['0 start', '5 loop']);
});

test('parameters are filled from the event, a lone reference as the value that it is', () => {
  const { spec } = trigger({
    params: { n: '${event.a.n}', text: 'of ${event.name} at ${at}', none: '${event.x}', deep: '${event.a}', k: 1 },
  });

  assert.deepEqual(triggerParams(spec, { event: { a: { n: 3 }, name: 'x' }, at: 0 }), {
    n: 3,
    text: 'of x at 1970-01-01T00:00:00.000Z',
    none: '',
    deep: '{"n":3}',
    k: 1,
  });
});

test('no span holds more starts than the rate, no event is lost, and none starts two runs', () => {
  const steps = fc.array(fc.record({ after: fc.nat(3_000), isEvent: fc.boolean() }), { maxLength: 60 });
  const limits = fc.record({ debounce: fc.nat(2_000), runs: fc.integer({ min: 1, max: 3 }) });
  fc.assert(
    fc.property(steps, limits, (moves, { debounce, runs }) => {
      const of = trigger({ debounce: `${debounce}ms`, rate: { runs, per: '5s' } });
      let state = initialTriggerState;
      let now = 0;
      let newest: number | undefined;
      const starts: number[] = [];
      const see = (fact: TriggerFact): void => {
        const decided = decideTrigger(of, state, fact);
        state = decided.state;
        if (decided.outcome?.outcome !== 'start') return;
        assert.deepEqual(decided.outcome.event, { now: newest }, 'the newest event is the one that starts');
        newest = undefined;
        starts.push(fact.now);
      };
      for (const { after, isEvent } of moves) {
        now += after;
        if (isEvent) newest = now;
        if (isEvent) see(event(now));
        see(time(now));
      }
      for (let i = 1; i <= 20 && newest !== undefined; i++) see(time(now + i * 5_000));
      assert.equal(newest, undefined);
      for (const at of starts) assert.ok(starts.filter((other) => other > at - 5_000 && other <= at).length <= runs);
    }),
    { numRuns: 500 },
  );
});
