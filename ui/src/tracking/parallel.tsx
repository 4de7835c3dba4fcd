import { useElementSize } from '@mantine/hooks';
import { type PointerEvent, useMemo, useState } from 'react';
import { formatCount, formatNumber } from '../data/format.ts';
import { type Column, compareValues } from '../kit/table/column.ts';
import type { TrackedRun } from './run.ts';

const HEIGHT = 420;
const TOP = 44;
const BOTTOM = 24;
const SIDE = 56;
const LINES_MAX = 1_000;
const WORDS_MAX = 24;

interface Axis {
  readonly id: string;
  readonly header: string;
  /** From the bottom, 0, to the top, 1; undefined for a run without a value. */
  readonly place: (run: TrackedRun) => number | undefined;
  readonly ticks: readonly { readonly at: number; readonly label: string }[];
}

interface ParallelProps {
  readonly runs: readonly TrackedRun[];
  readonly columns: readonly Column<TrackedRun>[];
  /** The id of the column that gives the colour. */
  readonly colorBy: string;
}

/** A line a run over one axis a column: dragging over an axis keeps the runs within. */
export function ParallelCoordinates({ runs, columns, colorBy }: ParallelProps) {
  const { ref, width } = useElementSize<HTMLDivElement>();
  const [ranges, setRanges] = useState<Readonly<Record<string, readonly [number, number]>>>({});
  const drawn = useMemo(() => runs.slice(0, LINES_MAX), [runs]);
  const axes = useMemo(() => axesOf(drawn, columns), [drawn, columns]);
  const colored = axes.find(({ id }) => id === colorBy) ?? axes.find(({ id }) => id.startsWith('metrics.')) ?? axes[0];
  const kept = useMemo(
    () => drawn.filter((run) => axes.every((axis) => isWithin(axis, run, ranges))),
    [drawn, axes, ranges],
  );
  if (axes.length < 2) {
    return <p className="table-none">Choose at least two metrics or params as columns: each is an axis.</p>;
  }
  const gap = axes.length > 1 ? (width - 2 * SIDE) / (axes.length - 1) : 0;
  const x = (index: number) => SIDE + index * gap;
  const y = (place: number) => HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM);
  const keptIds = new Set(kept.map((run) => run.id));
  const isBrushed = Object.keys(ranges).length > 0;
  return (
    <figure className="chart" aria-label="Parallel coordinates">
      <figcaption className="chart-head">
        <strong>
          {formatCount(kept.length)} {isBrushed ? `of ${formatCount(drawn.length)} ` : ''}runs
        </strong>
        <span className="muted">
          {runs.length > LINES_MAX ? `the first ${formatCount(LINES_MAX)} of those loaded; ` : ''}colour by{' '}
          {colored?.header}
        </span>
        <span className="chart-axis">
          drag along an axis to keep the runs within
          {isBrushed ? (
            <button type="button" className="button button-quiet" onClick={() => setRanges({})}>
              Keep all
            </button>
          ) : null}
        </span>
      </figcaption>
      <div ref={ref}>
        {width === 0 ? null : (
          <svg width={width} height={HEIGHT} className="parallel" role="img" aria-label="A line a run">
            <Lines axes={axes} runs={drawn} keptIds={keptIds} colored={colored} x={x} y={y} />
            {axes.map((axis, index) => (
              <AxisMarks
                key={axis.id}
                axis={axis}
                left={x(index)}
                y={y}
                range={ranges[axis.id]}
                onRange={(range) =>
                  setRanges((before) => {
                    const { [axis.id]: _, ...others } = before;
                    return range ? { ...others, [axis.id]: range } : others;
                  })
                }
              />
            ))}
          </svg>
        )}
      </div>
    </figure>
  );
}

interface LinesProps {
  readonly axes: readonly Axis[];
  readonly runs: readonly TrackedRun[];
  readonly keptIds: ReadonlySet<string>;
  readonly colored: Axis | undefined;
  readonly x: (index: number) => number;
  readonly y: (place: number) => number;
}

function Lines({ axes, runs, keptIds, colored, x, y }: LinesProps) {
  const rank = (run: TrackedRun) => (keptIds.has(run.id) ? 1 + (colored?.place(run) ?? 0) : 0);
  const ordered = runs.toSorted((a, b) => rank(a) - rank(b));
  return (
    <g fill="none">
      {ordered.map((run) => {
        const isKept = keptIds.has(run.id);
        const share = colored?.place(run);
        return (
          <path
            key={run.id}
            d={pathOf(axes, run, { x, y })}
            className="parallel-line"
            data-dropped={!isKept || undefined}
            style={
              isKept && share !== undefined
                ? { stroke: `color-mix(in oklab, var(--accent) ${Math.round(100 * share)}%, var(--line-strong))` }
                : undefined
            }
          >
            <title>{run.name}</title>
          </path>
        );
      })}
    </g>
  );
}

/** A run without a value leaves a gap on that axis. */
function pathOf(axes: readonly Axis[], run: TrackedRun, { x, y }: Pick<LinesProps, 'x' | 'y'>): string {
  let isOn = false;
  return axes
    .map((axis, index) => {
      const place = axis.place(run);
      if (place === undefined) {
        isOn = false;
        return '';
      }
      const point = `${isOn ? 'L' : 'M'}${x(index).toFixed(1)} ${y(place).toFixed(1)}`;
      isOn = true;
      return point;
    })
    .join('');
}

interface AxisMarksProps {
  readonly axis: Axis;
  readonly left: number;
  readonly y: (place: number) => number;
  readonly range: readonly [number, number] | undefined;
  readonly onRange: (range: readonly [number, number] | undefined) => void;
}

function AxisMarks({ axis, left, y, range, onRange }: AxisMarksProps) {
  const [from, setFrom] = useState<number | null>(null);
  const placeAt = (event: PointerEvent<SVGRectElement>): number => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.min(1, Math.max(0, 1 - (event.clientY - box.top) / box.height));
  };
  return (
    <g transform={`translate(${left} 0)`}>
      <text className="parallel-name" y={16} textAnchor="middle">
        {axis.header.length > WORDS_MAX ? `${axis.header.slice(0, WORDS_MAX - 1)}…` : axis.header}
        <title>{axis.id}</title>
      </text>
      <line className="parallel-axis" y1={y(0)} y2={y(1)} />
      {axis.ticks.map(({ at, label }) => (
        <text key={`${at}:${label}`} className="parallel-tick" x={6} y={y(at) + 4}>
          {label}
        </text>
      ))}
      {range ? (
        <rect className="parallel-range" x={-6} width={12} y={y(range[1])} height={y(range[0]) - y(range[1])} />
      ) : null}
      {/* The keyboard's way to the same runs is the filter above the lines. */}
      <rect
        className="parallel-brush"
        x={-12}
        width={24}
        y={y(1)}
        height={y(0) - y(1)}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setFrom(placeAt(event));
          onRange(undefined);
        }}
        onPointerMove={(event) => {
          if (from === null) return;
          const to = placeAt(event);
          onRange([Math.min(from, to), Math.max(from, to)]);
        }}
        onPointerUp={(event) => {
          if (from !== null && Math.abs(placeAt(event) - from) < 0.01) onRange(undefined);
          setFrom(null);
        }}
      />
    </g>
  );
}

function isWithin(axis: Axis, run: TrackedRun, ranges: Readonly<Record<string, readonly [number, number]>>): boolean {
  const range = ranges[axis.id];
  if (!range) return true;
  const place = axis.place(run);
  return place !== undefined && place >= range[0] && place <= range[1];
}

/**
 * What was given on the left, what was measured on the right. Numbers, and params that are numbers, by size; other
 * texts as a few words. What is the same in all runs is no axis, and neither are names and ids.
 */
function axesOf(runs: readonly TrackedRun[], columns: readonly Column<TrackedRun>[]): readonly Axis[] {
  const isMeasured = ({ id }: Column<TrackedRun>) => Number(id.startsWith('metrics.'));
  return columns
    .filter(({ id }) => /^(metrics|params|tags)\./.test(id))
    .filter((column) => new Set(runs.map(column.value)).size > 1)
    .toSorted((a, b) => isMeasured(a) - isMeasured(b))
    .map((column) => {
      const { id, header } = column;
      const values = runs.map((run) => column.value(run)).filter((value) => value !== null);
      const numbers = values.map(Number).filter(Number.isFinite);
      if (numbers.length === values.length || column.isNumeric) return numericAxis(column, numbers);
      const words = [...new Set(values)].sort(compareValues).slice(0, WORDS_MAX);
      const at = (index: number) => (words.length < 2 ? 0.5 : index / (words.length - 1));
      return {
        id,
        header,
        place: (run) => {
          const index = words.indexOf(column.value(run) ?? '');
          return index < 0 ? undefined : at(index);
        },
        ticks: words.map((word, index) => ({ at: at(index), label: String(word).slice(0, WORDS_MAX) })),
      };
    });
}

/** On a logarithmic scale where all values are above 0 and lie three orders of magnitude apart. */
function numericAxis(column: Column<TrackedRun>, numbers: readonly number[]): Axis {
  const low = numbers.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = numbers.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const isLog = low > 0 && high / low >= 1_000;
  const scale = isLog ? Math.log10 : (value: number) => value;
  const span = scale(high) - scale(low);
  const share = (value: number) => (span > 0 ? (scale(value) - scale(low)) / span : 0.5);
  return {
    id: column.id,
    header: column.header,
    place: (run) => {
      const value = column.value(run);
      const number = value === null ? Number.NaN : Number(value);
      return Number.isFinite(number) ? share(number) : undefined;
    },
    ticks:
      numbers.length === 0
        ? []
        : [0, 0.5, 1].map((at) => {
            const value = scale(low) + at * span;
            return { at, label: formatNumber(isLog ? 10 ** value : value, 3) };
          }),
  };
}
