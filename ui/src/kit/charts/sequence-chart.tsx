import { useMemo } from 'react';
import { formatNumber } from '../../data/format.ts';
import type { Annotation } from './chart-options.ts';
import { TimeChart } from './time-chart.tsx';

export interface SequencePoint {
  /** Event time of the start of the hour. */
  readonly at: number;
  /** Sum of all differences so far; positive when the candidate is better. */
  readonly sum: number;
  /** Null while nothing can be decided. */
  readonly boundary: number | null;
}

interface SequenceChartProps {
  readonly points: readonly SequencePoint[];
  readonly annotations: readonly Annotation[];
  /** What the walk says now, in words. */
  readonly verdict: string;
  readonly height?: number;
}

const format = (value: number | null) => (value === null ? '–' : formatNumber(value, 3));

/** The walk of a rollout between the boundaries that chance alone stays within: outside of them it is decided. */
export function SequenceChart({ points, annotations, verdict, height = 260 }: SequenceChartProps) {
  const content = useMemo(
    () => ({
      times: points.map((point) => point.at),
      series: [
        { label: 'difference so far', color: 'accent' as const, values: points.map((point) => point.sum), width: 2 },
      ],
      band: {
        high: points.map((point) => point.boundary),
        low: points.map((point) => (point.boundary === null ? null : -point.boundary)),
        label: 'no difference shown (± boundary)',
      },
    }),
    [points],
  );
  return (
    <div className="sequence">
      <p className="verdict" aria-live="polite">
        {verdict}
      </p>
      <TimeChart
        title="Log loss, current minus candidate"
        axis="event time, UTC, by hour"
        height={height}
        format={format}
        include={zero}
        annotations={annotations}
        {...content}
      />
      <div className="sequence-sides" aria-hidden>
        <span>↑ above the band: the candidate is better</span>
        <span>↓ below: worse</span>
      </div>
    </div>
  );
}

const zero = [0];
