import { useQueries } from '@tanstack/react-query';
import { ChartSpline } from 'lucide-react';
import { useMemo } from 'react';
import { formatCount, formatDurationShort, formatTime } from '../data/format.ts';
import { useUrl } from '../data/use-url.ts';
import { CurveChart, type CurveLine } from '../kit/charts/curve-chart.tsx';
import type { ColorName } from '../kit/charts/use-colors.ts';
import { Empty, Failure, Loading, Partial } from '../kit/states.tsx';
import { Choice } from '../kit/tabs.tsx';
import { type CurveAxis, curveOf, positive, smoothed } from './curve.ts';
import { Picker } from './picker.tsx';
import type { TrackedRun } from './run.ts';
import { columnsOf, columnsText } from './run-columns.tsx';
import { pointsOf, type Series, series } from './use-series.ts';

const AT_FIRST = 6;
const COLORS: readonly ColorName[] = ['series-1', 'series-2', 'series-4', 'series-3'];
const axes = ['step', 'relative', 'time'] as const;
const axisWords: Readonly<Record<CurveAxis, string>> = {
  step: 'step',
  relative: 'since the start',
  time: 'wall time, UTC',
};
const SMOOTHINGS = ['0', '0.6', '0.9', '0.97', '0.99'] as const;

/** The curves of the metrics of some runs. Which ones, their axes, smoothing and zoom are part of the address. */
export function Curves({ runs }: { readonly runs: readonly TrackedRun[] }) {
  const url = useUrl();
  const keys = useMemo(() => metricKeys(runs), [runs]);
  const chosen = url.get('metrics');
  const shown = chosen === undefined ? keys.slice(0, AT_FIRST) : columnsOf(chosen).filter((key) => keys.includes(key));
  const axis = axes.find((each) => each === url.get('x')) ?? 'step';
  const smoothing = url.number('smooth') ?? 0;
  const isLog = url.get('y') === 'log';
  if (keys.length === 0) return <Empty what="No metric was logged." />;
  return (
    <>
      <div className="toolbar">
        <Picker
          of="metric"
          hint="Find a metric"
          choices={[{ options: keys.map((key) => ({ id: key, header: key })) }]}
          shown={shown}
          onShown={(next) => url.set({ metrics: columnsText(next) })}
        >
          <ChartSpline size={13} aria-hidden />
          {shown.length} of {keys.length} metrics
        </Picker>
        <Choice
          label="X axis"
          options={[
            ['step', 'Step'],
            ['relative', 'Since start'],
            ['time', 'Wall time'],
          ]}
          value={axis}
          onChange={(value) => url.set({ x: value === 'step' ? undefined : value, from: undefined, to: undefined })}
        />
        <Choice
          label="Y axis"
          options={[
            ['linear', 'Linear'],
            ['log', 'Log'],
          ]}
          value={isLog ? 'log' : 'linear'}
          onChange={(value) => url.set({ y: value === 'log' ? 'log' : undefined })}
        />
        <label className="smoothing">
          <span className="field-label">Smoothing</span>
          <input
            type="range"
            min={0}
            max={SMOOTHINGS.length - 1}
            step={1}
            value={Math.max(
              0,
              SMOOTHINGS.findIndex((each) => Number(each) === smoothing),
            )}
            aria-valuetext={String(smoothing)}
            onChange={(event) => {
              const value = SMOOTHINGS[event.currentTarget.valueAsNumber];
              url.set({ smooth: value === '0' ? undefined : value });
            }}
          />
          <output>{smoothing === 0 ? 'off' : smoothing}</output>
        </label>
        {url.get('from') === undefined ? null : (
          <button type="button" className="button" onClick={() => url.set({ from: undefined, to: undefined })}>
            Show all
          </button>
        )}
      </div>
      <div className={shown.length > 1 ? 'columns-even' : undefined}>
        {shown.map((key) => (
          <MetricCurves key={key} metric={key} runs={runs} axis={axis} smoothing={smoothing} isLog={isLog} />
        ))}
      </div>
    </>
  );
}

interface MetricCurvesProps {
  readonly metric: string;
  readonly runs: readonly TrackedRun[];
  readonly axis: CurveAxis;
  readonly smoothing: number;
  readonly isLog: boolean;
}

function MetricCurves({ metric, runs, axis, smoothing, isLog }: MetricCurvesProps) {
  const url = useUrl();
  const having = useMemo(() => runs.filter((run) => Object.hasOwn(run.metrics, metric)), [runs, metric]);
  const results = useQueries({
    queries: having.map((run) => series({ run: run.id, key: metric, isLive: run.status === 'running' })),
  });
  const loaded = results.map((result) => result.data);
  const signature = results.map((result) => result.dataUpdatedAt).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the signature changes when any of the answers does.
  const lines = useMemo(
    () =>
      having.flatMap((run, index) => lineOf(run, loaded[index], { index: runs.indexOf(run), axis, smoothing, isLog })),
    [having, signature, axis, smoothing, isLog],
  );
  const error = results.find((result) => result.error)?.error;
  if (error) return <Failure error={error} retry={() => results.forEach((result) => void result.refetch())} />;
  if (loaded.some((data) => data === undefined)) return <Loading rows={8} />;
  const points = lines.reduce((sum, { x }) => sum + x.length, 0);
  return (
    <div>
      {loaded.some((data) => data?.isCut) ? <Partial>The first {formatCount(points)} points are drawn.</Partial> : null}
      <CurveChart
        title={metric}
        lines={lines}
        axis={`${axisWords[axis]} · ${formatCount(points)} ${points === 1 ? 'point' : 'points'}`}
        formatX={formats[axis]}
        isLog={isLog}
        range={{ from: url.number('from'), to: url.number('to') }}
        onRange={(from, to) => url.set({ from, to })}
        height={runs.length > 1 ? 280 : 240}
      />
    </div>
  );
}

const formats: Readonly<Record<CurveAxis, (x: number) => string>> = {
  step: formatCount,
  relative: (x) => formatDurationShort(x * 1_000),
  time: (x) => formatTime(x * 1_000).replace(/^.*, /, ''),
};

interface LineLook {
  /** Which of the runs it is, so that a run has one colour in every chart. */
  readonly index: number;
  readonly axis: CurveAxis;
  readonly smoothing: number;
  readonly isLog: boolean;
}

function lineOf(run: TrackedRun, data: Series | undefined, look: LineLook): CurveLine[] {
  if (!data) return [];
  const { x, y } = curveOf(pointsOf(data), look.axis);
  const logged = look.isLog ? positive(y) : y;
  const shown = smoothed(logged, look.smoothing);
  return [
    {
      label: run.name,
      color: COLORS[look.index % COLORS.length] ?? 'series-1',
      isDashed: look.index >= COLORS.length,
      x,
      y: shown,
      raw: look.smoothing > 0 ? logged : undefined,
    },
  ];
}

/** Metrics that were logged over steps come first: of the others a curve says no more than their number. */
function metricKeys(runs: readonly TrackedRun[]): readonly string[] {
  const steps = new Map<string, number>();
  for (const run of runs) {
    for (const [key, { step }] of Object.entries(run.metrics)) steps.set(key, Math.max(steps.get(key) ?? 0, step));
  }
  const rank = (key: string) => ((steps.get(key) ?? 0) > 1 ? 0 : 1);
  return [...steps.keys()].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b, 'en', { numeric: true }));
}
