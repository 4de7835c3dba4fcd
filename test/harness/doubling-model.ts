import { OnnxGraph } from '#learn/onnx';

/** y = 2x, each [batch]. */
export function twice(): Uint8Array {
  const graph = new OnnxGraph();
  graph.input('x', 'float', ['batch']);
  graph.initializer('two', { type: 'float', shape: [1], values: [2] });
  graph.node('Mul', { inputs: ['x', 'two'], outputs: ['y'] });
  graph.output('y', 'float', ['batch']);
  return graph.toBytes({ graphName: 'twice', opsets: { '': 17 } });
}
