import { OnnxGraph } from '#learn/onnx';
import type { ModelSignature } from '../../routing.ts';

/** A small real model for tests, as a file and as it is called. */
export interface TestModel {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly signature: ModelSignature;
}

const OPSETS = { '': 17, 'ai.onnx.ml': 3 };

/** probability = sigmoid(Σ weightᵢ·xᵢ + bias) over numeric columns. A missing number makes the answer NaN. */
export function logisticModel(weights: Readonly<Record<string, number>>, bias = 0): TestModel {
  const names = Object.keys(weights);
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', names.length]);
  graph.initializer('weights', { type: 'float', shape: [names.length, 1], values: Object.values(weights) });
  graph.initializer('bias', { type: 'float', shape: [1], values: [bias] });
  graph.node('MatMul', { inputs: ['features', 'weights'], outputs: ['product'] });
  graph.node('Add', { inputs: ['product', 'bias'], outputs: ['logit'] });
  graph.node('Sigmoid', { inputs: ['logit'], outputs: ['probability'] });
  graph.output('probability', 'float', ['N', 1]);
  return {
    bytes: graph.toBytes({ graphName: 'logistic', opsets: OPSETS }),
    signature: { inputs: names.map((name) => ({ name, kind: 'numeric' })), output: 'probability' },
  };
}

/** value = x + the number of the category `c`: a is 1, b is 2, everything else 0. */
export function categoryModel(): TestModel {
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', 1]);
  graph.input('categories', 'string', ['N', 1]);
  graph.node('LabelEncoder', {
    domain: 'ai.onnx.ml',
    inputs: ['categories'],
    outputs: ['ordinal'],
    attributes: {
      keys_strings: { strings: ['a', 'b'] },
      values_floats: { floats: [1, 2] },
      default_float: { float: 0 },
    },
  });
  graph.node('Add', { inputs: ['features', 'ordinal'], outputs: ['value'] });
  graph.output('value', 'float', ['N', 1]);
  return {
    bytes: graph.toBytes({ graphName: 'category', opsets: OPSETS }),
    signature: {
      inputs: [
        { name: 'x', kind: 'numeric' },
        { name: 'c', kind: 'category' },
      ],
      output: 'value',
    },
  };
}

/** value = x, gathered from a table of three: any x other than 0, 1 or 2 makes the whole run fail. */
export function brittleModel(): TestModel {
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', 1]);
  graph.initializer('table', { type: 'float', shape: [3], values: [0, 1, 2] });
  graph.node('Cast', { inputs: ['features'], outputs: ['index'], attributes: { to: { int: 7 } } });
  graph.node('Gather', { inputs: ['table', 'index'], outputs: ['value'], attributes: { axis: { int: 0 } } });
  graph.output('value', 'float', ['N', 1]);
  return {
    bytes: graph.toBytes({ graphName: 'brittle', opsets: OPSETS }),
    signature: { inputs: [{ name: 'x', kind: 'numeric' }], output: 'value' },
  };
}

/** value = x after multiplying `rounds` square matrices of 256: as slow as a test needs it. */
export function slowModel(rounds: number): TestModel {
  const size = 256;
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', 1]);
  graph.initializer('side', { type: 'int64', shape: [2], values: [size, size] });
  graph.node('ReduceMean', { inputs: ['features'], outputs: ['mean'], attributes: { keepdims: { int: 1 } } });
  graph.node('Expand', { inputs: ['mean', 'side'], outputs: ['matrix_0'] });
  for (let i = 0; i < rounds; i++) {
    graph.node('MatMul', { inputs: [`matrix_${i}`, `matrix_${i}`], outputs: [`product_${i}`] });
    graph.node('Tanh', { inputs: [`product_${i}`], outputs: [`matrix_${i + 1}`] });
  }
  graph.node('ReduceMean', {
    inputs: [`matrix_${rounds}`],
    outputs: ['one'],
    attributes: { keepdims: { int: 1 } },
  });
  graph.initializer('zero', { type: 'float', shape: [1], values: [0] });
  graph.node('Mul', { inputs: ['one', 'zero'], outputs: ['nothing'] });
  graph.node('Add', { inputs: ['features', 'nothing'], outputs: ['value'] });
  graph.output('value', 'float', ['N', 1]);
  return {
    bytes: graph.toBytes({ graphName: 'slow', opsets: OPSETS }),
    signature: { inputs: [{ name: 'x', kind: 'numeric' }], output: 'value' },
  };
}
