import { useQueries, useQuery } from '@tanstack/react-query';
import type { MonitorSpec, SummaryView } from '#monitoring/contract';
import type { ResourceView } from '#platform/resources/contract';
import { formatFixed } from '../data/format.ts';
import { read } from '../data/read.ts';
import { EventTime } from '../kit/age.tsx';
import { Page } from '../kit/page.tsx';
import { Empty, Load } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';

interface Row {
  readonly name: string;
  readonly spec: MonitorSpec;
  readonly summary: SummaryView['monitors'][number] | undefined;
}

const columns: readonly Column<Row>[] = [
  { id: 'name', header: 'Monitor', value: (row) => row.name },
  { id: 'endpoint', header: 'Endpoint', value: (row) => row.spec.endpoint },
  {
    id: 'state',
    header: 'Alerts',
    value: (row) => stateOf(row),
    cell: (row) => (
      <StatusChip status={stateOf(row)} detail={row.summary?.firing.map(({ alert }) => alert).join(', ')} />
    ),
  },
  { id: 'window', header: 'Window', value: (row) => row.spec.window, isNumeric: true },
  ...(['auc', 'log-loss', 'ece'] as const).map(
    (metric): Column<Row> => ({
      id: metric,
      header: metric === 'auc' ? 'AUC' : metric === 'ece' ? 'ECE' : 'Log loss',
      value: (row) => figureOf(row, metric),
      cell: (row) => formatFixed(figureOf(row, metric)),
      isNumeric: true,
    }),
  ),
  {
    id: 'inputs',
    header: 'Inputs until (event time, UTC)',
    value: (row) => row.summary?.inputsUntil ?? null,
    cell: (row) => <EventTime at={row.summary?.inputsUntil} />,
  },
  {
    id: 'quality',
    header: 'Quality until',
    value: (row) => row.summary?.qualityUntil ?? null,
    cell: (row) => <EventTime at={row.summary?.qualityUntil} />,
  },
];

function stateOf({ summary }: Row): string {
  return summary ? (summary.firing.length > 0 ? 'firing' : 'ok') : 'none';
}

function figureOf({ summary }: Row, metric: string): number | null {
  return summary?.figures.find((figure) => figure.metric === metric)?.value ?? null;
}

export function MonitorsPage() {
  const monitors = useQuery(read('resources', 'listResources', { query: { kind: 'monitor' } }));
  return (
    <Page title="Monitoring" lead="What is measured of the predictions of an endpoint, in windows of event time.">
      <Load query={monitors}>{({ items }) => <Monitors monitors={items} />}</Load>
    </Page>
  );
}

function Monitors({ monitors }: { readonly monitors: readonly ResourceView[] }) {
  const specs = monitors.map(({ name, spec }) => ({ name, spec: spec as MonitorSpec }));
  const endpoints = [...new Set(specs.map(({ spec }) => spec.endpoint))];
  const summaries = useQueries({
    queries: endpoints.map((endpoint) => read('monitoring', 'getSummary', { params: { endpoint } })),
  }).flatMap(({ data }) => data?.monitors ?? []);
  const rows = specs.map((monitor) => ({
    ...monitor,
    summary: summaries.find((summary) => summary.monitor === monitor.name),
  }));
  return (
    <DataTable
      label="monitors"
      rows={rows}
      columns={columns}
      idOf={(row) => row.name}
      to={(row) => places.monitored(row.spec.endpoint, { monitor: row.name })}
      empty={
        <Empty
          what="No monitor is declared."
          command="kedge apply kedge.ts   # with monitor('quality', { endpoint, window: '1d' }) in it"
        />
      }
    />
  );
}
