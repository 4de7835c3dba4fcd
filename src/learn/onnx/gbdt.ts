import type { Feature, GbdtModel, Tree } from '#learn/gbdt';
import { type Attribute, OnnxGraph } from './graph.ts';

/** One input tensor of a tabular model and the columns it holds, in order. */
export interface TabularInput {
  readonly name: 'features' | 'categories';
  readonly type: 'float32' | 'string';
  readonly columns: readonly string[];
}

/**
 * How to call a tabular model. `features` is float32 [N, F] with the numeric columns (NaN = missing), `categories` is
 * string [N, C] with the category columns (any text that training did not see = missing); an input without columns does
 * not exist. The output is float32 [N, 1].
 */
export interface TabularSignature {
  readonly objective: 'binary' | 'regression';
  /** All columns in the order of the training table. */
  readonly columns: readonly { readonly name: string; readonly kind: 'numeric' | 'category' }[];
  readonly inputs: readonly TabularInput[];
  readonly output: { readonly name: 'probability' | 'value'; readonly type: 'float32' };
}

/** The key in `metadata_props` under which the signature is stored, as JSON. */
export const SIGNATURE_METADATA_KEY = 'kedge.signature';

/** Of `TensorProto.DataType`. */
const FLOAT = 1;
const DOUBLE = 11;

const OPSETS = { '': 17, 'ai.onnx.ml': 3 };

/**
 * The model as a self-contained ONNX file, categories included: LabelEncoder (text to ordinal, anything else to NaN),
 * TreeEnsembleRegressor, and for `binary` a Sigmoid node. The regressor's own `post_transform` stays NONE because ONNX
 * Runtime ignores LOGISTIC for a single target. The features go through the trees as double, so that ONNX Runtime does
 * not round the sum to float32 after each tree; thresholds are float32 numbers either way, so the comparisons are the
 * same. The sigmoid is taken in double, too, because ONNX Runtime approximates the one of float32 to some 1e-7: so each
 * runtime gives the same score to the last bit of its float32. Equal models give equal bytes.
 */
export function gbdtToOnnx(model: GbdtModel): {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly signature: TabularSignature;
} {
  const signature = signatureOf(model);
  const graph = new OnnxGraph();
  const { matrix, position } = writeInputs(graph, model.features);
  graph.node('Cast', { inputs: [matrix], outputs: ['matrix_double'], attributes: { to: { int: DOUBLE } } });
  const raw = model.objective === 'binary' ? 'raw_score' : 'value';
  graph.node('TreeEnsembleRegressor', {
    domain: 'ai.onnx.ml',
    inputs: ['matrix_double'],
    outputs: [raw],
    attributes: treeAttributes(model, position),
  });
  if (model.objective === 'binary') {
    graph.node('Cast', { inputs: [raw], outputs: ['raw_double'], attributes: { to: { int: DOUBLE } } });
    graph.node('Sigmoid', { inputs: ['raw_double'], outputs: ['probability_double'] });
    graph.node('Cast', {
      inputs: ['probability_double'],
      outputs: ['probability'],
      attributes: { to: { int: FLOAT } },
    });
  }
  graph.output(signature.output.name, 'float', ['N', 1]);
  const metadata = { [SIGNATURE_METADATA_KEY]: JSON.stringify(signature) };
  return { bytes: graph.toBytes({ graphName: 'kedge-gbdt', opsets: OPSETS, metadata }), signature };
}

function signatureOf({ objective, features }: GbdtModel): TabularSignature {
  const named = (kind: Feature['kind']): string[] => features.filter((f) => f.kind === kind).map(({ name }) => name);
  const inputs: TabularInput[] = [
    { name: 'features', type: 'float32', columns: named('numeric') },
    { name: 'categories', type: 'string', columns: named('category') },
  ];
  return {
    objective,
    columns: features.map(({ name, kind }) => ({ name, kind })),
    inputs: inputs.filter(({ columns }) => columns.length > 0),
    output: { name: objective === 'binary' ? 'probability' : 'value', type: 'float32' },
  };
}

/**
 * Declares the inputs and joins them to one float matrix: numeric columns first, then the encoded categories.
 * `position[f]` is the column of that matrix that holds feature f.
 */
function writeInputs(graph: OnnxGraph, features: readonly Feature[]): { matrix: string; position: number[] } {
  const numeric = features.filter(({ kind }) => kind === 'numeric').length;
  const categories = features.length - numeric;
  const parts: string[] = [];
  if (numeric > 0) {
    graph.input('features', 'float', ['N', numeric]);
    parts.push('features');
  }
  if (categories > 0) graph.input('categories', 'string', ['N', categories]);
  const position: number[] = [];
  let nextNumeric = 0;
  let nextCategory = 0;
  for (const feature of features) {
    if (feature.kind === 'numeric') position.push(nextNumeric++);
    else {
      position.push(numeric + nextCategory);
      parts.push(writeEncoder(graph, feature.ranked, nextCategory++));
    }
  }
  if (parts.length === 1) return { matrix: parts[0]!, position };
  graph.node('Concat', { inputs: parts, outputs: ['matrix'], attributes: { axis: { int: 1 } } });
  return { matrix: 'matrix', position };
}

/** Column `index` of `categories` as float [N, 1] ordinals. */
function writeEncoder(graph: OnnxGraph, ranked: readonly string[], index: number): string {
  graph.initializer(`category_${index}`, { type: 'int64', shape: [1], values: [index] });
  graph.node('Gather', {
    inputs: ['categories', `category_${index}`],
    outputs: [`text_${index}`],
    attributes: { axis: { int: 1 } },
  });
  graph.node('LabelEncoder', {
    domain: 'ai.onnx.ml',
    inputs: [`text_${index}`],
    outputs: [`ordinal_${index}`],
    attributes: {
      keys_strings: { strings: ranked },
      values_floats: { floats: ranked.map((_, ordinal) => ordinal) },
      default_float: { float: Number.NaN },
    },
  });
  return `ordinal_${index}`;
}

/** A tree that adds nothing: the runtime asks for at least one. */
const EMPTY_TREE: Tree = {
  feature: Int32Array.of(-1),
  threshold: Float64Array.of(0),
  missingLeft: Uint8Array.of(0),
  left: Int32Array.of(-1),
  right: Int32Array.of(-1),
  value: Float64Array.of(0),
  cover: Float64Array.of(0),
  gain: Float64Array.of(0),
};

function treeAttributes(model: GbdtModel, position: readonly number[]): { [name: string]: Attribute } {
  const trees = model.trees.length > 0 ? model.trees : [EMPTY_TREE];
  const treeIds: number[] = [];
  const nodeIds: number[] = [];
  const featureIds: number[] = [];
  const modes: string[] = [];
  const thresholds: number[] = [];
  const lefts: number[] = [];
  const rights: number[] = [];
  const missingLeft: number[] = [];
  const leafTreeIds: number[] = [];
  const leafNodeIds: number[] = [];
  const leafValues: number[] = [];
  trees.forEach((tree, treeId) => {
    tree.feature.forEach((feature, node) => {
      const leaf = feature < 0;
      treeIds.push(treeId);
      nodeIds.push(node);
      featureIds.push(leaf ? 0 : position[feature]!);
      modes.push(leaf ? 'LEAF' : 'BRANCH_LEQ');
      thresholds.push(leaf ? 0 : tree.threshold[node]!);
      lefts.push(leaf ? 0 : tree.left[node]!);
      rights.push(leaf ? 0 : tree.right[node]!);
      missingLeft.push(leaf ? 0 : tree.missingLeft[node]!);
      if (!leaf) return;
      leafTreeIds.push(treeId);
      leafNodeIds.push(node);
      leafValues.push(tree.value[node]!);
    });
  });
  const doubles = (values: number[]): Attribute => ({ tensor: { type: 'double', shape: [values.length], values } });
  return {
    n_targets: { int: 1 },
    aggregate_function: { string: 'SUM' },
    post_transform: { string: 'NONE' },
    base_values_as_tensor: doubles([model.baseScore]),
    nodes_treeids: { ints: treeIds },
    nodes_nodeids: { ints: nodeIds },
    nodes_featureids: { ints: featureIds },
    nodes_modes: { strings: modes },
    nodes_values_as_tensor: doubles(thresholds),
    nodes_truenodeids: { ints: lefts },
    nodes_falsenodeids: { ints: rights },
    nodes_missing_value_tracks_true: { ints: missingLeft },
    target_treeids: { ints: leafTreeIds },
    target_nodeids: { ints: leafNodeIds },
    target_ids: { ints: leafTreeIds.map(() => 0) },
    target_weights_as_tensor: doubles(leafValues),
  };
}
