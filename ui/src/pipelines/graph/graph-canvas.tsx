import {
  MiniMap,
  type Node,
  type NodeTypes,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
  useStore,
  ViewportPortal,
} from '@xyflow/react';
import { Maximize, Minus, Plus } from 'lucide-react';
import { type KeyboardEvent, useEffect, useRef } from 'react';
import '@xyflow/react/dist/base.css';
import { useNow } from '../../data/use-now.ts';
import type { ShownNode } from './fold.ts';
import type { Placed } from './place.ts';
import { type GraphPlan, MARGIN, NODE_HEIGHT, sized } from './plan.ts';
import { type NodeData, StepNode, toneOf } from './step-node.tsx';

interface GraphCanvasProps {
  readonly nodes: readonly ShownNode[];
  readonly plan: GraphPlan;
  readonly chosen: string | undefined;
  readonly found: ReadonlySet<string>;
  /** How steps stand to the chosen one; all are alike without it. */
  readonly relations: ReadonlyMap<string, 'up' | 'self' | 'down'>;
  readonly onPress: (node: ShownNode) => void;
}

type FlowNode = Node<NodeData, 'step'>;

const nodeTypes: NodeTypes = { step: StepNode };
/** Below this names cannot be read, so what is chosen is shown larger instead of all at once. */
const READABLE = 0.62;
/** Below this a node shows its state alone. */
const FAR = 0.42;
const MINIMAP = { width: 168, height: 104 };

/** A graph of steps that is dragged, zoomed and walked through with the arrow keys. It fills the box around it. */
export function GraphCanvas(props: GraphCanvasProps) {
  return (
    <ReactFlowProvider key={props.plan.shape}>
      <Canvas {...props} />
    </ReactFlowProvider>
  );
}

function Canvas({ nodes, chosen, found, relations, onPress, plan: { layout } }: GraphCanvasProps) {
  const flow = useReactFlow();
  const frame = useRef<HTMLDivElement>(null);
  const now = useNow();
  const isFar = useStore(({ transform }) => transform[2] < FAR);
  const isWhole = useStore(
    ({ transform: [, , zoom], width, height }) => layout.width * zoom <= width && layout.height * zoom <= height,
  );
  const current = nodes.find(({ steps }) => steps.some(({ step }) => step === chosen));
  const shown = nodes.map((node): FlowNode => {
    const { width, height } = sized(node);
    const position = layout.corners.get(node.id) ?? { x: 0, y: 0 };
    const isFound = node.steps.some(({ step }) => found.has(step));
    const data = { node, isChosen: node === current, isFound, relation: relationOf(node, relations), now, onPress };
    return { id: node.id, type: 'step', position, width, height, data };
  });
  const centreOf = (id: string) => {
    const corner = layout.corners.get(id);
    const size = shown.find((node) => node.id === id);
    return corner && { x: corner.x + (size?.width ?? 0) / 2, y: corner.y + NODE_HEIGHT / 2 };
  };
  async function begin(): Promise<void> {
    await flow.fitView({ padding: 0.04, maxZoom: 1 });
    const centre = current && centreOf(current.id);
    if (flow.getZoom() < READABLE && centre) await flow.setCenter(centre.x, centre.y, { zoom: 0.8 });
  }
  // biome-ignore lint/correctness/useExhaustiveDependencies: another step is chosen, and it may be out of sight.
  useEffect(() => {
    const centre = current && centreOf(current.id);
    const box = frame.current?.getBoundingClientRect();
    if (!centre || !box) return;
    const { x, y, zoom } = flow.getViewport();
    const [left, top] = [centre.x * zoom + x, centre.y * zoom + y];
    const isInside = left > MARGIN && top > MARGIN && left < box.width - MARGIN && top < box.height - MARGIN;
    if (!isInside) void flow.setCenter(centre.x, centre.y, { zoom: Math.max(zoom, READABLE) });
  }, [current?.id]);
  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === '+') void flow.zoomIn();
    else if (event.key === '-') void flow.zoomOut();
    else if (event.key === '0') void flow.fitView({ padding: 0.04, maxZoom: 1 });
    else {
      const next = neighbour(event.key, { nodes, current, layout });
      if (!next) return;
      if (next.steps.length === 1) onPress(next);
      frame.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(next.id)}"]`)?.focus();
    }
    event.preventDefault();
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the keys are those of the buttons inside.
    <div className="graph-frame" data-far={isFar || undefined} ref={frame} onKeyDown={onKeyDown}>
      <ReactFlow
        nodes={shown}
        edges={[]}
        nodeTypes={nodeTypes}
        onInit={() => void begin()}
        minZoom={0.08}
        maxZoom={1.6}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        elementsSelectable={false}
        preventScrolling={false}
        zoomOnScroll={false}
        zoomOnDoubleClick={false}
        proOptions={{ hideAttribution: true }}
        aria-label="Steps by what they need"
      >
        <ViewportPortal>
          <Edges nodes={nodes} layout={layout} relations={relations} />
        </ViewportPortal>
        {isWhole ? null : (
          <MiniMap
            pannable
            zoomable
            ariaLabel="Overview"
            nodeClassName={(node) => `graph-mini graph-mini-${toneOf((node as FlowNode).data.node)}`}
            nodeBorderRadius={6}
            style={MINIMAP}
          />
        )}
      </ReactFlow>
      <div className="graph-tools">
        <Tool label="Zoom in (+)" onClick={() => void flow.zoomIn()} icon={Plus} />
        <Tool label="Zoom out (−)" onClick={() => void flow.zoomOut()} icon={Minus} />
        <Tool label="Show all (0)" onClick={() => void flow.fitView({ padding: 0.04, maxZoom: 1 })} icon={Maximize} />
      </div>
    </div>
  );
}

interface ToolProps {
  readonly label: string;
  readonly onClick: () => void;
  readonly icon: typeof Plus;
}

function Tool({ label, onClick, icon: Icon }: ToolProps) {
  return (
    <button type="button" className="button" aria-label={label} title={label} onClick={onClick}>
      <Icon size={14} aria-hidden />
    </button>
  );
}

function Edges({ nodes, layout, relations }: Pick<GraphCanvasProps, 'nodes' | 'relations'> & { layout: Placed }) {
  const related = new Map(nodes.map((node) => [node.id, relationOf(node, relations)]));
  const isOn = (id: string) => related.get(id) === 'self' || related.get(id) === 'up' || related.get(id) === 'down';
  const isDense = layout.paths.size > EDGES_DENSE;
  return (
    <svg
      className="graph-edges"
      width={layout.width}
      height={layout.height}
      data-dense={isDense || undefined}
      aria-hidden
    >
      {[...layout.paths].map(([edge, path]) => {
        const [need = '', id = ''] = edge.split('>');
        const isRelated = isOn(need) && isOn(id);
        return <path key={edge} d={path} className="graph-edge" data-related={isRelated || undefined} />;
      })}
    </svg>
  );
}

/** So many edges are drawn fainter, so that the steps stay what is seen. */
const EDGES_DENSE = 120;

function relationOf(node: ShownNode, relations: GraphCanvasProps['relations']): NodeData['relation'] {
  if (relations.size === 0) return undefined;
  const found = node.steps.map(({ step }) => relations.get(step));
  return (['self', 'up', 'down'] as const).find((relation) => found.includes(relation)) ?? 'none';
}

const MOVES: Readonly<Record<string, readonly ['right' | 'down', number]>> = {
  ArrowLeft: ['right', -1],
  ArrowRight: ['right', 1],
  ArrowUp: ['down', -1],
  ArrowDown: ['down', 1],
};

/** The node to which an arrow leads: along an edge in the direction of the layers, else the closest beside it. */
function neighbour(
  key: string,
  {
    nodes,
    current,
    layout,
  }: { readonly nodes: readonly ShownNode[]; readonly current: ShownNode | undefined; readonly layout: Placed },
): ShownNode | undefined {
  const move = MOVES[key];
  const from = current && layout.corners.get(current.id);
  if (!move || !current || !from) return undefined;
  const [axis, sign] = move;
  const candidates =
    axis === layout.direction
      ? nodes.filter(({ id, needs }) => (sign > 0 ? needs.includes(current.id) : current.needs.includes(id)))
      : nodes;
  const [main, other] = axis === 'right' ? (['x', 'y'] as const) : (['y', 'x'] as const);
  let best: { readonly node: ShownNode; readonly distance: number } | undefined;
  for (const node of candidates) {
    const at = layout.corners.get(node.id);
    if (!at || (at[main] - from[main]) * sign <= 0) continue;
    const aside = Math.abs(at[other] - from[other]);
    // Beside means in the same layer.
    if (axis !== layout.direction && aside > 1) continue;
    const distance = Math.abs(at[main] - from[main]) + 2 * aside;
    if (!best || distance < best.distance) best = { node, distance };
  }
  return best?.node;
}
