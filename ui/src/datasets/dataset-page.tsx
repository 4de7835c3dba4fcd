import { useQuery } from '@tanstack/react-query';
import { formatNumber } from '../data/format.ts';
import { read } from '../data/read.ts';
import { usePathParams } from '../data/use-params.ts';
import { EventTime } from '../kit/age.tsx';
import { Id, JsonBlock } from '../kit/copy.tsx';
import { KeyFigures } from '../kit/key-figures.tsx';
import { Columns, Facts, Page } from '../kit/page.tsx';
import { Empty, Load, Partial } from '../kit/states.tsx';
import { DataTable } from '../kit/table/data-table.tsx';
import { TabBar, useTab } from '../kit/tabs.tsx';
import { places } from '../places.ts';
import { batchColumns } from './batch-columns.tsx';

const BATCHES_MAX = 500;

export function DatasetPage() {
  const { dataset } = usePathParams('dataset');
  const tab = useTab(['batches', 'held', 'snapshot', 'settings']);
  const resource = useQuery(read('resources', 'getResource', { params: { kind: 'dataset', name: dataset } }));
  return (
    <Page
      title={dataset}
      crumbs={[{ label: 'Datasets', to: places.datasets() }]}
      lead={String(resource.data?.spec['description'] ?? '') || undefined}
    >
      <TabBar
        tabs={[
          { id: 'batches', label: 'Batches' },
          { id: 'held', label: 'Held' },
          { id: 'snapshot', label: 'Snapshot' },
          { id: 'settings', label: 'Settings' },
        ]}
        current={tab}
        drop={['q', 'sort', 'cols']}
      />
      {tab === 'batches' || tab === 'held' ? <Batches dataset={dataset} isHeld={tab === 'held'} /> : null}
      {tab === 'snapshot' ? <Snapshot dataset={dataset} /> : null}
      {tab === 'settings' ? <Load query={resource}>{(view) => <JsonBlock value={view.spec} />}</Load> : null}
    </Page>
  );
}

function Batches({ dataset, isHeld }: { readonly dataset: string; readonly isHeld: boolean }) {
  const query = { limit: BATCHES_MAX, ...(isHeld ? { held: 'true' as const } : {}) };
  const batches = useQuery(read('datasets', 'listBatches', { params: { dataset }, query }));
  const address = `${location.origin}/api/v1/datasets/${dataset}/batches/first`;
  const upload = `curl -T batch.parquet -H 'content-type: application/vnd.apache.parquet' ${address}`;
  return (
    <Load query={batches}>
      {({ items }) => (
        <>
          {items.length === BATCHES_MAX ? <Partial>The newest {BATCHES_MAX} batches are listed.</Partial> : null}
          <DataTable
            label="batches"
            rows={items}
            columns={batchColumns}
            idOf={(row) => row.batch}
            to={(row) => places.batch(dataset, row.batch)}
            empty={isHeld ? <Empty what="Nothing is held." /> : <Empty what="No batch has arrived." command={upload} />}
          />
        </>
      )}
    </Load>
  );
}

function Snapshot({ dataset }: { readonly dataset: string }) {
  const snapshot = useQuery(read('datasets', 'getSnapshot', { params: { dataset } }));
  return (
    <Load query={snapshot}>
      {(view) => (
        <Columns
          facts={
            <Facts title="Columns" items={Object.entries(view.columns).map(([name, type]) => [name, type] as const)} />
          }
        >
          <KeyFigures
            figures={[
              { label: 'Commit', value: formatNumber(view.commit) },
              { label: 'Rows', value: formatNumber(view.rows) },
              { label: 'Segments', value: formatNumber(view.segments.length) },
            ]}
          />
          <DataTable
            label="segments"
            order="-to"
            rows={view.segments}
            idOf={(row) => row.digest}
            columns={[
              { id: 'digest', header: 'Segment', value: (row) => row.digest, cell: (row) => <Id value={row.digest} /> },
              { id: 'rows', header: 'Rows', value: (row) => row.rows, isNumeric: true },
              {
                id: 'from',
                header: 'Events from (UTC)',
                value: (row) => row.minAt,
                cell: (row) => <EventTime at={row.minAt} />,
              },
              { id: 'to', header: 'to', value: (row) => row.maxAt, cell: (row) => <EventTime at={row.maxAt} /> },
              {
                id: 'known',
                header: 'All known at (UTC)',
                value: (row) => row.maxKnownAt,
                cell: (row) => <EventTime at={row.maxKnownAt} />,
              },
            ]}
          />
        </Columns>
      )}
    </Load>
  );
}
