import { type ElementType, OnnxGraph } from '#learn/onnx';

/** Small real models of any tensors, as files of a model repository. */

const OPSETS = { '': 17, 'ai.onnx.ml': 3 };

/** `OUTPUT0` and `OUTPUT1` are the sum and the difference of `INPUT0` and `INPUT1`, each [batch, width]. */
export function sumAndDifference(type: ElementType = 'int32', width = 4): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  for (const name of ['INPUT0', 'INPUT1']) graph.input(name, type, ['batch', width]);
  graph.node('Add', { inputs: ['INPUT0', 'INPUT1'], outputs: ['OUTPUT0'] });
  graph.node('Sub', { inputs: ['INPUT0', 'INPUT1'], outputs: ['OUTPUT1'] });
  for (const name of ['OUTPUT0', 'OUTPUT1']) graph.output(name, type, ['batch', width]);
  return graph.toBytes({ graphName: 'sum and difference', opsets: OPSETS });
}

/** y = x, whatever the type: [batch, width]. */
export function identity(type: ElementType): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('x', type, ['batch', 'width']);
  graph.node('Identity', { inputs: ['x'], outputs: ['y'] });
  graph.output('y', type, ['batch', 'width']);
  return graph.toBytes({ graphName: 'identity', opsets: OPSETS });
}

/** y = x · factor, each [batch]: of one dimension, so that a raw body says it. */
export function times(factor: number): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('x', 'float', ['batch']);
  graph.initializer('factor', { type: 'float', shape: [1], values: [factor] });
  graph.node('Mul', { inputs: ['x', 'factor'], outputs: ['y'] });
  graph.output('y', 'float', ['batch']);
  return graph.toBytes({ graphName: 'times', opsets: OPSETS });
}

/** y = the row of a table of three: any x other than 0, 1 or 2 makes the whole run fail. */
export function lookUp(): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('x', 'int64', ['batch']);
  graph.initializer('table', { type: 'float', shape: [3], values: [0, 10, 20] });
  graph.node('Gather', { inputs: ['table', 'x'], outputs: ['y'], attributes: { axis: { int: 0 } } });
  graph.output('y', 'float', ['batch']);
  return graph.toBytes({ graphName: 'look up', opsets: OPSETS });
}

/** y = x · factor as [batch] too, of whole numbers: takes what {@link lookUp} takes, and never fails. */
export function scaled(factor: number): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('x', 'int64', ['batch']);
  graph.initializer('factor', { type: 'float', shape: [1], values: [factor] });
  graph.node('Cast', { inputs: ['x'], outputs: ['real'], attributes: { to: { int: 1 } } });
  graph.node('Mul', { inputs: ['real', 'factor'], outputs: ['y'] });
  graph.output('y', 'float', ['batch']);
  return graph.toBytes({ graphName: 'scaled', opsets: OPSETS });
}

/** scores = x · weights, [batch, 2] to [batch, 3]: which of three classes it is. */
export function linearClasses(weights: readonly number[]): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('x', 'float', ['batch', 2]);
  graph.initializer('weights', { type: 'float', shape: [2, 3], values: [...weights] });
  graph.node('MatMul', { inputs: ['x', 'weights'], outputs: ['scores'] });
  graph.output('scores', 'float', ['batch', 3]);
  return graph.toBytes({ graphName: 'linear classes', opsets: OPSETS });
}

/** t = the matrix m of fixed shape [2, 3], turned: it has no batch. */
export function turned(): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('m', 'double', [2, 3]);
  graph.node('Transpose', { inputs: ['m'], outputs: ['t'], attributes: { perm: { ints: [1, 0] } } });
  graph.output('t', 'double', [3, 2]);
  return graph.toBytes({ graphName: 'turned', opsets: OPSETS });
}

/** total = price · count as float, and whether it is over limit: three inputs, two outputs, three datatypes. */
export function bill(): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('price', 'float', ['batch', 2]);
  graph.input('count', 'int64', ['batch', 2]);
  graph.input('limit', 'float', ['batch', 1]);
  graph.node('Cast', { inputs: ['count'], outputs: ['times'], attributes: { to: { int: 1 } } });
  graph.node('Mul', { inputs: ['price', 'times'], outputs: ['total'] });
  graph.node('Greater', { inputs: ['total', 'limit'], outputs: ['over'] });
  graph.output('total', 'float', ['batch', 2]);
  graph.output('over', 'bool', ['batch', 2]);
  return graph.toBytes({ graphName: 'bill', opsets: OPSETS });
}
