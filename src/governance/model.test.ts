import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { gatePolicySpec, type Requirement } from './contract.ts';
import { evaluate, evidenceDigest, type GateEvidence, itemOf, type Policy } from './model.ts';

const policy = (require: readonly unknown[], waivable = false): Policy => ({
  name: 'p',
  spec: gatePolicySpec.parse({ model: 'm', transitions: ['serve'], require, waivable }),
});
const evidence = (kind: string, passed: boolean | null, data: GateEvidence['data'] = {}): GateEvidence => ({
  kind,
  passed,
  data,
});
const approval = (approver: string, passed: boolean | null, independent = true) =>
  evidence('approval', passed, { approver, independent, reason: 'because' });
const missing = (one: Policy, given: readonly GateEvidence[]) => {
  const verdict = evaluate([one], given);
  return verdict.allow ? [] : verdict.missing;
};

test('a denial names each missing or failed item in words, with the summary of the evidence', () => {
  const strict = policy([
    { evidence: 'leak-check', passed: true },
    { evidence: 'evaluation', metric: { name: 'auc', atLeast: 0.75 } },
    { evidence: 'explanation' },
    { evidence: 'profile', passed: true },
    { approvals: 2 },
  ]);
  const summary = '3,412 of 200,000 rows used values not yet known (first: row 17)';

  const words = missing(strict, [
    evidence('leak-check', false, { summary }),
    evidence('evaluation', true, { metrics: { auc: 0.71 } }),
    evidence('profile', null),
    approval('user:ada', true),
  ]);

  assert.deepEqual(words, [
    `leak-check: ${summary}`,
    'evaluation: auc is 0.71, required is at least 0.75',
    'explanation: there is no evidence of this kind',
    'profile: recorded, but not judged as passed',
    'approvals: 1 of 2 by user:ada',
  ]);
});

test('an allowance names what satisfied it', () => {
  const verdict = evaluate(
    [policy([{ evidence: 'evaluation', metric: { name: 'loss', atLeast: 0, atMost: 0.5 } }, { evidence: 'note' }])],
    [evidence('evaluation', null, { loss: 0.25 }), evidence('note', null, { summary: 'seen' })],
  );
  const satisfied = ['evaluation: loss is 0.25 (at least 0 and at most 0.5)', 'note: seen'];
  assert.deepEqual(verdict, { allow: true, policy: 'p', satisfied });
});

test('without a policy everything is allowed, and the verdict says that none applied', () => {
  assert.deepEqual(evaluate([], []), { allow: true, policy: null, satisfied: [] });
});

test('evidence that failed is never enough, also where only its presence is asked for', () => {
  assert.deepEqual(missing(policy([{ evidence: 'note' }]), [evidence('note', false)]), ['note: failed']);
  const metric = policy([{ evidence: 'evaluation', metric: { name: 'auc', atLeast: 0.5 } }]);
  assert.equal(missing(metric, [evidence('evaluation', false, { metrics: { auc: 0.9 } })]).length, 1);
});

test('a metric that is absent, not a number or inherited is missing', () => {
  const wants = (name: string) => policy([{ evidence: 'evaluation', metric: { name, atMost: 1e9 } }]);
  for (const data of [null, [], 'x', {}, { auc: '0.9' }, { metrics: [1] }, { metrics: { auc: null } }]) {
    assert.match(missing(wants('auc'), [evidence('evaluation', true, data)])[0] ?? '', /has no number auc/);
  }
  assert.equal(missing(wants('constructor'), [evidence('evaluation', true)]).length, 1);
});

test('each approver counts once, by their newest word, and a standing refusal denies', () => {
  const two = policy([{ approvals: 2 }]);
  const ada = approval('user:ada', true);
  const bob = approval('user:bob', true);

  assert.equal(missing(two, [ada, ada]).length, 1);
  assert.equal(missing(two, [ada, bob]).length, 0);
  assert.deepEqual(missing(two, [ada, bob, approval('user:eve', false)]), ['approvals: user:eve refused (because)']);
  assert.equal(missing(two, [ada, bob, approval('user:eve', false), approval('user:eve', true)]).length, 0);
  assert.equal(missing(two, [ada, bob, approval('user:bob', null)]).length, 1);
});

test('independent approvals leave out whoever made the version', () => {
  const given = [approval('user:ada', true, false)];
  assert.equal(missing(policy([{ approvals: 1 }]), given).length, 0);
  assert.deepEqual(missing(policy([{ approvals: 1, independent: true }]), given), [
    'approvals: 0 of 1; not counted, as they made the version: user:ada',
  ]);
});

test('a waiver meets the named items of waivable policies only, and is told', () => {
  const waiver = { items: ['leak-check'], by: 'user:ada', reason: 'known and harmless' };
  const require = [{ evidence: 'leak-check', passed: true }];

  const waived = evaluate([policy(require, true)], [evidence('leak-check', false)], [waiver]);
  assert.deepEqual(waived.allow && waived.satisfied, ['leak-check: failed; waived by user:ada: known and harmless']);
  assert.equal(evaluate([policy(require, false)], [], [waiver]).allow, false);
  assert.equal(evaluate([policy([...require, { evidence: 'note' }], true)], [], [waiver]).allow, false);
});

test('where several policies apply, all of them must be satisfied', () => {
  const policies = [
    { ...policy([{ evidence: 'a' }]), name: 'one' },
    { ...policy([{ evidence: 'b' }]), name: 'two' },
  ];
  const verdict = evaluate(policies, [evidence('a', true)]);
  assert.deepEqual(verdict, { allow: false, policy: 'one, two', missing: ['b: there is no evidence of this kind'] });
  assert.equal(evaluate(policies, [evidence('b', true), evidence('a', true)]).allow, true);
});

const kinds = fc.constantFrom('a', 'b', 'c');
const anyEvidence: fc.Arbitrary<GateEvidence> = fc.oneof(
  fc.record({
    kind: kinds,
    passed: fc.constantFrom(true, false, null),
    data: fc.record({ metrics: fc.record({ x: fc.integer({ min: 0, max: 4 }) }) }),
  }),
  fc
    .tuple(fc.constantFrom('ada', 'bob', 'eve'), fc.constantFrom(true, false, null), fc.boolean())
    .map(([who, passed, independent]) => approval(who, passed, independent)),
);
const anyRequirement: fc.Arbitrary<Requirement> = fc.oneof(
  fc.record(
    {
      evidence: kinds,
      passed: fc.constant(true as const),
      metric: fc.integer({ min: 0, max: 4 }).map((atLeast) => ({ name: 'x', atLeast })),
      from: fc.constant('latest' as const),
    },
    { requiredKeys: ['evidence', 'from'] },
  ),
  fc.record({ approvals: fc.integer({ min: 1, max: 3 }), independent: fc.boolean(), signed: fc.constant(false) }),
);
const anyPolicy = fc.array(anyRequirement, { minLength: 1, maxLength: 4 }).map((require) => policy(require));
const history = fc.array(anyEvidence, { maxLength: 12 });

test('evidence that passes by itself never turns an allowance into a denial', () => {
  let turned = 0;
  fc.assert(
    fc.property(anyPolicy, history, anyEvidence, (one, given, added) => {
      const before = evaluate([one], given);
      if (!before.allow || added.kind === 'approval') return;
      const concerned = one.spec.require.filter((requirement) => itemOf(requirement) === added.kind);
      const passes = concerned.length === 0 || evaluate([policy(concerned)], [added]).allow;
      const after = evaluate([one], [...given, added]);
      // The newest of a kind supersedes: passing keeps the allowance, failing ends it.
      assert.equal(after.allow, passes);
      if (!after.allow) turned += 1;
    }),
    { numRuns: 5_000 },
  );
  assert.ok(turned > 0, 'no history was superseded by failing evidence: the property was not exercised');
});

test('an approval never turns an allowance into a denial, a refusal always does where approvals are asked for', () => {
  fc.assert(
    fc.property(anyPolicy, history, fc.constantFrom('ada', 'bob', 'new'), (one, given, who) => {
      if (!evaluate([one], given).allow) return;
      assert.equal(evaluate([one], [...given, approval(who, true)]).allow, true);
      const asks = one.spec.require.some((requirement) => 'approvals' in requirement);
      assert.equal(evaluate([one], [...given, approval(who, false)]).allow, !asks);
    }),
    { numRuns: 2_000 },
  );
});

test('a verdict is a function of its arguments, and blind to evidence that nothing asks for', () => {
  fc.assert(
    fc.property(anyPolicy, history, (one, given) => {
      const verdict = evaluate([one], given);
      assert.deepEqual(evaluate([structuredClone(one)], structuredClone(given)), verdict);
      assert.deepEqual(evaluate([one], [evidence('unasked', false), ...given, evidence('unasked', false)]), verdict);
      assert.equal(evidenceDigest(structuredClone(given)), evidenceDigest(given));
      assert.equal(!verdict.allow && verdict.missing.length === 0, false);
    }),
  );
});

test('a policy that asks for nothing, or for a metric without a bound, does not fit its schema', () => {
  const spec = { model: 'm', transitions: ['serve'] };
  for (const require of [[], [{ evidence: 'a', metric: { name: 'x' } }], [{ approvals: 0 }], [{ evidence: 'A' }]]) {
    assert.equal(gatePolicySpec.safeParse({ ...spec, require }).success, false);
  }
});
