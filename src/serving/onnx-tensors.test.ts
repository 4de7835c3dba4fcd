import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { OnnxGraph } from '#learn/onnx';
import { TensorSession } from './gateway/runtime/tensor-session.ts';
import { bill, identity, linearClasses, lookUp, sumAndDifference, turned } from './gateway/testing/tensor-models.ts';
import { readOnnxTensors } from './onnx-tensors.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-onnx-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function placed(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

/** y = x + the sum of 100,000 weights, which are named as an input too, as files of before ONNX 1.4 do. */
function withWeights(): Uint8Array<ArrayBuffer> {
  const length = 100_000;
  const graph = new OnnxGraph();
  graph.initializer('weights', { type: 'float', shape: [length], values: Array.from({ length }, () => 0.5) });
  graph.input('x', 'float', ['batch']);
  graph.node('ReduceSum', { inputs: ['weights'], outputs: ['sum'], attributes: { keepdims: { int: 0 } } });
  graph.node('Add', { inputs: ['x', 'sum'], outputs: ['y'] });
  graph.output('y', 'float', ['batch']);
  // A message that follows another of the same field is joined with it, in protobuf.
  const message = (field: number, bytes: readonly number[]): number[] => [8 * field + 2, bytes.length, ...bytes];
  const tensor = [8, 1, ...message(2, message(1, [8, 0xa0, 0x8d, 0x06]))];
  const input = [...message(1, [...Buffer.from('weights')]), ...message(2, message(1, tensor))];
  const bytes = graph.toBytes({ graphName: 'weights', opsets: { '': 17 } });
  return Uint8Array.from([...bytes, ...message(7, message(11, input))]);
}

test('what a file takes and answers is read as the library that runs it does, weights passed over', async () => {
  const models = {
    sums: sumAndDifference(),
    texts: identity('string'),
    bfloat16: identity('bfloat16'),
    halves: identity('float16'),
    bill: bill(),
    turned: turned(),
    'look-up': lookUp(),
    classes: linearClasses([1, 2, 3, 4, 5, 6]),
    weights: withWeights(),
  };
  for (const [name, bytes] of Object.entries(models)) {
    const path = await placed(name, bytes);
    const session = new TensorSession(path);
    const { inputs, outputs } = session;
    session.dispose();
    assert.deepEqual(await readOnnxTensors(path), { inputs, outputs }, name);
  }
});

test('a file that is no model, or ends early, is refused with a reason', async () => {
  const whole = bill();
  for (const bytes of [
    new Uint8Array(0),
    new TextEncoder().encode('no model at all'),
    whole.subarray(0, whole.length - 9),
    whole.subarray(0, 3),
    Uint8Array.from({ length: 64 }, () => 255),
  ]) {
    await assert.rejects(readOnnxTensors(await placed('damaged', bytes)), /no ONNX model/);
  }
});
