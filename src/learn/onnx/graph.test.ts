import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { OnnxGraph } from '#learn/onnx';

const OPSETS = { '': 17, 'ai.onnx.ml': 3 };

async function run(graph: OnnxGraph, feeds: { [name: string]: Tensor }): Promise<InferenceSession.OnnxValueMapType> {
  const bytes = graph.toBytes({ graphName: 'test', opsets: OPSETS });
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 4 });
  const results = await session.run(feeds);
  await session.release();
  return results;
}

test('a network of standard operators computes what its formula says', async () => {
  const values = fc.array(fc.float({ noNaN: true, min: -4, max: 4 }), { minLength: 6, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(values, values, async (weights, input) => {
      const graph = new OnnxGraph();
      graph.input('x', 'float', ['N', 3]);
      graph.initializer('w', { type: 'float', shape: [3, 2], values: weights });
      graph.initializer('b', { type: 'float', shape: [2], values: [0.5, -0.25] });
      graph.node('Gemm', { inputs: ['x', 'w', 'b'], outputs: ['h'], attributes: { alpha: { float: 2 } } });
      graph.node('Relu', { inputs: ['h'], outputs: ['y'] });
      graph.output('y', 'float', ['N', 2]);
      const { y } = await run(graph, { x: new Tensor('float32', Float32Array.from(input), [2, 3]) });
      [0, 1].forEach((row) => {
        [0, 1].forEach((column) => {
          const sum = [0, 1, 2].reduce((total, k) => total + input[row * 3 + k]! * weights[k * 2 + column]!, 0);
          const expected = Math.max(0, 2 * sum + [0.5, -0.25][column]!);
          assert.ok(Math.abs(Number(y!.data[row * 2 + column]) - expected) < 1e-4);
        });
      });
    }),
    { numRuns: 20 },
  );
});

test('integers of every size and sign, texts and doubles arrive unchanged', async () => {
  const integers = [
    0,
    1,
    -1,
    127,
    128,
    -129,
    2 ** 31,
    -(2 ** 31),
    Number.MAX_SAFE_INTEGER,
    -(2n ** 63n),
    2n ** 63n - 1n,
  ];
  const texts = ['', 'a', 'Zürich', '東京', 'x'.repeat(300)];
  const doubles = [0.1, -1e300, Number.MIN_VALUE, Infinity, Number.NaN];
  const graph = new OnnxGraph();
  graph.initializer('i', { type: 'int64', shape: [integers.length], values: integers });
  graph.initializer('s', { type: 'string', shape: [1, texts.length], values: texts });
  graph.initializer('scalar', { type: 'double', shape: [], values: [2.5] });
  graph.node('Identity', { inputs: ['i'], outputs: ['integers'] });
  graph.node('Identity', { inputs: ['s'], outputs: ['texts'] });
  graph.node('Identity', { inputs: ['scalar'], outputs: ['number'] });
  const value = { tensor: { type: 'double' as const, shape: [doubles.length], values: doubles } };
  graph.node('Constant', { inputs: [], outputs: ['doubles'], attributes: { value } });
  graph.output('integers', 'int64', [integers.length]);
  graph.output('texts', 'string', [1, texts.length]);
  graph.output('number', 'double', []);
  graph.output('doubles', 'double', [doubles.length]);
  const results = await run(graph, {});
  assert.deepEqual([...(results['integers']!.data as BigInt64Array)], integers.map(BigInt));
  assert.deepEqual([...(results['texts']!.data as string[])], texts);
  assert.deepEqual(results['texts']!.dims, [1, texts.length]);
  assert.deepEqual([...(results['number']!.data as Float64Array)], [2.5]);
  assert.deepEqual([...(results['doubles']!.data as Float64Array)], doubles);
});

test('list attributes work in another domain', async () => {
  const graph = new OnnxGraph();
  graph.input('k', 'int64', ['N']);
  graph.node('LabelEncoder', {
    domain: 'ai.onnx.ml',
    inputs: ['k'],
    outputs: ['v'],
    attributes: {
      keys_int64s: { ints: [-5, 7] },
      values_strings: { strings: ['five', 'ß'] },
      default_string: { string: '-' },
    },
  });
  graph.output('v', 'string', ['N']);
  const { v } = await run(graph, { k: new Tensor('int64', BigInt64Array.of(7n, -5n, 0n), [3]) });
  assert.deepEqual([...(v!.data as string[])], ['ß', 'five', '-']);
});

test('a value that is unknown, given twice or of the wrong size is a bug and asserts', () => {
  const graph = new OnnxGraph();
  graph.input('x', 'float', [1]);
  assert.throws(() => graph.input('x', 'float', [1]), /the value 'x' is defined twice/);
  assert.throws(() => graph.node('Relu', { inputs: ['z'], outputs: ['y'] }), /Relu: unknown input 'z'/);
  assert.throws(() => graph.output('y', 'float', [1]), /output 'y' is made by no node/);
  graph.node('Scaler', { domain: 'ai.onnx.ml', inputs: ['x'], outputs: ['y'] });
  assert.throws(() => graph.toBytes({ graphName: 'g', opsets: { '': 17 } }), /for the domain 'ai.onnx.ml'/);
  graph.initializer('w', { type: 'float', shape: [2, 2], values: [1, 2, 3] });
  assert.throws(() => graph.toBytes({ graphName: 'g', opsets: OPSETS }), /tensor 'w' of shape \[2,2\] holds 3 values/);
});
