import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { FigureView } from '#monitoring/contract';
import type { RolloutView } from '#serving/contract';
import { formatFixed } from '../data/format.ts';
import { read } from '../data/read.ts';
import { useUrl } from '../data/use-url.ts';
import { EventTime } from '../kit/age.tsx';
import type { Series } from '../kit/charts/chart-options.ts';
import { TimeChart } from '../kit/charts/time-chart.tsx';
import type { ColorName } from '../kit/charts/use-colors.ts';
import { Empty, Load, Loading } from '../kit/states.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { Choice } from '../kit/tabs.tsx';
import type { Monitored } from './monitoring-page.tsx';
import { rangeOf } from './range-picker.tsx';

const ALL = '*';
const colors: readonly ColorName[] = ['series-1', 'series-2', 'series-4', 'series-3'];

interface ChartPlan {
  readonly title: string;
  readonly metrics: readonly string[];
  readonly include?: readonly number[];
}

const plans: readonly ChartPlan[] = [
  { title: 'AUC', metrics: ['auc'] },
  { title: 'Log loss', metrics: ['log-loss'] },
  { title: 'Calibration error (ECE)', metrics: ['ece'], include: [0] },
  { title: 'Mean prediction against base rate', metrics: ['mean-prediction', 'base-rate'] },
  { title: 'Brier score', metrics: ['brier'] },
];

/** Which lines the charts have, or the table behind them. */
export function LinesChoice() {
  const url = useUrl();
  const view = url.get('view');
  return (
    <Choice
      label="Lines"
      options={[
        ['all', 'All revisions together'],
        ['revisions', 'By revision'],
        ['table', 'Table'],
      ]}
      value={view === 'table' || view === 'revisions' ? view : 'all'}
      onChange={(chosen) => url.set({ view: chosen === 'all' ? undefined : chosen })}
    />
  );
}

export function Figures({ of }: { readonly of: Monitored }) {
  const url = useUrl();
  const view = url.get('view') ?? 'all';
  const figures = useQuery(
    read('monitoring', 'listFigures', {
      params: { endpoint: of.endpoint },
      query: { monitor: of.monitor, limit: 10_000 },
    }),
  );
  const rollouts = useQuery(
    read('serving', 'listRollouts', { params: { endpoint: of.endpoint }, query: { limit: 200 } }),
  ).data?.items;
  return (
    <Load query={figures} loading={<Loading rows={3} height={220} />}>
      {({ items }) => {
        if (items.length === 0) {
          return <Empty what="No window is evaluated yet: the first one waits for the stream to pass its end." />;
        }
        if (view === 'table') return <FigureTable figures={items} />;
        return <Charts of={of} figures={items} rollouts={rollouts ?? []} isByRevision={view === 'revisions'} />;
      }}
    </Load>
  );
}

interface ChartsProps {
  readonly of: Monitored;
  readonly figures: readonly FigureView[];
  readonly rollouts: readonly RolloutView[];
  readonly isByRevision: boolean;
}

function Charts({ of, figures, rollouts, isByRevision }: ChartsProps) {
  const url = useUrl();
  const range = rangeOf(url);
  const annotations = useMemo(() => endsOf(rollouts), [rollouts]);
  const times = useMemo(() => [...new Set(figures.map(({ window }) => window))].sort((a, b) => a - b), [figures]);
  const shown = plans.filter(({ metrics }) => figures.some(({ metric }) => metrics.includes(metric)));
  return (
    <div className="columns-even">
      {shown.map((plan) => (
        <FigureChart
          key={plan.title}
          plan={plan}
          of={of}
          figures={figures}
          times={times}
          isByRevision={isByRevision}
          annotations={annotations}
          range={range}
          onBrush={(from, to) => url.set({ from, to })}
        />
      ))}
    </div>
  );
}

interface FigureChartProps {
  readonly plan: ChartPlan;
  readonly of: Monitored;
  readonly figures: readonly FigureView[];
  readonly times: readonly number[];
  readonly isByRevision: boolean;
  readonly annotations: ReturnType<typeof endsOf>;
  readonly range: ReturnType<typeof rangeOf>;
  readonly onBrush: (from: number, to: number) => void;
}

function FigureChart({ plan, of, figures, times, isByRevision, annotations, range, onBrush }: FigureChartProps) {
  const series = useMemo(() => seriesOf(plan, { figures, times, isByRevision }), [plan, figures, times, isByRevision]);
  const thresholds = of.spec.alerts.flatMap(({ metric, above, below, name }) => {
    const value = typeof above === 'number' ? above : below;
    return value !== undefined && plan.metrics.some((each) => each === metric) ? [{ value, label: name }] : [];
  });
  return (
    <TimeChart
      title={plan.title}
      axis="event time, UTC"
      syncKey="figures"
      times={times}
      series={series}
      thresholds={thresholds}
      include={[...(plan.include ?? []), ...thresholds.map(({ value }) => value)]}
      annotations={annotations}
      format={formatFigure}
      range={range}
      onBrush={onBrush}
    />
  );
}

const formatFigure = (value: number | null) => formatFixed(value, 3);

interface SeriesInput {
  readonly figures: readonly FigureView[];
  readonly times: readonly number[];
  readonly isByRevision: boolean;
}

/** A line for each metric of the plan, and where they are told apart for each revision. */
function seriesOf({ metrics }: ChartPlan, { figures, times, isByRevision }: SeriesInput): Series[] {
  const wanted = figures.filter(
    ({ metric, revision }) => metrics.includes(metric) && (revision === ALL) !== isByRevision,
  );
  const revisions = [...new Set(wanted.map(({ revision }) => revision))].sort(byNumber);
  return revisions.flatMap((revision, index) =>
    metrics.map((metric, place): Series => {
      const found = new Map<number, number | null>();
      for (const figure of wanted) {
        if (figure.revision === revision && figure.metric === metric) found.set(figure.window, figure.value);
      }
      const name = metrics.length > 1 ? metric.replace('-', ' ') : '';
      return {
        label: revision === ALL ? name : `${short(revision)} ${name}`.trim(),
        color: colors[(index + (isByRevision ? 0 : place)) % colors.length] ?? 'series-1',
        values: times.map((time) => found.get(time) ?? null),
        hasPoints: times.length < 60,
        isDashed: isByRevision && place > 0,
      };
    }),
  );
}

/** `v3` of `delay@3`: the models of an endpoint's revisions are the same. */
function short(revision: string): string {
  return `v${revision.slice(revision.lastIndexOf('@') + 1)}`;
}

function byNumber(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** Where another revision took over, or a candidate was turned away, at event time. */
function endsOf(rollouts: readonly RolloutView[]) {
  return rollouts.flatMap(({ stage, candidate, decisions }) => {
    const last = decisions.at(-1);
    if (!last || !['completed', 'refused', 'rolled-back'].includes(stage)) return [];
    return [
      { at: last.at, text: stage === 'completed' ? `v${candidate}` : `v${candidate} ${stage.replace('-', ' ')}` },
    ];
  });
}

const tableColumns: readonly Column<FigureView>[] = [
  {
    id: 'window',
    header: 'Window from (event time, UTC)',
    value: (row) => row.window,
    cell: (row) => <EventTime at={row.window} />,
  },
  { id: 'revision', header: 'Revision', value: (row) => row.revision },
  { id: 'metric', header: 'Figure', value: (row) => row.metric },
  { id: 'value', header: 'Value', value: (row) => row.value, isNumeric: true },
  { id: 'requests', header: 'Requests', value: (row) => row.requests, isNumeric: true },
  { id: 'labelled', header: 'Labelled', value: (row) => row.labelled, isNumeric: true },
  { id: 'version', header: 'Version of the figure', value: (row) => row.version, isNumeric: true },
];

function FigureTable({ figures }: { readonly figures: readonly FigureView[] }) {
  return (
    <DataTable
      label="figures"
      rows={figures}
      columns={tableColumns}
      idOf={(row) => `${row.window} ${row.revision} ${row.metric}`}
      order="-window"
    />
  );
}
