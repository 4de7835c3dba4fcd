import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '#core/hash';
import type { FeaturePlan } from '#features';
import type { Arm } from '../routing.ts';
import { checkParity } from './parity.ts';

type Kind = 'numeric' | 'category';

function arm(version: number, inputs: Readonly<Record<string, Kind>>, output: 'probability' | 'value' = 'value'): Arm {
  const signature = { inputs: Object.entries(inputs).map(([name, kind]) => ({ name, kind })), output };
  return { revision: `m@${version}`, model: 'm', version, digest: digestOf(String(version)), signature };
}

const current = arm(1, { a: 'numeric', b: 'category' });
const views = [{ name: 'view', keys: ['k'], features: [{ name: 'delivered' }] }];
const features = { views } as object as FeaturePlan;

const found = (candidate: Arm, signature: 'note' | 'compatible' | 'same') =>
  checkParity({ current, candidate }, { signature }, features);

test('each difference is named, and only what breaks requests of today fails a compatible signature', () => {
  const breaking = found(arm(2, { a: 'category', c: 'numeric', b: 'category' }, 'probability'), 'compatible');
  assert.equal(breaking.passed, false);
  assert.deepEqual(breaking.details, [
    "input 'a' is a category and was a number",
    "input 'c' (a number) is new, and no feature view delivers it",
    'it answers with a probability and not with a value',
  ]);
  assert.match(breaking.sentence, /demands a signature that is compatible with m@1, and m@2 differs: input 'a'/);

  const harmless = arm(2, { delivered: 'numeric', b: 'category' });
  assert.equal(found(harmless, 'compatible').passed, true);
  assert.deepEqual(found(harmless, 'compatible').details, [
    "input 'delivered' is new, and a feature view delivers it",
    "input 'a' is no longer taken",
  ]);
  assert.equal(found(harmless, 'same').passed, false);
  assert.equal(found(arm(2, { z: 'category' }), 'note').passed, true);
});

test('a category is not delivered by a view of numbers, and another order is a difference', () => {
  assert.equal(
    found(arm(2, { ...{ a: 'numeric', b: 'category' }, delivered: 'category' }), 'compatible').passed,
    false,
  );
  const reordered = found(arm(2, { b: 'category', a: 'numeric' }), 'same');
  assert.deepEqual([reordered.passed, reordered.details], [false, ['its inputs stand in another order']]);
  assert.match(found(arm(2, { a: 'numeric', b: 'category' }), 'same').sentence, /takes and answers what m@1 does/);
});
