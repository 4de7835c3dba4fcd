import { useQueries, useQuery } from '@tanstack/react-query';
import type { BatchView } from '#datasets/contract';
import type { ResourceView } from '#platform/resources/contract';
import { read } from '../data/read.ts';
import { Age, EventTime } from '../kit/age.tsx';
import { Page } from '../kit/page.tsx';
import { Empty, Load } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';

interface Row {
  readonly resource: ResourceView;
  readonly last: BatchView | undefined;
  readonly rows: number | null;
  readonly until: number | null;
}

const columns: readonly Column<Row>[] = [
  { id: 'name', header: 'Dataset', value: (row) => row.resource.name },
  {
    id: 'last',
    header: 'Last batch',
    value: (row) => row.last?.status ?? null,
    cell: (row) => <StatusChip status={row.last?.status ?? 'none'} />,
  },
  {
    id: 'received',
    header: 'Received',
    value: (row) => row.last?.receivedAt ?? null,
    cell: (row) => <Age at={row.last?.receivedAt} />,
  },
  { id: 'rows', header: 'Rows', value: (row) => row.rows, isNumeric: true },
  {
    id: 'until',
    header: 'Events until (UTC)',
    value: (row) => row.until,
    cell: (row) => <EventTime at={row.until} />,
  },
  {
    id: 'description',
    header: 'Description',
    value: (row) => String(row.resource.spec['description'] ?? ''),
    isWide: true,
  },
];

export function DatasetsPage() {
  const resources = useQuery(read('resources', 'listResources', { query: { kind: 'dataset' } }));
  return (
    <Page title="Datasets" lead="Tables of events that arrive in batches. What fails an expectation is held, not lost.">
      <Load query={resources}>{({ items }) => <Datasets resources={items} />}</Load>
    </Page>
  );
}

function Datasets({ resources }: { readonly resources: readonly ResourceView[] }) {
  const batches = useQueries({
    queries: resources.map(({ name }) =>
      read('datasets', 'listBatches', { params: { dataset: name }, query: { limit: 1 } }),
    ),
  });
  const snapshots = useQueries({
    queries: resources.map(({ name }) => read('datasets', 'getSnapshot', { params: { dataset: name } })),
  });
  const rows = resources.map((resource, index): Row => {
    const snapshot = snapshots[index]?.data;
    const last = snapshot?.segments.map(({ maxAt }) => maxAt) ?? [];
    return {
      resource,
      last: batches[index]?.data?.items[0],
      rows: snapshot?.rows ?? null,
      until: last.length > 0 ? Math.max(...last) : null,
    };
  });
  return (
    <DataTable
      label="datasets"
      rows={rows}
      columns={columns}
      idOf={(row) => row.resource.name}
      to={(row) => places.dataset(row.resource.name)}
      empty={
        <Empty
          what="No dataset is declared."
          command="kedge apply kedge.ts   # with dataset('flights', { eventTime: 'departed' }) in it"
        />
      }
    />
  );
}
