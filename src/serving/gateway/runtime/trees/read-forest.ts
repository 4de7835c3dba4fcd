import type { ModelShape } from '../model-runtime.ts';
import { canCompile, type ForestNodes } from './compile-trees.ts';
import { Forest, type ForestColumn } from './forest.ts';
import { type OnnxAttribute, type OnnxNode, readOnnx } from './onnx-reader.ts';

/**
 * The forest in an ONNX file of boosted trees as `gbdtToOnnx` (`#learn/onnx`) writes it, or `undefined` for any other
 * graph. Every node of the graph must have its part, so nothing is left out of the score unnoticed.
 */
export function readForest(bytes: Uint8Array, shape: ModelShape): Forest | undefined {
  try {
    return new GraphReader(bytes, shape).forest();
  } catch (error) {
    if (error instanceof OtherGraph || error instanceof RangeError) return undefined;
    throw error;
  }
}

class OtherGraph extends Error {}

function need(condition: unknown): asserts condition {
  if (!condition) throw new OtherGraph();
}

const ML_DOMAIN = 'ai.onnx.ml';
/** Of `TensorProto.DataType`. */
const FLOAT = 1;
const DOUBLE = 11;

class GraphReader {
  readonly #shape: ModelShape;
  readonly #makers = new Map<string, OnnxNode>();
  readonly #integers: ReadonlyMap<string, readonly number[]>;
  readonly #unused: Set<OnnxNode>;

  constructor(bytes: Uint8Array, shape: ModelShape) {
    const { nodes, integers, outputs } = readOnnx(bytes);
    need(outputs.length === 1 && outputs[0] === shape.output);
    for (const node of nodes) for (const output of node.outputs) this.#makers.set(output, node);
    this.#integers = integers;
    this.#unused = new Set(nodes);
    this.#shape = shape;
  }

  forest(): Forest {
    const { output, numeric } = this.#shape;
    const sigmoid = output === 'probability';
    const raw = sigmoid ? this.#sigmoidOf(output) : output;
    const trees = this.#maker(raw, 'TreeEnsembleRegressor', ML_DOMAIN);
    const columns = this.#columns(this.#castOf(only(trees.inputs), DOUBLE));
    need(this.#unused.size === 0);
    const nodes = readNodes(trees, columns.length);
    need(canCompile(nodes, columns.length));
    return new Forest({ columns, nodes, numeric, sigmoid });
  }

  /** What `value` is the sigmoid of, taken in double: that of float32 is only approximated by ONNX Runtime. */
  #sigmoidOf(value: string): string {
    const sigmoid = this.#maker(this.#castOf(value, FLOAT), 'Sigmoid');
    return this.#castOf(only(sigmoid.inputs), DOUBLE);
  }

  #castOf(value: string, type: number): string {
    const cast = this.#maker(value, 'Cast');
    need(intOf(cast, 'to') === type);
    return only(cast.inputs);
  }

  #maker(value: string, operator: string, domain = ''): OnnxNode {
    const node = this.#makers.get(value);
    need(node && node.operator === operator && node.domain === domain && node.outputs.length === 1);
    need(this.#unused.delete(node));
    return node;
  }

  /** The columns of the matrix that the trees read. */
  #columns(matrix: string): readonly ForestColumn[] {
    if (this.#makers.get(matrix)?.operator !== 'Concat') return this.#part(matrix);
    const concat = this.#maker(matrix, 'Concat');
    need(intOf(concat, 'axis') === 1);
    return concat.inputs.flatMap((part) => this.#part(part));
  }

  #part(value: string): readonly ForestColumn[] {
    const { numeric, categories } = this.#shape;
    if (value === 'features') return Array.from({ length: numeric }, (_, index) => ({ kind: 'numeric', index }));
    const encoder = this.#maker(value, 'LabelEncoder', ML_DOMAIN);
    const texts = attribute(encoder, 'keys_strings')?.texts ?? [];
    const codes = attribute(encoder, 'values_floats')?.floats ?? [];
    need(texts.length === codes.length);
    const gather = this.#maker(only(encoder.inputs), 'Gather');
    const [source, place = ''] = gather.inputs;
    const index = only(this.#integers.get(place) ?? []);
    need(source === 'categories' && intOf(gather, 'axis') === 1 && index < categories);
    return [{ kind: 'category', index, codes: new Map(texts.map((text, i) => [text, codes[i] as number])) }];
  }
}

/** The nodes of all trees, which must be numbered without gaps and have their children after them. */
function readNodes(trees: OnnxNode, columns: number): ForestNodes {
  const ints = (name: string): readonly number[] => attribute(trees, name)?.ints ?? [];
  const doubles = (name: string): readonly number[] => attribute(trees, name)?.tensor ?? [];
  const text = (name: string): string => attribute(trees, name)?.text ?? '';
  need(intOf(trees, 'n_targets') === 1 && text('aggregate_function') === 'SUM' && text('post_transform') === 'NONE');
  const treeOf = ints('nodes_treeids');
  const nodeOf = ints('nodes_nodeids');
  const count = treeOf.length;
  const roots: number[] = [];
  for (let i = 0; i < count; i++) {
    const first = i === 0 || treeOf[i] !== treeOf[i - 1];
    need(nodeOf[i] === (first ? 0 : (nodeOf[i - 1] as number) + 1) && (!first || treeOf[i] === roots.length));
    if (first) roots.push(i);
  }
  const feature = Int32Array.from(ints('nodes_featureids'));
  const value = float32s(doubles('nodes_values_as_tensor'));
  const modes = attribute(trees, 'nodes_modes')?.texts ?? [];
  const [trueIds, falseIds] = [ints('nodes_truenodeids'), ints('nodes_falsenodeids')];
  const missingLeft = Uint8Array.from(ints('nodes_missing_value_tracks_true'));
  for (const list of [feature, value, modes, trueIds, falseIds, missingLeft]) need(list.length === count);
  const left = new Int32Array(count);
  const right = new Int32Array(count);
  const parents = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const root = roots[treeOf[i] as number] as number;
    const end = roots[(treeOf[i] as number) + 1] ?? count;
    if (modes[i] === 'LEAF') {
      feature[i] = -1;
      continue;
    }
    need(modes[i] === 'BRANCH_LEQ' && (feature[i] as number) >= 0 && (feature[i] as number) < columns);
    left[i] = root + (trueIds[i] as number);
    right[i] = root + (falseIds[i] as number);
    // Children after their parents, each of one parent: so it is a tree and a walk ends.
    for (const child of [left[i] as number, right[i] as number]) {
      need(child > i && child < end && parents[child] === 0);
      parents[child] = 1;
    }
  }
  need(parents.reduce((sum, has) => sum + has, 0) === count - roots.length);
  writeLeaves({ feature, value, roots }, { ints, doubles });
  const base = doubles('base_values_as_tensor');
  return {
    roots: Int32Array.from(roots),
    feature,
    value,
    left,
    right,
    missingLeft,
    base: base.length > 0 ? only(base) : 0,
  };
}

function writeLeaves(
  { feature, value, roots }: { readonly feature: Int32Array; readonly value: Float32Array; readonly roots: number[] },
  {
    ints,
    doubles,
  }: { readonly ints: (name: string) => readonly number[]; readonly doubles: (name: string) => readonly number[] },
): void {
  const [treeIds, nodeIds, targets] = [ints('target_treeids'), ints('target_nodeids'), ints('target_ids')];
  const weights = float32s(doubles('target_weights_as_tensor'));
  const leaves = feature.reduce((sum, f) => sum + (f < 0 ? 1 : 0), 0);
  for (const list of [treeIds, nodeIds, targets, weights]) need(list.length === leaves);
  const written = new Set<number>();
  for (const [i, weight] of weights.entries()) {
    const node = (roots[treeIds[i] as number] ?? Number.NaN) + (nodeIds[i] as number);
    need(targets[i] === 0 && feature[node] === -1 && !written.has(node));
    written.add(node);
    value[node] = weight;
  }
}

/** The same numbers in half the memory; a number that float32 cannot hold makes it another graph. */
function float32s(values: readonly number[]): Float32Array {
  const rounded = Float32Array.from(values);
  need(values.every((value, i) => value === rounded[i] && Number.isFinite(value)));
  return rounded;
}

function attribute(node: OnnxNode, name: string): OnnxAttribute | undefined {
  return node.attributes.get(name);
}

function intOf(node: OnnxNode, name: string): number | undefined {
  return attribute(node, name)?.int;
}

function only<T>(values: readonly T[]): T {
  need(values.length === 1);
  return values[0] as T;
}
