import type { Kedge } from 'kedge';
import { OnnxGraph } from 'kedge/steps';

/** A model file as somebody hands it in: it looks fine and was never tried on what it will meet. */
export interface HandMade {
  readonly name: string;
  readonly description: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly signature: { inputs: { name: string; kind: 'numeric' | 'category' }[]; output: 'probability' };
}

/**
 * A table of late shares by airport, fitted on a few airports only. It knows what to say where the airport is missing,
 * so it starts; any other airport gets an index outside the table, and the model throws.
 */
export function forgetsAirports(airports: readonly string[]): HandMade {
  const known = ['', ...airports];
  const graph = new OnnxGraph();
  graph.input('categories', 'string', ['N', 1]);
  graph.initializer('shares', { type: 'float', shape: [known.length], values: known.map(() => 0.2) });
  graph.node('LabelEncoder', {
    domain: 'ai.onnx.ml',
    inputs: ['categories'],
    outputs: ['index'],
    attributes: {
      keys_strings: { strings: known },
      values_int64s: { ints: known.map((_, i) => i) },
      default_int64: { int: known.length },
    },
  });
  graph.node('Gather', { inputs: ['shares', 'index'], outputs: ['probability'] });
  graph.output('probability', 'float', ['N', 1]);
  return {
    name: 'forgets-airports',
    description: `late share of ${airports.length} airports`,
    bytes: graph.toBytes({ graphName: 'airport-table', opsets: { '': 17, 'ai.onnx.ml': 3 } }),
    signature: { inputs: [{ name: 'origin', kind: 'category' }], output: 'probability' },
  };
}

const WIDTH = 1_024;
const LAYERS = 2_000;

/** A network that is far too large for what it does: right answers, much too late. */
export function tooSlow(): HandMade {
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', 1]);
  graph.initializer('widen', { type: 'float', shape: [1, WIDTH], values: new Float32Array(WIDTH).fill(0.001) });
  graph.initializer('narrow', { type: 'float', shape: [WIDTH, 1], values: new Float32Array(WIDTH).fill(0.001) });
  graph.initializer('layer', {
    type: 'float',
    shape: [WIDTH, WIDTH],
    values: Float32Array.from({ length: WIDTH * WIDTH }, (_, i) => (i % (WIDTH + 1) === 0 ? 1 : 0)),
  });
  graph.node('MatMul', { inputs: ['features', 'widen'], outputs: ['hidden_0'] });
  for (let layer = 1; layer <= LAYERS; layer++) {
    graph.node('MatMul', { inputs: [`hidden_${layer - 1}`, 'layer'], outputs: [`sum_${layer}`] });
    graph.node('Tanh', { inputs: [`sum_${layer}`], outputs: [`hidden_${layer}`] });
  }
  graph.node('MatMul', { inputs: [`hidden_${LAYERS}`, 'narrow'], outputs: ['score'] });
  graph.node('Sigmoid', { inputs: ['score'], outputs: ['probability'] });
  graph.output('probability', 'float', ['N', 1]);
  return {
    name: 'too-slow',
    description: `${LAYERS} layers of ${WIDTH}`,
    bytes: graph.toBytes({ graphName: 'too-slow', opsets: { '': 17 } }),
    signature: { inputs: [{ name: 'distance', kind: 'numeric' }], output: 'probability' },
  };
}

/** Hands a model in by the API, as somebody without a pipeline would, and returns its version. */
export async function handIn(kedge: Kedge, model: HandMade): Promise<number> {
  // With an id of its own the run is made once, however often it is asked for, and so is the version.
  const { id } = await kedge.tracking.createTrackingRun({
    body: { id: model.name, experiment: 'by-hand', name: model.description },
  });
  const { digest, bytes } = await kedge.tracking.putArtifact({
    params: { run: id },
    query: { path: 'model.onnx' },
    upload: { contentType: 'application/octet-stream', bytes: model.bytes },
  });
  const { version } = await kedge.registry.registerVersion({
    params: { model: 'late-arrivals' },
    body: {
      run: id,
      artifacts: [{ path: 'model.onnx', digest, bytes }],
      signature: model.signature,
      description: model.description,
    },
  });
  return version;
}
