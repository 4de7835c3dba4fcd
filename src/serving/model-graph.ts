import type { TensorSpec } from './gateway/tensors/tensor.ts';
import type { GraphModel, GraphNode } from './model-declaration.ts';

/** What a part of a graph takes and gives. */
export interface PartSpec {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** A graph that holds together, in an order in which every node comes after those whose outputs it takes. */
export interface GraphPlan {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly order: readonly GraphNode[];
}

/** The one output of a node that combines others. */
export const COMBINED = 'value';

/** Where a value comes from: an input of the graph, or an output of a node. */
export interface Source {
  readonly node: string | undefined;
  readonly tensor: string;
}

/** `x` is the input x of the graph, `node.y` the output y of a node. Nodes and inputs have no dots in their names. */
export function sourceOf(reference: string): Source {
  const dot = reference.indexOf('.');
  if (dot < 0) return { node: undefined, tensor: reference };
  return { node: reference.slice(0, dot), tensor: reference.slice(dot + 1) };
}

/** The references of a node, each with the place at which it is declared. */
export function referencesOf(node: GraphNode): readonly (readonly [place: string, reference: string])[] {
  if ('of' in node) return node.of.map((reference, i) => [`of.${i}`, reference] as const);
  return Object.entries(node.inputs).map(([name, reference]) => [`inputs.${name}`, reference] as const);
}

/**
 * Checks that a graph holds together: names, cycles, and that whatever a node takes is of its datatype and shape.
 * `partOf` tells what a model takes and gives. Throws an `Error` that names the place.
 */
export function planGraph(graph: GraphModel, partOf: (model: string) => PartSpec): GraphPlan {
  const order = orderOf(graph.nodes);
  const known = new Map<string, TensorSpec>(graph.inputs.map((spec) => [spec.name, spec]));
  const skippable = new Set<string>();
  const find = (reference: string, place: string): TensorSpec => {
    const spec = known.get(reference);
    if (spec) return spec;
    throw new Error(`${place}: there is no '${reference}'; there are ${[...known.keys()].slice(0, 20).join(', ')}`);
  };
  for (const node of order) {
    const place = `nodes.${node.name}`;
    for (const [at, reference] of referencesOf(node)) {
      find(reference, `${place}.${at}`);
      if (skippable.has(sourceOf(reference).node ?? '') && !('of' in node && node.combine !== 'stack')) {
        throw new Error(`${place}.${at}: '${reference}' may be skipped, which only mean and vote can do without`);
      }
    }
    if ('of' in node) known.set(`${node.name}.${COMBINED}`, combined(node, place, find));
    else {
      if (node.onFailure === 'skip') skippable.add(node.name);
      for (const output of modelOutputs(node, { place, part: partOf(node.model), find })) {
        known.set(`${node.name}.${output.name}`, output);
      }
    }
  }
  const outputs = Object.entries(graph.outputs).map(([name, reference]) => {
    if (skippable.has(sourceOf(reference).node ?? '')) {
      throw new Error(`outputs.${name}: '${reference}' may be skipped`);
    }
    return { ...find(reference, `outputs.${name}`), name };
  });
  return { inputs: graph.inputs, outputs, order };
}

/** Nodes after those they take from. Throws for one that takes from itself, however far around. */
function orderOf(nodes: readonly GraphNode[]): readonly GraphNode[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const done = new Set<string>();
  const order: GraphNode[] = [];
  const visit = (node: GraphNode, path: readonly string[]): void => {
    if (done.has(node.name)) return;
    if (path.includes(node.name))
      throw new Error(`nodes.${node.name}: takes from itself: ${[...path, node.name].join(' ← ')}`);
    for (const [, reference] of referencesOf(node)) {
      const from = byName.get(sourceOf(reference).node ?? '');
      if (from) visit(from, [...path, node.name]);
    }
    done.add(node.name);
    order.push(node);
  };
  for (const node of nodes) visit(node, []);
  return order;
}

type Find = (reference: string, place: string) => TensorSpec;

function modelOutputs(
  node: Extract<GraphNode, { model: string }>,
  { place, part, find }: { readonly place: string; readonly part: PartSpec; readonly find: Find },
): readonly TensorSpec[] {
  for (const name of Object.keys(node.inputs)) {
    if (part.inputs.some((input) => input.name === name)) continue;
    const takes = part.inputs.map((input) => input.name).join(', ');
    throw new Error(`${place}.inputs.${name}: is not an input of ${node.model}, which takes ${takes}`);
  }
  for (const input of part.inputs) {
    const reference = node.inputs[input.name];
    const at = `${place}.inputs.${input.name}`;
    if (reference === undefined) throw new Error(`${at}: is missing`);
    const given = find(reference, at);
    if (given.datatype === input.datatype && fits(given.shape, input.shape)) continue;
    const takes = `${node.model} takes ${input.datatype} [${input.shape}]`;
    throw new Error(`${at}: ${takes}, '${reference}' is ${given.datatype} [${given.shape}]`);
  }
  return part.outputs;
}

/** Whether a value of one shape may be of the other; −1 is any size. */
function fits(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i] || size === -1 || b[i] === -1);
}

function combined(node: Extract<GraphNode, { of: unknown }>, place: string, find: Find): TensorSpec {
  const specs = node.of.map((reference, i) => find(reference, `${place}.of.${i}`));
  const [first] = specs as [TensorSpec, ...TensorSpec[]];
  if (node.weights && node.weights.length !== node.of.length) {
    throw new Error(`${place}.weights: has ${node.weights.length} weights for ${node.of.length} members`);
  }
  if ((node.atLeast ?? 1) > node.of.length) throw new Error(`${place}.atLeast: is over the ${node.of.length} members`);
  const numbers = node.combine !== 'vote';
  for (const [i, spec] of specs.entries()) {
    const at = `${place}.of.${i}`;
    const says = `'${node.of[i]}' is ${spec.datatype} [${spec.shape}]`;
    if (numbers && (spec.datatype === 'BYTES' || spec.datatype === 'FP16' || spec.datatype === 'BF16')) {
      throw new Error(`${at}: ${says}; ${node.combine} takes numbers of at least 32 bits or whole ones`);
    }
    if (node.combine === 'stack') {
      if (spec.shape.length > 2 || spec.shape.length < 1) throw new Error(`${at}: ${says}; stack takes columns`);
    } else if (!fits(spec.shape, first.shape) || (!numbers && spec.datatype !== first.datatype)) {
      throw new Error(`${at}: ${says}, '${node.of[0]}' ${first.datatype} [${first.shape}]`);
    }
  }
  if (!numbers) return { name: COMBINED, datatype: first.datatype, shape: first.shape };
  if (node.combine === 'mean') return { name: COMBINED, datatype: 'FP32', shape: first.shape };
  const widths = specs.map(({ shape }) => (shape.length === 1 ? 1 : (shape[1] ?? 1)));
  const width = widths.includes(-1) ? -1 : widths.reduce((sum, each) => sum + each, 0);
  return { name: COMBINED, datatype: 'FP32', shape: [first.shape[0] ?? -1, width] };
}
