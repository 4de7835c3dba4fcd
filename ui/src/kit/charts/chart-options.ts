import uPlot from 'uplot';
import type { ColorName, Colors } from './use-colors.ts';

export interface Series {
  readonly label: string;
  readonly color: ColorName;
  /** One value a time; null leaves a gap. */
  readonly values: readonly (number | null)[];
  readonly isDashed?: boolean;
  /** Points are drawn, for figures that are far apart. */
  readonly hasPoints?: boolean;
  /** The value stays until the next time, as a threshold does. */
  readonly isStepped?: boolean;
  readonly width?: number;
}

export interface Band {
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
  readonly label: string;
}

export interface Threshold {
  readonly value: number;
  readonly label: string;
}

export interface Annotation {
  readonly at: number;
  readonly text: string;
}

export interface ChartContent {
  /** Epoch milliseconds, rising. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly band?: Band | undefined;
  readonly thresholds?: readonly Threshold[] | undefined;
  readonly annotations?: readonly Annotation[] | undefined;
  readonly format: (value: number | null) => string;
  /** Keeps the y axis from zooming into noise: the axis shows at least this range. */
  readonly include?: readonly number[] | undefined;
}

export interface ChartEvents {
  readonly syncKey?: string | undefined;
  readonly onBrush: ((from: number, to: number) => void) | undefined;
  readonly onPick: ((at: number) => void) | undefined;
  readonly onCursor: (index: number | null) => void;
}

const MIN_BRUSH_PX = 8;
const ROW_PX = 13;
const FONT =
  '11px Inter, -apple-system, "Segoe UI", Ubuntu, Cantarell, Roboto, "Noto Sans", "Liberation Sans", sans-serif';

/** Columns of numbers in uPlot's order: times, the band's edges, then the series. */
export function dataOf({ times, series, band }: ChartContent): uPlot.AlignedData {
  const columns = [...(band ? [band.high, band.low] : []), ...series.map((each) => each.values)];
  return [times.slice(), ...columns.map((column) => column.slice())] as uPlot.AlignedData;
}

export function optionsOf(content: () => ChartContent, colors: Colors, events: () => ChartEvents): uPlot.Options {
  const { series, band, include } = content();
  const axis = { stroke: colors('muted'), font: FONT, ticks: { show: false } };
  const { syncKey } = events();
  return {
    width: 100,
    height: 100,
    ms: 1,
    tzDate: (at) => uPlot.tzDate(new Date(at), 'UTC'),
    legend: { show: false },
    padding: [8, 12, 0, 0],
    cursor: {
      y: false,
      points: { size: 6 },
      drag: { x: true, y: false, setScale: false },
      ...(syncKey ? { sync: { key: syncKey, setSeries: false } } : {}),
    },
    scales: { x: { time: true }, y: { range: (_, low, high) => paddedRange(low, high, include) } },
    axes: [
      { ...axis, grid: { show: false }, size: 26, gap: 6, space: 72, values: (_, ticks) => timeLabels(ticks) },
      {
        ...axis,
        grid: { stroke: colors('line'), width: 1 },
        size: 56,
        gap: 6,
        values: (_, ticks) => ticks.map((tick) => content().format(tick)),
      },
    ],
    series: [{}, ...(band ? bandSeries(colors) : []), ...series.map((each) => lineOf(each, colors))],
    ...(band ? { bands: [{ series: [1, 2] as [number, number], fill: translucent(colors('series-3'), 0.14) }] } : {}),
    hooks: {
      draw: [(plot) => drawMarks(plot, content(), colors)],
      setSelect: [(plot) => onSelect(plot, events())],
      setCursor: [(plot) => events().onCursor(plot.cursor.idx ?? null)],
      ready: [(plot) => plot.over.addEventListener('click', () => onClick(plot, events()))],
    },
  };
}

/** Days as `5 Feb`, hours within a day as `06:00`, with the year at the first tick, all in UTC. */
function timeLabels(ticks: readonly number[]): string[] {
  return ticks.map((at, index) => {
    const isMidnight = at % DAY_MS === 0;
    const day = dayLabel.format(at);
    if (index === 0) return `${day} ${new Date(at).getUTCFullYear()}`;
    return isMidnight ? day : new Date(at).toISOString().slice(11, 16);
  });
}

const DAY_MS = 86_400_000;
const dayLabel = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', day: 'numeric', month: 'short' });

function paddedRange(low: number | null, high: number | null, include: readonly number[] = []): [number, number] {
  const values = [low, high, ...include].filter((value): value is number => value !== null && Number.isFinite(value));
  if (values.length === 0) return [0, 1];
  const min = Math.min(...values);
  const max = Math.max(...values);
  const margin = (max - min || Math.abs(max) || 1) * 0.08;
  return [min === 0 ? 0 : min - margin, max === 0 ? 0 : max + margin];
}

function bandSeries(colors: Colors): uPlot.Series[] {
  const edge = { stroke: translucent(colors('series-3'), 0.6), width: 1, dash: [4, 3], points: { show: false } };
  return [{ ...edge }, { ...edge }];
}

function lineOf({ label, color, isDashed, hasPoints, isStepped, width = 1.6 }: Series, colors: Colors): uPlot.Series {
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  return {
    label,
    stroke: colors(color),
    width,
    spanGaps: false,
    points: { show: hasPoints ?? false, size: 5, fill: colors(color) },
    ...(isDashed ? { dash: [5, 4] } : {}),
    ...(isStepped && stepped ? { paths: stepped } : {}),
  };
}

function onSelect(plot: uPlot, { onBrush }: ChartEvents): void {
  const { left, width } = plot.select;
  if (width >= MIN_BRUSH_PX)
    onBrush?.(Math.round(plot.posToVal(left, 'x')), Math.round(plot.posToVal(left + width, 'x')));
  if (width > 0) plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

function onClick(plot: uPlot, { onPick }: ChartEvents): void {
  const { idx } = plot.cursor;
  const at = idx === null || idx === undefined ? undefined : plot.data[0][idx];
  if (at !== undefined) onPick?.(at);
}

/** Threshold lines with their names at the right edge, and annotations as ticks with a number at the top. */
function drawMarks(plot: uPlot, { thresholds = [], annotations = [] }: ChartContent, colors: Colors): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top - 8 * ratio, bbox.width, bbox.height + 8 * ratio);
  ctx.clip();
  ctx.font = FONT.replace('11px', `${11 * ratio}px`);
  ctx.lineWidth = ratio;
  ctx.setLineDash([6 * ratio, 4 * ratio]);
  for (const { value, label } of thresholds) {
    const y = plot.valToPos(value, 'y', true);
    ctx.strokeStyle = ctx.fillStyle = colors('warn');
    line(ctx, [bbox.left, y], [bbox.left + bbox.width, y]);
    ctx.textAlign = 'right';
    ctx.textBaseline = 'bottom';
    ctx.fillText(label, bbox.left + bbox.width - 4 * ratio, y - 3 * ratio);
  }
  ctx.textBaseline = 'alphabetic';
  ctx.setLineDash([2 * ratio, 3 * ratio]);
  let row = 0;
  let taken = Number.NEGATIVE_INFINITY;
  for (const { at, text } of annotations) {
    const x = plot.valToPos(at, 'x', true);
    ctx.strokeStyle = ctx.fillStyle = colors('muted');
    line(ctx, [x, bbox.top], [x, bbox.top + bbox.height]);
    const isRight = x > bbox.left + bbox.width * 0.8;
    const start = isRight ? x - ctx.measureText(text).width - 4 * ratio : x + 4 * ratio;
    // A label that would run into the one before goes one row down.
    row = start < taken ? row + 1 : 0;
    taken = start + ctx.measureText(text).width + 8 * ratio;
    ctx.textAlign = 'left';
    ctx.fillText(text, start, bbox.top + (10 + row * ROW_PX) * ratio);
  }
  ctx.restore();
}

function line(ctx: CanvasRenderingContext2D, from: readonly [number, number], to: readonly [number, number]): void {
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
}

function translucent(color: string, alpha: number): string {
  return `color-mix(in srgb, ${color} ${alpha * 100}%, transparent)`;
}
