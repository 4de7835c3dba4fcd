import { useEffect, useRef } from 'react';
import type { StepView } from '#pipelines/contract';
import { lookOf } from '../kit/status.tsx';
import { ranksOf } from './run-words.ts';

const NODE = { width: 104, height: 26, gapX: 22, gapY: 10 };

interface GraphProps {
  readonly steps: readonly StepView[];
  readonly chosen: string | undefined;
  readonly onChoose: (step: string) => void;
}

/** Which step needs which, laid out by rank from left to right. */
export function Graph({ steps, chosen, onChoose }: GraphProps) {
  const { places, width, height } = layOut(steps);
  const isDense = steps.reduce((edges, { needs }) => edges + needs.length, 0) > EDGES_DENSE;
  const shown = useRef<HTMLButtonElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another step is chosen, and it may be out of sight.
  useEffect(() => {
    const [node, box] = [shown.current, shown.current?.closest('.graph')];
    if (!node || !box) return;
    const [at, around] = [node.getBoundingClientRect(), box.getBoundingClientRect()];
    if (at.left < around.left || at.right > around.right) box.scrollLeft += at.left - around.left - around.width / 2;
  }, [chosen]);
  return (
    <div className="graph" data-dense={isDense || undefined}>
      <svg width={width} height={height} role="img" aria-label="Steps by what they need">
        <title>Steps by what they need</title>
        {steps.flatMap(({ step, needs }) =>
          needs.map((need) => <Edge key={`${need}>${step}`} from={places.get(need)} to={places.get(step)} />),
        )}
        {steps.map((step) => {
          const place = places.get(step.step);
          if (!place) return null;
          const { icon: Icon, tone } = lookOf(step.status);
          return (
            <foreignObject key={step.step} x={place.x} y={place.y} width={NODE.width} height={NODE.height}>
              <button
                ref={step.step === chosen ? shown : undefined}
                type="button"
                className="graph-node"
                data-tone={tone}
                aria-pressed={step.step === chosen}
                title={`${step.step}: ${step.status}`}
                onClick={() => onChoose(step.step)}
              >
                <Icon size={12} aria-hidden />
                <span>{step.step}</span>
              </button>
            </foreignObject>
          );
        })}
      </svg>
    </div>
  );
}

interface Place {
  readonly x: number;
  readonly y: number;
}

function Edge({ from, to }: { readonly from: Place | undefined; readonly to: Place | undefined }) {
  if (!from || !to) return null;
  const startX = from.x + NODE.width;
  const startY = from.y + NODE.height / 2;
  const endY = to.y + NODE.height / 2;
  const middle = (startX + to.x) / 2;
  return (
    <path className="graph-edge" d={`M${startX},${startY} C${middle},${startY} ${middle},${endY} ${to.x},${endY}`} />
  );
}

/** Steps below each other. A rank with more of them takes several columns, so that a wide graph fits a screen. */
const ROWS_MAX = 20;
/** So many edges are drawn fainter, so that the steps stay what is seen. */
const EDGES_DENSE = 120;

function layOut(steps: readonly StepView[]) {
  const ranks = ranksOf(steps);
  const byRank = [...Map.groupBy(steps, ({ step }) => ranks.get(step) ?? 0)].sort(([a], [b]) => a - b);
  const columns = byRank.flatMap(([, rank]) =>
    Array.from({ length: Math.ceil(rank.length / ROWS_MAX) }, (_, i) => rank.slice(i * ROWS_MAX, (i + 1) * ROWS_MAX)),
  );
  const tallest = Math.max(1, ...columns.map((column) => column.length));
  const stepY = NODE.height + NODE.gapY;
  const places = new Map<string, Place>();
  for (const [at, column] of columns.entries()) {
    const top = ((tallest - column.length) * stepY) / 2;
    for (const [index, { step }] of column.entries()) {
      places.set(step, { x: at * (NODE.width + NODE.gapX), y: top + index * stepY });
    }
  }
  const width = Math.max(1, columns.length) * (NODE.width + NODE.gapX) - NODE.gapX;
  return { places, width, height: tallest * stepY - NODE.gapY };
}
