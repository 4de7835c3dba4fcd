/** A node of a directed acyclic graph and the nodes that it needs. Needs that are no node are ignored. */
export interface LayerNode {
  readonly id: string;
  readonly needs: readonly string[];
}

/** One place in a layer: a node, or a bend of edges that pass through the layer. */
export interface Vertex {
  readonly id: string;
  readonly layer: number;
  /** False for a bend. */
  readonly isNode: boolean;
  /** Vertices of the layer before and of the next one that it is joined to, by index. */
  readonly before: number[];
  readonly after: number[];
}

export interface Layers {
  readonly vertices: readonly Vertex[];
  /** Indices of the vertices of each layer, in their order within it. */
  readonly layers: readonly (readonly number[])[];
  /** The bends of an edge by `need>node`, from the need on; empty for one between neighbouring layers. */
  readonly bends: ReadonlyMap<string, readonly number[]>;
}

/** Sweeps without a better order after which the search ends. */
const PATIENCE = 6;
const SWEEPS_MAX = 24;

/**
 * Assigns nodes to layers so that every edge leads to a later one, and orders each layer for few crossings: layers by
 * longest path, bends where an edge passes a layer, order by the barycentre method (Sugiyama, Tagawa and Toda, 1981),
 * then by exchanging neighbours. Edges of one node that pass the same layer share a bend.
 */
export function layersOf(nodes: readonly LayerNode[]): Layers {
  const drawn = withBends(nodes, layerNumbers(nodes));
  let order = drawn.layers;
  let best = { order, crossings: crossingsOf(drawn.vertices, order) };
  for (let sweep = 0, idle = 0; sweep < SWEEPS_MAX && idle < PATIENCE && best.crossings > 0; sweep++, idle++) {
    order = swept(drawn.vertices, order, sweep % 2 === 0);
    const crossings = crossingsOf(drawn.vertices, order);
    if (crossings < best.crossings) {
      best = { order, crossings };
      idle = 0;
    }
  }
  const layers: (readonly number[])[] = [...best.order];
  for (const at of layers.keys()) layers[at] = exchanged(drawn.vertices, layers, at);
  return { ...drawn, layers };
}

/** The layer of each node: one after all that it needs; of a node that needs nothing, the one before its first use. */
function layerNumbers(nodes: readonly LayerNode[]): ReadonlyMap<string, number> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const numbers = new Map<string, number>();
  function numberOf(node: LayerNode): number {
    const known = numbers.get(node.id);
    if (known !== undefined) return known;
    // A cycle cannot be declared; that it would end here keeps a wrong answer from hanging the page.
    numbers.set(node.id, 0);
    const needed = node.needs.flatMap((need) => byId.get(need) ?? []);
    const number = needed.reduce((most, need) => Math.max(most, numberOf(need) + 1), 0);
    numbers.set(node.id, number);
    return number;
  }
  for (const node of nodes) numberOf(node);
  const users = Map.groupBy(
    nodes.flatMap((node) => node.needs.map((need) => ({ need, layer: numbers.get(node.id) ?? 0 }))),
    ({ need }) => need,
  );
  for (const { id, needs } of nodes) {
    const uses = users.get(id);
    if (uses && needs.every((need) => !byId.has(need)))
      numbers.set(id, Math.min(...uses.map(({ layer }) => layer)) - 1);
  }
  return numbers;
}

function withBends(nodes: readonly LayerNode[], numbers: ReadonlyMap<string, number>): Layers {
  const vertices: Vertex[] = [];
  const layers: number[][] = [];
  const bends = new Map<string, number[]>();
  function add(id: string, layer: number, isNode: boolean): number {
    const index = vertices.push({ id, layer, isNode, before: [], after: [] }) - 1;
    while (layers.length <= layer) layers.push([]);
    layers[layer]?.push(index);
    return index;
  }
  const indices = new Map(nodes.map(({ id }) => [id, add(id, numbers.get(id) ?? 0, true)]));
  const chains = new Map<string, number[]>();
  function join(from: number, to: number): void {
    vertices[from]?.after.push(to);
    vertices[to]?.before.push(from);
  }
  for (const { id, needs } of nodes) {
    const to = indices.get(id);
    for (const need of new Set(needs)) {
      const from = indices.get(need);
      if (from === undefined || to === undefined) continue;
      const length = (numbers.get(id) ?? 0) - (numbers.get(need) ?? 0) - 1;
      const chain = chains.get(need) ?? [];
      chains.set(need, chain);
      while (chain.length < length) {
        const bend = add(`${need}+${chain.length + 1}`, (numbers.get(need) ?? 0) + chain.length + 1, false);
        join(chain.at(-1) ?? from, bend);
        chain.push(bend);
      }
      const passed = chain.slice(0, Math.max(0, length));
      join(passed.at(-1) ?? from, to);
      bends.set(`${need}>${id}`, passed);
    }
  }
  return { vertices, layers, bends };
}

/** Orders each layer by the mean place of what its vertices are joined to in the layer that was ordered before. */
function swept(vertices: readonly Vertex[], order: Layers['layers'], isForward: boolean): number[][] {
  const next = order.map((layer) => [...layer]);
  const place = new Float64Array(vertices.length);
  const note = (layer: readonly number[]) => {
    for (const [at, index] of layer.entries()) place[index] = at;
  };
  const sequence = isForward ? [...next.keys()] : [...next.keys()].reverse();
  for (const number of sequence) {
    const layer = next[number] ?? [];
    note(layer);
    const means = new Map(
      layer.map((index, at) => {
        const joined = (isForward ? vertices[index]?.before : vertices[index]?.after) ?? [];
        const mean = joined.reduce((sum, other) => sum + (place[other] ?? 0), 0) / joined.length;
        return [index, joined.length === 0 ? at : mean] as const;
      }),
    );
    layer.sort((a, b) => (means.get(a) ?? 0) - (means.get(b) ?? 0));
    note(layer);
  }
  return next;
}

/** Exchanges neighbours in one layer for as long as that removes crossings with both layers beside it. */
function exchanged(vertices: readonly Vertex[], layers: Layers['layers'], at: number): number[] {
  const result = [...(layers[at] ?? [])];
  const place = new Map<number, number>();
  for (const beside of [layers[at - 1], layers[at + 1]]) {
    for (const [position, index] of (beside ?? []).entries()) place.set(index, position);
  }
  const crossed = (first: readonly number[], second: readonly number[]): number => {
    let count = 0;
    for (const a of first) for (const b of second) if ((place.get(a) ?? 0) > (place.get(b) ?? 0)) count += 1;
    return count;
  };
  for (let round = 0; round < 4; round++) {
    let isBetter = false;
    for (let i = 0; i + 1 < result.length; i++) {
      const [a, b] = [result[i] ?? 0, result[i + 1] ?? 0];
      const [left, right] = [vertices[a], vertices[b]];
      if (!left || !right) continue;
      const now = crossed(left.before, right.before) + crossed(left.after, right.after);
      const then = crossed(right.before, left.before) + crossed(right.after, left.after);
      if (then >= now) continue;
      [result[i], result[i + 1]] = [b, a];
      isBetter = true;
    }
    if (!isBetter) break;
  }
  return result;
}

/** How many pairs of edges between neighbouring layers cross: the inversions of their ends (Barth and others, 2002). */
export function crossingsOf(vertices: readonly Vertex[], layers: Layers['layers']): number {
  let crossings = 0;
  for (let number = 0; number + 1 < layers.length; number++) {
    const place = new Map((layers[number + 1] ?? []).map((index, at) => [index, at]));
    const ends = (layers[number] ?? []).flatMap((index) =>
      (vertices[index]?.after ?? []).map((other) => place.get(other) ?? 0).sort((a, b) => a - b),
    );
    crossings += inversionsOf(ends, place.size);
  }
  return crossings;
}

/** Pairs that stand in the wrong order, counted with a tree of prefix sums (Fenwick, 1994). */
function inversionsOf(values: readonly number[], size: number): number {
  const tree = new Float64Array(size + 1);
  let inversions = 0;
  for (const [seen, value] of values.entries()) {
    let notAbove = 0;
    for (let at = value + 1; at > 0; at -= at & -at) notAbove += tree[at] ?? 0;
    inversions += seen - notAbove;
    for (let at = value + 1; at <= size; at += at & -at) tree[at] = (tree[at] ?? 0) + 1;
  }
  return inversions;
}
