import { seededRandom } from '#core/random';
import type { OnnxGraph } from '#learn/onnx';

interface ForestSpec {
  readonly features: number;
  readonly trees: number;
  readonly leaves: number;
  readonly graph: OnnxGraph;
}

/** A random forest of the size of a boosted tabular model: what it answers does not matter, what it costs does. */
export function forestBytes({ features, trees, leaves, graph }: ForestSpec): Uint8Array<ArrayBuffer> {
  const random = seededRandom(42);
  const nodes = { tree: [] as number[], id: [] as number[], feature: [] as number[], mode: [] as string[] };
  const branch = { value: [] as number[], left: [] as number[], right: [] as number[] };
  const leaf = { tree: [] as number[], id: [] as number[], weight: [] as number[] };
  for (let tree = 0; tree < trees; tree++) {
    // Splitting a random open leaf until there are enough of them grows the uneven trees that boosting grows.
    const children = new Map<number, readonly [number, number]>();
    const open = [0];
    let count = 1;
    while (open.length < leaves) {
      const [parent] = open.splice(random.int(open.length), 1) as [number];
      children.set(parent, [count, count + 1]);
      open.push(count, count + 1);
      count += 2;
    }
    for (let id = 0; id < count; id++) {
      const pair = children.get(id);
      nodes.tree.push(tree);
      nodes.id.push(id);
      nodes.feature.push(pair ? random.int(features) : 0);
      nodes.mode.push(pair ? 'BRANCH_LEQ' : 'LEAF');
      branch.value.push(pair ? random.next() * 3 - 1.5 : 0);
      branch.left.push(pair?.[0] ?? 0);
      branch.right.push(pair?.[1] ?? 0);
      if (pair) continue;
      leaf.tree.push(tree);
      leaf.id.push(id);
      leaf.weight.push((random.next() - 0.5) / 10);
    }
  }
  graph.input('features', 'float', ['N', features]);
  graph.node('TreeEnsembleRegressor', {
    domain: 'ai.onnx.ml',
    inputs: ['features'],
    outputs: ['raw'],
    attributes: {
      n_targets: { int: 1 },
      nodes_treeids: { ints: nodes.tree },
      nodes_nodeids: { ints: nodes.id },
      nodes_featureids: { ints: nodes.feature },
      nodes_modes: { strings: nodes.mode },
      nodes_values: { floats: branch.value },
      nodes_truenodeids: { ints: branch.left },
      nodes_falsenodeids: { ints: branch.right },
      target_treeids: { ints: leaf.tree },
      target_nodeids: { ints: leaf.id },
      target_ids: { ints: leaf.tree.map(() => 0) },
      target_weights: { floats: leaf.weight },
    },
  });
  graph.node('Sigmoid', { inputs: ['raw'], outputs: ['probability'] });
  graph.output('probability', 'float', ['N', 1]);
  return graph.toBytes({ graphName: 'forest', opsets: { '': 17, 'ai.onnx.ml': 3 } });
}
