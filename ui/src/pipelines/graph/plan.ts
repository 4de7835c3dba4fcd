import type { ShownNode } from './fold.ts';
import { type Placed, placed } from './place.ts';

/** What a canvas has to offer on a usual screen: decides whether layers are columns or rows. */
const BOX = { width: 1_000, height: 560 };
const HEIGHT_MIN = 96;
export const MARGIN = 28;
export const NODE_HEIGHT = 32;
const [LETTER, AROUND, WIDTH_MIN, WIDTH_MAX] = [7, 92, 120, 230];

/** Where the nodes of a graph are, and how high a box it takes. */
export interface GraphPlan {
  /** The same for graphs whose nodes are in the same places. */
  readonly shape: string;
  readonly layout: Placed;
  readonly height: number;
}

/** What the places of nodes depend on: a status that changes moves nothing. */
export function shapeOf(nodes: readonly ShownNode[]): string {
  return nodes.map(({ id, label, needs }) => `${id} ${label} ${needs.join()}`).join('\n');
}

export function planOf(nodes: readonly ShownNode[]): GraphPlan {
  const layout = placed(nodes.map(sized), BOX);
  const height = Math.min(BOX.height, Math.max(HEIGHT_MIN, layout.height + 2 * MARGIN));
  return { shape: shapeOf(nodes), layout, height };
}

export function sized({ id, label, needs, steps }: ShownNode) {
  const width = Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, label.length * LETTER + AROUND));
  return { id, needs, width, height: NODE_HEIGHT, steps };
}
