import { useElementSize, useMergedRef } from '@mantine/hooks';
import { useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import { formatTime } from '../../data/format.ts';
import { type ChartContent, type ChartEvents, dataOf, optionsOf } from './chart-options.ts';
import { type Colors, useColors } from './use-colors.ts';

interface TimeChartProps extends ChartContent {
  readonly title: string;
  /** Which time the axis shows, such as `event time, UTC, windows of 1 day`. */
  readonly axis: string;
  readonly height?: number;
  /** Charts of one page with the same key show the cursor at the same time. */
  readonly syncKey?: string;
  /** Dragging over the chart chooses this range. */
  readonly onBrush?: (from: number, to: number) => void;
  readonly onPick?: (at: number) => void;
  readonly range?: { readonly from: number | undefined; readonly to: number | undefined };
}

/** Series over time. The values under the cursor, else the last ones, stand in the line above. */
export function TimeChart(props: TimeChartProps) {
  const { title, axis, height = 200, syncKey, onBrush, onPick, range, ...content } = props;
  const [cursor, setCursor] = useState<number | null>(null);
  const colors = useColors();
  const frame = useRef<HTMLDivElement>(null);
  const { ref: measure, width } = useElementSize<HTMLDivElement>();
  const ref = useMergedRef(frame, measure);
  const events: ChartEvents = { syncKey, onBrush, onPick, onCursor: setCursor };
  usePlot(frame, { content, events, colors, width, height, range });
  const index = cursor ?? lastIndex(content);
  const at = content.times[index];
  return (
    <figure className="chart" aria-label={`${title}, ${axis}`}>
      <figcaption className="chart-head">
        <strong>{title}</strong>
        {content.series.map(({ label, color, values, isDashed }) => (
          <span key={label} className="chart-key">
            <span className="chart-swatch" data-dashed={isDashed} style={{ color: `var(--${color})` }} />
            {label} <b>{content.format(values[index] ?? null)}</b>
          </span>
        ))}
        {content.band ? (
          <span className="chart-key">
            <span className="chart-swatch chart-swatch-band" />
            {content.band.label}
          </span>
        ) : null}
        <span className="chart-axis">{at === undefined ? axis : `${formatTime(at)} · ${axis}`}</span>
      </figcaption>
      <div ref={ref} className="chart-plot" style={{ height }} data-pickable={onPick !== undefined || undefined} />
    </figure>
  );
}

/** The last time at which any series has a value. */
function lastIndex({ times, series }: ChartContent): number {
  for (let i = times.length - 1; i > 0; i--) {
    if (series.some(({ values }) => values[i] !== null && values[i] !== undefined)) return i;
  }
  return 0;
}

interface PlotInput {
  readonly content: ChartContent;
  readonly events: ChartEvents;
  readonly colors: Colors;
  readonly width: number;
  readonly height: number;
  readonly range: TimeChartProps['range'];
}

/** Keeps one plot in the element: made again when its lines, colours or theme change, else only given new data. */
function usePlot(ref: { readonly current: HTMLDivElement | null }, input: PlotInput): void {
  const { content, colors, width, height, range } = input;
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(input);
  latest.current = input;
  const shape = JSON.stringify([
    content.series.map(({ label, color, isDashed }) => [label, color, isDashed]),
    content.band !== undefined,
    content.include,
    input.events.syncKey,
  ]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the content itself is read when needed, by `latest`.
  useEffect(() => {
    if (!ref.current || width === 0) return;
    const options = optionsOf(
      () => latest.current.content,
      colors,
      () => latest.current.events,
    );
    const made = new uPlot({ ...options, width, height }, dataOf(latest.current.content), ref.current);
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [shape, colors, width === 0]);

  const from = range?.from;
  const to = range?.to;
  useEffect(() => {
    plot.current?.setSize({ width, height });
  }, [width, height]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a plot that was made again needs its range again.
  useEffect(() => {
    const { times } = content;
    plot.current?.setData(dataOf(content), false);
    const min = from ?? times[0] ?? 0;
    const max = to ?? times.at(-1) ?? 1;
    plot.current?.setScale('x', { min, max: max > min ? max : min + 1 });
  }, [content.times, content.series, content.band, content.annotations, from, to, shape, colors, width === 0]);
}
