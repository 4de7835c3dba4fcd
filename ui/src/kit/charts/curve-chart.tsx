import { useElementSize, useMergedRef } from '@mantine/hooks';
import { useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import { formatNumber } from '../../data/format.ts';
import { type ColorName, type Colors, useColors } from './use-colors.ts';

export interface CurveLine {
  readonly label: string;
  readonly color: ColorName;
  readonly isDashed: boolean;
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
  /** As it was logged, drawn faintly below a curve that is smoothed. */
  readonly raw?: readonly (number | null)[] | undefined;
}

interface CurveChartProps {
  readonly title: string;
  readonly lines: readonly CurveLine[];
  /** What the x axis counts. */
  readonly axis: string;
  readonly formatX: (x: number) => string;
  readonly isLog: boolean;
  readonly range: { readonly from: number | undefined; readonly to: number | undefined };
  readonly onRange: (from: number | undefined, to: number | undefined) => void;
  readonly height?: number;
}

const FONT =
  '11px Inter, -apple-system, "Segoe UI", Ubuntu, Cantarell, Roboto, "Noto Sans", "Liberation Sans", sans-serif';
const MIN_BRUSH_PX = 6;

/** Curves over steps or time, each with points of its own. Dragging zooms, a double click shows all. */
export function CurveChart(props: CurveChartProps) {
  const { title, lines, axis, formatX, height = 240 } = props;
  const [cursor, setCursor] = useState<number | null>(null);
  const colors = useColors();
  const frame = useRef<HTMLDivElement>(null);
  const { ref: measure, width } = useElementSize<HTMLDivElement>();
  const ref = useMergedRef(frame, measure);
  useCurvePlot(frame, { ...props, height, width, colors, onCursor: setCursor });
  return (
    <figure className="chart" aria-label={`${title}, by ${axis}`}>
      <figcaption className="chart-head">
        <strong>{title}</strong>
        {lines.map((line) => (
          <span key={line.label} className="chart-key">
            <span className="chart-swatch" data-dashed={line.isDashed} style={{ color: `var(--${line.color})` }} />
            {line.label} <b>{formatNumber(valueAt(line, cursor))}</b>
          </span>
        ))}
        <span className="chart-axis">{cursor === null ? axis : `${axis} ${formatX(cursor)}`}</span>
      </figcaption>
      <div ref={ref} className="chart-plot" style={{ height }} />
    </figure>
  );
}

/** The value at or before x; the last one when x is null. */
function valueAt({ x, y }: CurveLine, at: number | null): number | null {
  let low = 0;
  let high = at === null ? x.length : 0;
  if (at !== null) {
    high = x.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((x[middle] ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
  }
  for (let index = high - 1; index >= 0; index--) {
    const value = y[index];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

interface PlotInput extends CurveChartProps {
  readonly width: number;
  readonly height: number;
  readonly colors: Colors;
  readonly onCursor: (x: number | null) => void;
}

/** One plot in the element: made again when its lines or scale change, else only given new points. */
function useCurvePlot(ref: { readonly current: HTMLDivElement | null }, input: PlotInput): void {
  const { lines, isLog, colors, width, height, range } = input;
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(input);
  latest.current = input;
  const shape = JSON.stringify([
    lines.map(({ label, color, isDashed, raw }) => [label, color, isDashed, raw !== undefined]),
    isLog,
    input.axis,
  ]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the lines themselves are read when needed, by `latest`.
  useEffect(() => {
    if (!ref.current || width === 0) return;
    const options = { ...optionsOf(() => latest.current), width, height };
    const made = new uPlot(options, dataOf(latest.current.lines), ref.current);
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [shape, colors, width === 0]);
  useEffect(() => {
    plot.current?.setSize({ width, height });
  }, [width, height]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a plot that was made again needs its range again.
  useEffect(() => {
    const made = plot.current;
    if (!made) return;
    made.setData(dataOf(lines), false);
    const xs = made.data[0];
    const min = range.from ?? xs[0] ?? 0;
    const max = range.to ?? xs.at(-1) ?? 1;
    made.setScale('x', { min, max: max > min ? max : min + 1 });
  }, [lines, range.from, range.to, shape, colors, width === 0]);
}

/** One column of x for all lines, as uPlot wants it: what a line does not have at an x is undefined, which it spans. */
function dataOf(lines: readonly CurveLine[]): uPlot.AlignedData {
  const tables = lines.map(
    (line): uPlot.AlignedData => [line.x.slice(), ...(line.raw ? [line.raw.slice()] : []), line.y.slice()],
  );
  const [first] = tables;
  if (!first) return [[]];
  return tables.length === 1 ? first : uPlot.join(tables);
}

function optionsOf(input: () => PlotInput): uPlot.Options {
  const { lines, isLog, colors } = input();
  const axis = { stroke: colors('muted'), font: FONT, ticks: { show: false } };
  return {
    width: 100,
    height: 100,
    legend: { show: false },
    padding: [8, 12, 0, 0],
    cursor: { y: false, points: { size: 6 }, drag: { x: true, y: false, setScale: false } },
    scales: { x: { time: false }, y: isLog ? { distr: 3 } : {} },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 26,
        gap: 6,
        space: 84,
        values: (_, ticks) => ticks.map((tick) => input().formatX(tick)),
      },
      {
        ...axis,
        grid: { stroke: colors('line'), width: 1 },
        size: 60,
        gap: 6,
        values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : formatNumber(tick, 3))),
      },
    ],
    series: [{}, ...lines.flatMap((line) => seriesOf(line, colors))],
    hooks: {
      setCursor: [
        ({ cursor, data }) => {
          const index = cursor.idx;
          input().onCursor(index === null || index === undefined ? null : (data[0][index] ?? null));
        },
      ],
      setSelect: [(plot) => onSelect(plot, input().onRange)],
      ready: [(plot) => plot.over.addEventListener('dblclick', () => input().onRange(undefined, undefined))],
    },
  };
}

function seriesOf({ label, color, isDashed, raw, x }: CurveLine, colors: Colors): uPlot.Series[] {
  const stroke = colors(color);
  const line = {
    label,
    stroke,
    width: 1.5,
    // A single point has no line to be seen by.
    points: { show: x.length === 1, size: 6, fill: stroke },
    ...(isDashed ? { dash: [6, 4] } : {}),
  };
  const faint = {
    ...line,
    stroke: `color-mix(in srgb, ${stroke} 26%, transparent)`,
    width: 1,
    points: { show: false },
  };
  return raw ? [faint, line] : [line];
}

function onSelect(plot: uPlot, onRange: CurveChartProps['onRange']): void {
  const { left, width } = plot.select;
  if (width >= MIN_BRUSH_PX) onRange(plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x'));
  if (width > 0) plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}
