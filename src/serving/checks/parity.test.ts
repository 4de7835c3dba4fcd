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

test('of models of tensors, only what breaks requests of today or what reads the answers fails', () => {
  const tensors = (
    inputs: Readonly<Record<string, readonly ['FP32' | 'INT64', number[]]>>,
    outputs: Readonly<Record<string, number[]>>,
  ): Pick<Arm, 'tensors'> => ({
    tensors: {
      inputs: Object.entries(inputs).map(([name, [datatype, shape]]) => ({ name, datatype, shape })),
      outputs: Object.entries(outputs).map(([name, shape]) => ({ name, datatype: 'FP32', shape })),
      beside: [],
    },
  });
  const before = { ...arm(1, {}), ...tensors({ x: ['FP32', [-1, 4]], y: ['INT64', [1]] }, { p: [-1, 3] }) };
  const of = (more: Pick<Arm, 'tensors'>) =>
    checkParity({ current: before, candidate: { ...arm(2, {}), ...more } }, { signature: 'compatible' }, null);

  const wider = of(tensors({ x: ['FP32', [-1, -1]] }, { p: [-1, 3], q: [1] }));
  assert.deepEqual(
    [wider.passed, wider.details],
    [true, ["input 'x' is FP32 [-1,-1] and was FP32 [-1,4]", "input 'y' is no longer taken", "output 'q' is new"]],
  );
  const breaking = of(tensors({ x: ['INT64', [-1, 4]], z: ['FP32', [1]] }, {}));
  assert.deepEqual(breaking.details.slice(0, 3), [
    "input 'x' is INT64 [-1,4] and was FP32 [-1,4]",
    "input 'z' (FP32 [1]) is new",
    "output 'p' is no longer answered",
  ]);
  assert.deepEqual([breaking.passed, of({}).details], [false, ['it takes columns, not tensors']]);
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
