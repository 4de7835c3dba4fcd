import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AlertSpec, monitorSpec } from './contract.ts';
import { type AlertState, type AlertWindow, type DueItem, decideAlert, firstDue } from './model.ts';

const value = fc.option(fc.double({ min: 0, max: 2, noNaN: true }), { nil: null });
const windows = fc
  .array(fc.record({ value, threshold: value }), { maxLength: 12 })
  .map((items): AlertWindow[] => items.map((item, start) => ({ start, ...item })));
const alert = fc
  .record({
    k: fc.integer({ min: 1, max: 5 }),
    more: fc.integer({ min: 0, max: 4 }),
    limit: fc.oneof(
      fc.record({ above: fc.oneof(fc.double({ min: 0, max: 2, noNaN: true }), fc.constant('calibrated' as const)) }),
      fc.record({ below: fc.double({ min: 0, max: 2, noNaN: true }) }),
    ),
  })
  .map(({ k, more, limit }): AlertSpec => ({ name: 'a', metric: 'psi', ...limit, k, n: k + more }));
const series = fc.uniqueArray(fc.record({ feature: fc.constantFrom('x', 'y', 'z'), windows }), {
  selector: ({ feature }) => feature,
});
const before = fc.option(
  fc.record({ state: fc.constantFrom('firing' as const, 'resolved' as const), feature: fc.constantFrom('x', 'y') }),
  { nil: undefined },
);

/** The rule in one line, written apart from the code under test. */
function holds(rule: AlertSpec, list: readonly AlertWindow[]): boolean {
  let beyond = 0;
  for (const window of list.slice(Math.max(0, list.length - rule.n))) {
    const limit = rule.below ?? (typeof rule.above === 'number' ? rule.above : window.threshold);
    if (window.value === null || limit === null || limit === undefined) continue;
    if (rule.below === undefined ? window.value > limit : window.value < limit) beyond++;
  }
  return beyond >= rule.k;
}

test('an alert fires exactly while k of the last n windows of one series are beyond the limit', () => {
  fc.assert(
    fc.property(alert, series, before, (rule, list, state) => {
      const change = decideAlert(rule, list, state);

      const should = list.some((item) => holds(rule, item.windows)) ? 'firing' : 'resolved';
      assert.equal(change?.state ?? state?.state ?? 'resolved', should);
      assert.equal(change !== undefined, should !== (state?.state ?? 'resolved'));
    }),
  );
});

test('signals of one alert alternate, and the one that fires names a series that is beyond', () => {
  fc.assert(
    fc.property(alert, fc.array(series, { maxLength: 20 }), (rule, history) => {
      let state: AlertState | undefined;
      for (const list of history) {
        const change = decideAlert(rule, list, state);
        if (!change) continue;
        assert.notEqual(change.state, state?.state ?? 'resolved');
        if (change.state === 'firing') {
          const named = list.find((item) => item.feature === change.feature);
          assert.ok(named && holds(rule, named.windows));
          assert.deepEqual(
            change.windows.map((window) => window.start),
            named.windows.slice(-rule.n).map((window) => window.start),
          );
        } else {
          assert.equal(change.feature, state?.feature);
        }
        state = change;
      }
    }),
  );
});

test('due items have one order, whatever order they are found in', () => {
  const item = fc
    .record({
      kind: fc.constantFrom('block' as const, 'inputs' as const, 'quality' as const),
      of: fc.constantFrom('a', 'b', 'c'),
      dueAt: fc.integer({ min: 0, max: 3 }),
    })
    .map((fields): DueItem => ({ ...fields, start: 0, end: 1 }));
  const items = fc.uniqueArray(item, { selector: (i) => `${i.kind} ${i.of} ${i.dueAt}`, minLength: 1 });
  fc.assert(
    fc.property(items, (list) => {
      const first = firstDue(list);
      assert.deepEqual(firstDue([...list].reverse()), first);
      assert.equal(first?.dueAt, Math.min(...list.map((i) => i.dueAt)));
    }),
  );
});

test('a monitor that cannot work is refused with the field that is wrong', () => {
  const base = { endpoint: 'delays', window: '1d' };
  const pathsOf = (spec: Record<string, unknown>) =>
    monitorSpec.safeParse({ ...base, ...spec }).error?.issues.map((issue) => issue.path.join('.')) ?? [];
  const psi = { name: 'a', metric: 'psi' };

  assert.deepEqual(pathsOf({}), []);
  assert.deepEqual(pathsOf({ drift: {}, alerts: [{ ...psi, above: 'calibrated' }] }), []);
  assert.deepEqual(pathsOf({ alerts: [{ ...psi, above: 0.2 }] }), ['drift']);
  assert.deepEqual(pathsOf({ alerts: [{ name: 'a', metric: 'auc', above: 'calibrated' }] }), ['alerts.0.above']);
  assert.deepEqual(pathsOf({ alerts: [{ name: 'a', metric: 'auc' }] }), ['alerts.0.above']);
  assert.deepEqual(pathsOf({ alerts: [{ name: 'a', metric: 'auc', below: 0.7, k: 4, n: 3 }] }), ['alerts.0.k']);
  assert.deepEqual(pathsOf({ metrics: ['ece'], alerts: [{ name: 'a', metric: 'auc', below: 0.7 }] }), ['metrics']);
  assert.deepEqual(pathsOf({ labelLateness: 'soon', window: '30s' }), ['window', 'labelLateness']);
});
