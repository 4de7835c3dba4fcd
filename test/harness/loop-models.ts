import { OnnxGraph } from '#learn/onnx';
import type { LoopEvidence, LoopModel } from './loop-platform.ts';

const OPSETS = { '': 17, 'ai.onnx.ml': 3 };

/** What the gate of the loop's project asks for. */
export const EVIDENCE: readonly LoopEvidence[] = [
  { kind: 'leak-check', passed: true, data: { summary: 'no features, so none from the future' } },
  { kind: 'evaluation', passed: null, data: { auc: 0.75 } },
];

/** probability = sigmoid(weight · x): of a town whose rides follow 3·x, a weight near 2.5 is the best there is. */
export function linearModel(weight: number): LoopModel {
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', 1]);
  graph.initializer('weight', { type: 'float', shape: [1, 1], values: [weight] });
  graph.node('MatMul', { inputs: ['features', 'weight'], outputs: ['logit'] });
  graph.node('Sigmoid', { inputs: ['logit'], outputs: ['probability'] });
  graph.output('probability', 'float', ['N', 1]);
  return fileOf(graph, 'linear', [{ name: 'x', kind: 'numeric' }]);
}

/** scores = x · weights, [batch, 2] to [batch, 3], a model of tensors: which of three classes it is. */
export function classModel(weights: readonly number[]): LoopModel {
  const graph = new OnnxGraph();
  graph.input('x', 'float', ['batch', 2]);
  graph.initializer('weights', { type: 'float', shape: [2, 3], values: [...weights] });
  graph.node('MatMul', { inputs: ['x', 'weights'], outputs: ['scores'] });
  graph.output('scores', 'float', ['batch', 3]);
  return { bytes: graph.toBytes({ graphName: 'classes', opsets: OPSETS }) };
}

/** The same probability for everybody: half of its decisions are wrong where half of the requests are late. */
export function steadyModel(probability: number): LoopModel {
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', 1]);
  graph.initializer('weight', { type: 'float', shape: [1, 1], values: [0] });
  graph.initializer('bias', { type: 'float', shape: [1], values: [Math.log(probability / (1 - probability))] });
  graph.node('MatMul', { inputs: ['features', 'weight'], outputs: ['nothing'] });
  graph.node('Add', { inputs: ['nothing', 'bias'], outputs: ['logit'] });
  graph.node('Sigmoid', { inputs: ['logit'], outputs: ['probability'] });
  graph.output('probability', 'float', ['N', 1]);
  return fileOf(graph, 'steady', [{ name: 'x', kind: 'numeric' }]);
}

/**
 * Looks a car up in a table that has a row for each car it has seen, and none for others: the run-time throws for a
 * batch in which there is one.
 */
export function forgetfulModel(seen: readonly string[]): LoopModel {
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', 1]);
  graph.input('categories', 'string', ['N', 1]);
  // The empty text is the row of zeros on which a gateway warms a model.
  const known = ['', ...seen];
  graph.node('LabelEncoder', {
    domain: 'ai.onnx.ml',
    inputs: ['categories'],
    outputs: ['row'],
    attributes: {
      keys_strings: { strings: known },
      values_int64s: { ints: known.map((_, row) => row) },
      default_int64: { int: known.length },
    },
  });
  graph.initializer('by_car', { type: 'float', shape: [known.length], values: known.map(() => 0) });
  graph.node('Gather', { inputs: ['by_car', 'row'], outputs: ['offset'], attributes: { axis: { int: 0 } } });
  graph.node('Add', { inputs: ['features', 'offset'], outputs: ['logit'] });
  graph.node('Sigmoid', { inputs: ['logit'], outputs: ['probability'] });
  graph.output('probability', 'float', ['N', 1]);
  return fileOf(graph, 'forgetful', [
    { name: 'x', kind: 'numeric' },
    { name: 'car', kind: 'category' },
  ]);
}

const SIDE = 1_024;

/** Answers like {@link linearModel} with weight 1, after `rounds` products of large matrices: some 40 ms a round. */
export function slowModel(rounds: number): LoopModel {
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', 1]);
  graph.initializer('side', { type: 'int64', shape: [2], values: [SIDE, SIDE] });
  const fill = { tensor: { type: 'float', shape: [1], values: [1 / SIDE] } } as const;
  graph.node('ConstantOfShape', { inputs: ['side'], outputs: ['even'], attributes: { value: fill } });
  // Depends on the input, or the products would be computed once and for all when the model is loaded.
  graph.initializer('hair', { type: 'float', shape: [1], values: [1e-9] });
  graph.node('ReduceMean', { inputs: ['features'], outputs: ['mean'], attributes: { keepdims: { int: 0 } } });
  graph.node('Mul', { inputs: ['mean', 'hair'], outputs: ['grain'] });
  graph.node('Add', { inputs: ['even', 'grain'], outputs: ['product_0'] });
  for (let i = 0; i < rounds; i++) {
    graph.node('MatMul', { inputs: [`product_${i}`, 'even'], outputs: [`product_${i + 1}`] });
  }
  graph.node('ReduceMean', { inputs: [`product_${rounds}`], outputs: ['last'], attributes: { keepdims: { int: 0 } } });
  graph.node('Mul', { inputs: ['last', 'hair'], outputs: ['nearly_nothing'] });
  graph.node('Add', { inputs: ['features', 'nearly_nothing'], outputs: ['logit'] });
  graph.node('Sigmoid', { inputs: ['logit'], outputs: ['probability'] });
  graph.output('probability', 'float', ['N', 1]);
  return fileOf(graph, 'slow', [{ name: 'x', kind: 'numeric' }]);
}

function fileOf(graph: OnnxGraph, graphName: string, inputs: NonNullable<LoopModel['signature']>['inputs']): LoopModel {
  return { bytes: graph.toBytes({ graphName, opsets: OPSETS }), signature: { inputs, output: 'probability' } };
}
