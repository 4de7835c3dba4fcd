import { type LayerNode, type Layers, layersOf, type Vertex } from './layers.ts';

/** `right`: layers are columns. `down`: layers are rows. */
export type Direction = 'right' | 'down';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface SizedNode extends LayerNode {
  readonly width: number;
  readonly height: number;
}

export interface Placed {
  readonly direction: Direction;
  /** The upper left corner of each node. */
  readonly corners: ReadonlyMap<string, Point>;
  /** An SVG path by `need>node`. */
  readonly paths: ReadonlyMap<string, string>;
  readonly width: number;
  readonly height: number;
}

/** Between layers, and between neighbours in one. Layers that many edges join stand further apart. */
const LAYER_GAPS = { right: 34, down: 18 };
const LAYER_GAP_MORE = 46;
const EDGES_DENSE = 40;
const GAP = 12;
const BEND_SIZE = 6;
const PASSES = 10;
/** How much straighter an edge through bends is drawn than one between nodes. */
const BEND_WEIGHT = 6;

/** Places a graph in the direction in which it is shown larger in a box. */
export function placed(nodes: readonly SizedNode[], box: { readonly width: number; readonly height: number }): Placed {
  const layers = layersOf(nodes);
  const [right, down] = [placedIn(nodes, layers, 'right'), placedIn(nodes, layers, 'down')];
  const zoom = ({ width, height }: Placed) => Math.min(1, box.width / width, box.height / height);
  return zoom(down) > zoom(right) ? down : right;
}

/** Places the layers one after the other, and within each the vertices close to what they are joined to. */
export function placedIn(nodes: readonly SizedNode[], layers: Layers, direction: Direction): Placed {
  const isRight = direction === 'right';
  const sizes = new Map(nodes.map(({ id, width, height }) => [id, isRight ? [width, height] : [height, width]]));
  const along = (vertex: Vertex) => (vertex.isNode ? (sizes.get(vertex.id)?.[0] ?? 0) : 0);
  const across = (vertex: Vertex) => (vertex.isNode ? (sizes.get(vertex.id)?.[1] ?? 0) : BEND_SIZE);
  const starts: number[] = [];
  const depths: number[] = [];
  let end = 0;
  for (const layer of layers.layers) {
    const found = layer.flatMap((index) => layers.vertices[index] ?? []);
    const edges = found.reduce((sum, { before }) => sum + before.length, 0);
    if (starts.length > 0) end += LAYER_GAPS[direction] + LAYER_GAP_MORE * Math.min(1, edges / EDGES_DENSE);
    starts.push(end);
    depths.push(Math.max(...found.map(along)));
    end += depths.at(-1) ?? 0;
  }
  const { middles, extent } = middlesOf(layers, across);
  const point = (main: number, cross: number): Point => (isRight ? { x: main, y: cross } : { x: cross, y: main });
  const corners = new Map<string, Point>();
  for (const [index, vertex] of layers.vertices.entries()) {
    if (!vertex.isNode) continue;
    corners.set(vertex.id, point(starts[vertex.layer] ?? 0, (middles[index] ?? 0) - across(vertex) / 2));
  }
  const indices = new Map(layers.vertices.map(({ id }, index) => [id, index]));
  const paths = new Map<string, string>();
  for (const [edge, bends] of layers.bends) {
    const [need = '', id = ''] = edge.split('>');
    const ends = [indices.get(need) ?? 0, ...bends, indices.get(id) ?? 0].map((index) => {
      const layer = layers.vertices[index]?.layer ?? 0;
      const [start, depth] = [starts[layer] ?? 0, depths[layer] ?? 0];
      const vertex = layers.vertices[index];
      return { from: start, to: start + (vertex?.isNode ? along(vertex) : depth), cross: middles[index] ?? 0 };
    });
    paths.set(edge, pathOf(ends, point));
  }
  return { direction, corners, paths, ...(isRight ? { width: end, height: extent } : { width: extent, height: end }) };
}

interface Stop {
  readonly from: number;
  readonly to: number;
  readonly cross: number;
}

/** A curve from the end of the first stop to the start of the last, straight through those between. */
function pathOf(stops: readonly Stop[], point: (main: number, cross: number) => Point): string {
  const text = (main: number, cross: number) => {
    const { x, y } = point(main, cross);
    return `${Math.round(x * 10) / 10},${Math.round(y * 10) / 10}`;
  };
  let path = '';
  for (const [at, stop] of stops.entries()) {
    const before = stops[at - 1];
    if (before) {
      const middle = (before.to + stop.from) / 2;
      path += ` C${text(middle, before.cross)} ${text(middle, stop.cross)} ${text(stop.from, stop.cross)}`;
    }
    if (at === 0) path = `M${text(stop.to, stop.cross)}`;
    else if (at + 1 < stops.length) path += ` L${text(stop.to, stop.cross)}`;
  }
  return path;
}

/** The middle of each vertex across its layer: as close to the mean of its neighbours as the order allows. */
function middlesOf({ vertices, layers }: Layers, across: (vertex: Vertex) => number) {
  const middles = new Float64Array(vertices.length);
  const offsets = layers.map((layer) => {
    let at = 0;
    let before: Vertex | undefined;
    return layer.map((index) => {
      const vertex = vertices[index];
      if (vertex && before) at += (across(before) + across(vertex)) / 2 + GAP;
      before = vertex;
      middles[index] = at;
      return at;
    });
  });
  for (let pass = 0; pass < PASSES; pass++) {
    const isForward = pass % 2 === 0;
    const sequence = isForward ? [...layers.keys()] : [...layers.keys()].reverse();
    for (const number of sequence) {
      const layer = layers[number] ?? [];
      const own = offsets[number] ?? [];
      const wanted = layer.map((index, at) => {
        const vertex = vertices[index];
        const joined = pass < PASSES - 2 ? (isForward ? vertex?.before : vertex?.after) : undefined;
        const others = joined ?? [...(vertex?.before ?? []), ...(vertex?.after ?? [])];
        const { sum, weight } = others.reduce(
          (total, other) => {
            const heavy = vertex?.isNode || vertices[other]?.isNode ? 1 : BEND_WEIGHT;
            return { sum: total.sum + heavy * (middles[other] ?? 0), weight: total.weight + heavy };
          },
          { sum: 0, weight: 0 },
        );
        const wish = weight === 0 ? (middles[index] ?? 0) : sum / weight;
        return { value: wish - (own[at] ?? 0), weight: Math.max(weight, 0.1) };
      });
      for (const [at, value] of nonDecreasing(wanted).entries()) {
        const index = layer[at];
        if (index !== undefined) middles[index] = value + (own[at] ?? 0);
      }
    }
  }
  let [low, high] = [Infinity, -Infinity];
  for (const [index, vertex] of vertices.entries()) {
    low = Math.min(low, (middles[index] ?? 0) - across(vertex) / 2);
    high = Math.max(high, (middles[index] ?? 0) + across(vertex) / 2);
  }
  return { middles: middles.map((middle) => middle - low), extent: Math.max(1, high - low) };
}

/** The closest sequence that never falls, by weighted squares: pooling adjacent violators (Ayer and others, 1955). */
function nonDecreasing(wanted: readonly { readonly value: number; readonly weight: number }[]): number[] {
  const pools: { value: number; weight: number; count: number }[] = [];
  for (const { value, weight } of wanted) {
    let pool = { value, weight, count: 1 };
    for (let last = pools.at(-1); last && last.value > pool.value; last = pools.at(-1)) {
      pools.pop();
      const both = last.weight + pool.weight;
      const mean = (last.value * last.weight + pool.value * pool.weight) / both;
      pool = { value: mean, weight: both, count: last.count + pool.count };
    }
    pools.push(pool);
  }
  return pools.flatMap(({ value, count }) => Array.from({ length: count }, () => value));
}
