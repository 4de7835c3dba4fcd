import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#core/random';
import { endpointSpec } from './contract.ts';
import { decideRollout, type RolloutFact } from './decide.ts';
import { BLOCK_MS, decide, type Fact, isActive, isFinal, planOf, type RolloutState, startState } from './model.ts';
import { weightOf } from './weight.ts';

const HOUR = BLOCK_MS;
const plan = planOf(
  endpointSpec.parse({
    model: 'delays',
    labelLateness: '3h',
    rollout: { shadow: { maxDuration: '4d' }, canary: { steps: [10, 50], bake: '6h' }, probation: '24h' },
  }),
);

/** Hours of 100 pairs whose mean difference is `mean` with noise. */
function hours(count: number, mean: number, options: { from?: number; seed?: number } = {}): Fact[] {
  const random = seededRandom(options.seed ?? 7);
  const from = options.from ?? 0;
  return Array.from({ length: count }, (_, i) => {
    const noise = (random.next() + random.next() + random.next() - 1.5) * 2;
    return { kind: 'block', start: from + i * HOUR, requests: 100, differenceSum: 100 * mean + noise };
  });
}

function run(facts: readonly Fact[], from: RolloutState) {
  let state = from;
  const decisions = [];
  for (const fact of facts) {
    const outcome = decide(state, fact, plan);
    state = outcome.state;
    if (outcome.decision) decisions.push(outcome.decision);
  }
  return { state, decisions };
}

const shadow = startState(plan, { stage: 'shadow', forced: false });
const forced = startState(plan, { stage: 'probation', forced: true });

describe('the rollout state machine', () => {
  test('leads a better candidate through every stage, and says why each time', () => {
    const { state, decisions } = run(hours(200, 0.02), shadow);

    assert.equal(state.stage, 'completed');
    assert.deepEqual(
      decisions.map(({ from, to, weight }) => [from, to, weight]),
      [
        ['shadow', 'canary', 10],
        ['canary', 'canary', 50],
        ['canary', 'probation', 100],
        ['probation', 'completed', 100],
      ],
    );
    assert.match(
      decisions[0]?.sentence ?? '',
      /^The candidate is better by 0\.0\d+ log loss per request \(with 95 % confidence/,
    );
    assert.match(decisions[0]?.sentence ?? '', /it now answers 10 % of the requests\.$/);
    assert.ok((decisions[0]?.figures?.low ?? 0) > 0);
  });

  test('waits out baking time on hours that ran under the new weight, not on those before it', () => {
    const { decisions } = run(hours(200, 0.02), shadow);
    const [first, second, third, last] = decisions.map(({ at }) => at ?? 0);

    // Labels are 3 h late, so the weight changes 3 h of event time after the deciding hour ended; then it bakes 6 h.
    assert.equal((second ?? 0) - (first ?? 0), 9 * HOUR);
    assert.equal((third ?? 0) - (second ?? 0), 9 * HOUR);
    assert.equal((last ?? 0) - (third ?? 0), 27 * HOUR);
  });

  test('refuses a worse candidate that has answered nobody', () => {
    const { state, decisions } = run(hours(200, -0.02), shadow);

    assert.equal(state.stage, 'refused');
    assert.match(
      decisions[0]?.sentence ?? '',
      /^The candidate is worse by .*; it has answered nobody and is refused\.$/,
    );
  });

  test('refuses a candidate that is not better within the time it has', () => {
    const { state, decisions } = run(hours(200, 0), shadow);

    assert.equal(state.stage, 'refused');
    assert.equal(decisions[0]?.at, 96 * HOUR);
    assert.match(decisions[0]?.sentence ?? '', /not shown to be better in the 4 d 0 h it had|in the 96 h it had/);
  });

  test('rolls back a candidate that turns bad in probation, however good it was before', () => {
    const good = hours(200, 0.02);
    const enough = good.findIndex((_, i) => run(good.slice(0, i), shadow).state.stage === 'probation');
    const inProbation = run(good.slice(0, enough), shadow).state;

    const { state, decisions } = run(hours(26, -0.05, { from: enough * HOUR }), inProbation);

    assert.equal(state.stage, 'rolled-back');
    assert.match(
      decisions[0]?.sentence ?? '',
      /the former revision answers all requests again, and the endpoint is locked/,
    );
  });

  test('a forced rollout begins with all traffic and is rolled back when it is worse', () => {
    assert.equal(weightOf(forced, plan), 100);

    const { state } = run(hours(24, -0.05), forced);

    assert.equal(state.stage, 'rolled-back');
  });

  test('a forced rollout that is no better within its probation is rolled back, and it says why', () => {
    const equal = run(hours(60, 0), forced);
    const better = run(hours(60, 0.05), forced);

    assert.equal(equal.state.stage, 'rolled-back');
    assert.equal(equal.decisions[0]?.at, 24 * HOUR);
    assert.match(equal.decisions[0]?.sentence ?? '', /not shown to be better in the 24 h it had/);
    assert.equal(better.state.stage, 'completed');
  });

  test('a pause holds a better candidate where it is and takes a worse one back', () => {
    const told = (facts: readonly RolloutFact[], from: RolloutState) =>
      facts.reduce((state, fact) => decideRollout({ state, plan }, fact).state, from);
    const paused = told([{ kind: 'pause', reason: 'a holiday' }, ...hours(60, 0.02)], shadow);
    assert.deepEqual([paused.stage, paused.evidence.blocks], ['shadow', 60]);
    const resumed = told([{ kind: 'resume', reason: 'over' }, ...hours(1, 0.02, { from: 60 * HOUR })], paused);
    assert.equal(resumed.stage, 'canary');
    const worse = told([{ kind: 'pause', reason: 'a holiday' }, ...hours(60, -0.02)], shadow);
    assert.equal(worse.stage, 'refused');
  });

  test('a block that was counted changes nothing', () => {
    const [first, second] = hours(2, 0.02) as [Fact, Fact];
    const once = run([first, second], shadow);
    const twice = run([first, second, first, second], shadow);

    assert.deepEqual(twice.state, once.state);
  });

  test('a promotion by hand takes one stage, and baking starts anew', () => {
    const { state, decisions } = run([...hours(3, 0), { kind: 'promote', reason: 'seen it' }], shadow);

    assert.equal(state.stage, 'canary');
    assert.match(decisions[0]?.sentence ?? '', /^Promoted by hand: seen it; it now answers 10 %/);
    const after = run(hours(1, 0, { from: 3 * HOUR }), state).state;
    assert.equal(after.stageFrom, 6 * HOUR);
  });
});

const factArbitrary: fc.Arbitrary<Fact> = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.record({
      kind: fc.constant('block' as const),
      start: fc.integer({ min: 0, max: 400 }).map((h) => h * HOUR),
      requests: fc.integer({ min: 1, max: 50 }),
      differenceSum: fc.double({ min: -3, max: 3, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constant<Fact>({ kind: 'guardrail', reason: 'error-rate', observed: 0.5, limit: 0.02, requests: 60 }),
  },
  { weight: 1, arbitrary: fc.constant<Fact>({ kind: 'abort', reason: 'enough' }) },
  { weight: 1, arbitrary: fc.constant<Fact>({ kind: 'promote', reason: 'go' }) },
);
/** Long runs of hours in order, with now and then something else, reach every stage. */
const history = fc
  .tuple(
    fc.boolean(),
    fc
      .integer({ min: -3, max: 3 })
      .chain((mean) => fc.integer({ min: 1, max: 150 }).map((n) => hours(n, mean / 100, { seed: n }))),
    fc.array(fc.tuple(fc.nat(), factArbitrary), { maxLength: 8 }),
  )
  .map(([isForced, blocks, extra]) => {
    const facts = [...blocks];
    for (const [at, fact] of extra) facts.splice(at % (facts.length + 1), 0, fact);
    return { start: isForced ? forced : shadow, facts };
  });

describe('whatever happens to a rollout', () => {
  const everyStep = (check: (before: RolloutState, fact: Fact, after: ReturnType<typeof decide>) => void): void => {
    fc.assert(
      fc.property(history, ({ start, facts }) => {
        let state = start;
        for (const fact of facts) {
          const outcome = decide(state, fact, plan);
          check(state, fact, outcome);
          state = outcome.state;
        }
      }),
      { numRuns: 300 },
    );
  };

  test('the weights of both arms are from 0 to 100 and sum to 100', () => {
    everyStep((_, _fact, { state }) => {
      const candidate = weightOf(state, plan);
      assert.ok(candidate >= 0 && candidate <= 100);
      if (isFinal(state.stage) && state.stage !== 'completed') assert.equal(candidate, 0);
    });
  });

  test('nothing is promoted without better evidence or a person', () => {
    everyStep((before, fact, { decision }) => {
      if (!decision || decision.weight <= weightOf(before, plan) || fact.kind === 'promote') return;
      assert.equal(decision.figures?.verdict, 'better');
    });
  });

  test('what has ended stays as it is', () => {
    everyStep((before, _fact, { state, decision }) => {
      if (!isFinal(before.stage)) return;
      assert.equal(state, before);
      assert.equal(decision, null);
    });
  });

  test('a guardrail takes every active rollout back to the former revision at once', () => {
    everyStep((before) => {
      if (!isActive(before.stage)) return;
      const { state } = decide(
        before,
        { kind: 'guardrail', reason: 'latency', observed: 0.2, limit: 0.05, requests: 99 },
        plan,
      );
      assert.ok(['refused', 'rolled-back'].includes(state.stage));
      assert.equal(weightOf(state, plan), 0);
    });
  });

  test('a decision names the stage that was left and the one that is entered, and the state survives JSON', () => {
    everyStep((before, _fact, { state, decision }) => {
      if (decision) assert.deepEqual([decision.from, decision.to], [before.stage, state.stage]);
      else assert.equal(state.stage, before.stage);
      assert.equal(JSON.stringify(JSON.parse(JSON.stringify(state))), JSON.stringify(state));
    });
  });
});
