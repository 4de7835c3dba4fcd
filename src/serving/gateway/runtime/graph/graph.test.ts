import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { Arm, RoutingTable } from '../../../routing.ts';
import type { Tensor } from '../../tensors/tensor.ts';
import { endpointOf, type GatewayHarness, openGateway } from '../../testing/gateway-harness.ts';
import { brittleModel, logisticModel, type TestModel } from '../../testing/models.ts';
import { pipelined, tensorOf } from '../../testing/open-inference-call.ts';
import { identity, lookUp, times } from '../../testing/tensor-models.ts';
import { mean, stack, vote } from './combine.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const tensor = (name: string, datatype: string, shape: readonly number[]) => ({ name, datatype, shape });
const graph = (more: object): string => JSON.stringify({ runtime: 'graph', ...more });
const X = [tensor('x', 'FP32', [-1])];
const of = (values: readonly number[], shape: readonly number[]): Tensor => ({
  ...{ name: 'm', datatype: 'FP32', shape, values: Float32Array.from(values) },
});

test('means, votes and stacks are those of each value', () => {
  const members = [of([1, 5], [2, 1]), of([3, 5], [2, 1]), of([3, 8], [2, 1])];
  const weighed = members.map((member, i) => ({ tensor: member, weight: [2, 1, 1][i] ?? 1 }));
  assert.deepEqual([...mean(weighed, 'v').values], [2, 5.75]);
  assert.deepEqual([...vote(weighed, 'v').values], [1, 5]);
  assert.deepEqual(
    [
      ...vote(
        members.map((member) => ({ tensor: member, weight: 1 })),
        'v',
      ).values,
    ],
    [3, 5],
  );
  const stacked = stack([...weighed, { tensor: of([9, 9, 7, 7], [2, 2]), weight: 1 }], 'v');
  assert.deepEqual(
    [stacked.shape, [...stacked.values]],
    [
      [2, 5],
      [1, 3, 3, 9, 9, 5, 5, 8, 7, 7],
    ],
  );
  assert.throws(() => mean([...weighed, { tensor: of([1], [1, 1]), weight: 1 }], 'v'), /\[2,1\] and \[1,1\]/);
});

test('a mean lies between its members, and does not change with their order', () => {
  const rows = fc.array(fc.tuple(fc.float({ noNaN: true, min: -1e6, max: 1e6 }), fc.integer({ min: 1, max: 9 })), {
    minLength: 1,
    maxLength: 9,
  });
  fc.assert(
    fc.property(rows, (drawn) => {
      const members = drawn.map(([value, weight]) => ({ tensor: of([value], [1]), weight }));
      const [found = Number.NaN] = mean(members, 'v').values as Float32Array;
      const [turned = Number.NaN] = mean(members.toReversed(), 'v').values as Float32Array;
      const values = drawn.map(([value]) => value);
      assert.ok(found >= Math.min(...values) - 1 && found <= Math.max(...values) + 1);
      assert.ok(Math.abs(found - turned) <= 1e-6 * Math.max(1, Math.abs(found)));
    }),
  );
});

describe('graphs of models', () => {
  let harness: GatewayHarness;
  before(async () => {
    const meta = { name: 'meta', model: 'logistic', inputs: { features: 'both.value' } };
    const doubled = { name: 'doubled', model: 'twice', inputs: { x: 'x' } };
    const tripled = { name: 'tripled', model: 'thrice@1', inputs: { x: 'x' } };
    harness = await openGateway({
      repository: {
        'twice/1/model.onnx': times(2),
        'thrice/1/model.onnx': times(3),
        'logistic/1/model.onnx': logisticModel({ a: 1, b: -1 }).bytes,
        'look/1/model.onnx': lookUp(),
        'texts/1/model.onnx': identity('string'),
        'stacked/1/model.json': graph({
          inputs: X,
          nodes: [meta, { name: 'both', combine: 'stack', of: ['doubled.y', 'tripled.y'] }, doubled, tripled],
          outputs: { p: 'meta.probability', twice: 'doubled.y' },
        }),
        'average/1/model.json': graph({
          inputs: X,
          nodes: [
            doubled,
            tripled,
            { name: 'average', combine: 'mean', of: ['doubled.y', 'tripled.y'], weights: [3, 1] },
          ],
          outputs: { y: 'average.value' },
        }),
        'lenient/1/model.json': graph({
          inputs: [tensor('i', 'INT64', [-1])],
          nodes: [
            ...['a', 'b', 'c'].map((name) => ({ name, model: 'look', inputs: { x: 'i' }, onFailure: 'skip' })),
            { name: 'average', combine: 'mean', of: ['a.y', 'b.y', 'c.y'], atLeast: 1 },
          ],
          outputs: { y: 'average.value' },
        }),
        'nested/1/model.json': graph({
          inputs: X,
          nodes: [{ name: 'inner', model: 'average', inputs: { x: 'x' } }],
          outputs: { y: 'inner.y' },
        }),
        'torn/1/model.json': graph({
          inputs: [tensor('t', 'BYTES', [-1, 1])],
          nodes: [{ name: 'a', model: 'twice', inputs: { x: 't' } }],
          outputs: { y: 'a.y' },
        }),
      },
      table: async (): Promise<RoutingTable> => ({ version: 1, endpoints: {} }),
    });
  });
  after(() => harness.close());

  const infer = (model: string, datatype: string, data: readonly unknown[], name = 'x') =>
    harness.post(`/v2/models/${model}/infer`, { inputs: [{ name, datatype, shape: [data.length], data }] });

  test('run models one after the other and beside each other', async () => {
    const { body } = await infer('stacked', 'FP32', [1, -2]);
    const [p, twice] = body.outputs.map(({ data }) => data);
    assert.deepEqual(twice, [2, -4]);
    for (const [i, x] of [1, -2].entries()) assert.ok(Math.abs((p?.[i] ?? 0) - sigmoid(2 * x - 3 * x)) < 1e-6);
    assert.deepEqual((await infer('average', 'FP32', [4])).body.outputs[0]?.data, [9]);
  });

  test('are joined into one run of each part, and answer over every protocol', async () => {
    const bodies = Array.from({ length: 16 }, (_, i) => ({ inputs: [tensorOf('x', 'FP32', [1], [4 * i])] }));
    await infer('average', 'FP32', [1]);
    const answers = await pipelined(harness.gateway.url, 'models/average/infer', bodies);
    for (const [i, { outputs }] of answers.entries()) assert.deepEqual(outputs[0]?.data, [9 * i]);
    const stats = await (await fetch(`${harness.gateway.url}/v2/models/average/stats`)).json();
    const [found] = (stats as { model_stats: { execution_count: number; inference_count: number }[] }).model_stats;
    assert.ok(found && found.execution_count < found.inference_count, JSON.stringify(found));
    const { body } = await harness.post('/v1/models/average:predict', { instances: [{ x: 4 }, { x: 8 }] });
    assert.deepEqual(body.predictions, [9, 18]);
  });

  test('do without members that fail, where they may', async () => {
    assert.deepEqual((await infer('lenient', 'INT64', [2], 'i')).body.outputs[0]?.data, [20]);
    const none = await infer('lenient', 'INT64', [7], 'i');
    assert.equal(none.status, 500);
    assert.match(String(none.body.error), /node 'average': 0 of its 3 members answered, it needs 1/);
  });

  test('that do not hold together are refused with the place', async () => {
    const torn = await infer('torn', 'FP32', [1]);
    assert.equal(torn.status, 503);
    assert.match(String(torn.body.error), /nodes\.a\.inputs\.x: twice takes FP32 \[-1\], 't' is BYTES/);
    assert.match(String((await infer('nested', 'FP32', [1])).body.error), /its part 'average' is a graph itself/);
  });
});

test('an endpoint of a graph is recorded with what each version in it did, and takes part in rollouts', async (t) => {
  const signature: TestModel['signature'] = { inputs: [{ name: 'x', kind: 'numeric' }], output: 'value' };
  const node = (name: string, model: string, onFailure = 'fail') => ({
    name,
    model,
    inputs: { features: 'features' },
    onFailure,
  });
  const harness = await openGateway({
    table: async (put) => {
      const one = await put(brittleModel(), 'one', 4);
      const other = await put(logisticModel({ a: 1 }), 'other', 2);
      const bytes = graph({
        inputs: [tensor('features', 'FP32', [-1, 1])],
        nodes: [
          node('first', 'one@4', 'skip'),
          node('second', 'other@2'),
          { name: 'mean', combine: 'mean', of: ['first.value', 'second.probability'], atLeast: 1 },
        ],
        outputs: { value: 'mean.value' },
      });
      const parts = { 'one@4': one.digest, 'other@2': other.digest };
      const version = await put({ bytes: new TextEncoder().encode(bytes), signature }, 'm', 2);
      const candidate: Arm = { ...version, parts };
      const current = await put(brittleModel(), 'm', 1);
      const e = endpointOf('e', current, { candidate: { ...candidate, weight: 100, shadow: false }, rollout: 'r' });
      return { version: 1, endpoints: { e } };
    },
  });
  t.after(() => harness.close());

  const good = await harness.post('/v1/endpoints/e/predict', { id: 'good', inputs: { x: 2 } });
  const half = await harness.post('/v1/endpoints/e/predict', { id: 'half', inputs: { x: 9 } });
  await harness.gateway.flush();

  assert.deepEqual([good.body.arm, half.body.arm], ['candidate', 'candidate']);
  assert.ok(Math.abs(good.body.output.value - (2 + sigmoid(2)) / 2) < 1e-6);
  assert.ok(Math.abs(half.body.output.value - sigmoid(9)) < 1e-6);
  const nodesOf = (id: string) => {
    const nodes = harness.controlPlane.records.find((record) => record.id === id)?.nodes ?? [];
    return nodes.map(({ node: name, revision, error, us }) => [name, revision, error !== undefined, us >= 0]).sort();
  };
  assert.deepEqual(nodesOf('good'), [
    ['first', 'one@4', false, true],
    ['mean', undefined, false, true],
    ['second', 'other@2', false, true],
  ]);
  assert.deepEqual(nodesOf('half')[0], ['first', 'one@4', true, true]);
});
