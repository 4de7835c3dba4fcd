import { useElementSize } from '@mantine/hooks';
import { type KeyboardEvent, memo, type PointerEvent, useState } from 'react';
import type { DriftCell } from '#monitoring/contract';
import { formatDay, formatFixed } from '../data/format.ts';
import { type FeatureDrift, reachOf } from './drift-order.ts';

const LABEL_WIDTH = 148;
const ROW_HEIGHT = 20;
const CELL_WIDTH_MAX = 34;
const AXIS_HEIGHT = 20;
const AXIS_LABEL_WIDTH = 84;

interface Chosen {
  readonly feature: string;
  readonly window: number;
}

interface DriftMatrixProps {
  readonly windows: readonly number[];
  readonly features: readonly FeatureDrift[];
  readonly chosen: Chosen | undefined;
  readonly onChoose: (chosen: Chosen) => void;
}

/** Features by windows. A cell fills towards its own threshold; beyond, it has another colour and a mark. */
export function DriftMatrix({ windows, features, chosen, onChoose }: DriftMatrixProps) {
  const { ref, width } = useElementSize<HTMLDivElement>();
  const [hovered, setHovered] = useState<DriftCell | undefined>();
  const cellWidth = Math.max(3, Math.min(CELL_WIDTH_MAX, (width - LABEL_WIDTH) / windows.length));
  const column = chosen ? windows.indexOf(chosen.window) : -1;
  const row = chosen ? features.findIndex(({ feature }) => feature === chosen.feature) : -1;
  const shown = hovered ?? features[row]?.cells.find(({ window }) => window === chosen?.window);

  function cellAt(event: PointerEvent<SVGSVGElement>): DriftCell | undefined {
    const box = event.currentTarget.getBoundingClientRect();
    const window = windows[Math.floor((event.clientX - box.left - LABEL_WIDTH) / cellWidth)];
    return features[Math.floor((event.clientY - box.top) / ROW_HEIGHT)]?.cells.find((cell) => cell.window === window);
  }
  function onKey(event: KeyboardEvent): void {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const feature = features[clamp(row + step[1], features.length)]?.feature;
    const window = windows[clamp(column + step[0], windows.length)];
    if (feature !== undefined && window !== undefined) onChoose({ feature, window });
  }
  return (
    <div ref={ref}>
      <div className="drift-legend">
        <Legend />
        <span className="drift-readout" aria-live="polite">
          {shown ? textOf(shown) : ''}
        </span>
      </div>
      {width === 0 ? null : (
        <svg
          className="drift"
          width={LABEL_WIDTH + cellWidth * windows.length}
          height={features.length * ROW_HEIGHT + AXIS_HEIGHT}
          role="application"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: an application takes the keyboard as a whole.
          tabIndex={0}
          aria-label="PSI by feature and window; arrow keys choose a cell"
          onKeyDown={onKey}
          onPointerMove={(event) => setHovered(cellAt(event))}
          onPointerLeave={() => setHovered(undefined)}
          onClick={(event) => {
            const cell = cellAt(event as PointerEvent<SVGSVGElement>);
            if (cell) onChoose(cell);
          }}
        >
          <title>PSI by feature and window</title>
          <Cells windows={windows} features={features} cellWidth={cellWidth} chosenFeature={chosen?.feature} />
          {row >= 0 && column >= 0 ? (
            <rect
              className="drift-chosen"
              x={LABEL_WIDTH + column * cellWidth}
              y={row * ROW_HEIGHT}
              width={cellWidth}
              height={ROW_HEIGHT}
            />
          ) : null}
        </svg>
      )}
    </div>
  );
}

const steps: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function clamp(value: number, count: number): number {
  return Math.min(count - 1, Math.max(0, value));
}

function textOf({ feature, window, value, threshold }: DriftCell): string {
  const limit = threshold === null ? 'no calibrated threshold' : `threshold ${formatFixed(threshold, 3)}`;
  return `${feature}, ${formatDay(window)}: PSI ${formatFixed(value, 3)}, ${limit}`;
}

function Legend() {
  return (
    <>
      <span className="chart-key">
        <span className="drift-sample" style={{ background: 'rgba(var(--heat), 0.3)' }} /> under its threshold
      </span>
      <span className="chart-key">
        <span className="drift-sample" style={{ background: 'rgba(var(--heat-beyond), 0.85)' }}>
          ·
        </span>{' '}
        beyond
      </span>
      <span className="chart-key">
        <span className="drift-sample drift-sample-open" /> no figure
      </span>
    </>
  );
}

interface CellsProps {
  readonly windows: readonly number[];
  readonly features: readonly FeatureDrift[];
  readonly cellWidth: number;
  readonly chosenFeature: string | undefined;
}

/** Apart, so that thousands of cells are not drawn again for each move of the pointer. */
const Cells = memo(function Cells({ windows, features, cellWidth, chosenFeature }: CellsProps) {
  const columnOf = new Map(windows.map((window, index) => [window, index]));
  const labelEvery = Math.max(1, Math.ceil(AXIS_LABEL_WIDTH / cellWidth));
  return (
    <>
      {features.map(({ feature, cells }, row) => (
        <g key={feature} transform={`translate(0 ${row * ROW_HEIGHT})`}>
          <text className="drift-label" x={0} y={ROW_HEIGHT - 6} data-chosen={feature === chosenFeature || undefined}>
            {feature}
          </text>
          {cells.map((cell) => (
            <Cell
              key={cell.window}
              cell={cell}
              x={LABEL_WIDTH + (columnOf.get(cell.window) ?? 0) * cellWidth}
              width={cellWidth}
            />
          ))}
        </g>
      ))}
      {windows.map((window, index) =>
        index % labelEvery === 0 && windows.length - index >= labelEvery ? (
          <text
            key={window}
            className="drift-axis"
            x={LABEL_WIDTH + index * cellWidth}
            y={features.length * ROW_HEIGHT + AXIS_HEIGHT - 5}
          >
            {formatDay(window)}
          </text>
        ) : null,
      )}
    </>
  );
});

function Cell({ cell, x, width }: { readonly cell: DriftCell; readonly x: number; readonly width: number }) {
  const reach = reachOf(cell);
  const isBeyond = reach > 1;
  const gap = width > 6 ? 1 : 0;
  if (cell.value === null) {
    return <rect className="drift-open" x={x} y={1} width={width - gap} height={ROW_HEIGHT - 2} />;
  }
  const fill = isBeyond
    ? `rgba(var(--heat-beyond), ${Math.min(1, 0.5 + (reach - 1) * 0.25)})`
    : `rgba(var(--heat), ${0.05 + reach * 0.33})`;
  return (
    <>
      <rect x={x} y={1} width={width - gap} height={ROW_HEIGHT - 2} style={{ fill }} />
      {isBeyond && width > 5 ? <circle className="drift-mark" cx={x + width / 2} cy={ROW_HEIGHT / 2} r={1.6} /> : null}
    </>
  );
}
