import { useQuery } from '@tanstack/react-query';
import type { ResourceView } from '#platform/resources/contract';
import { read } from '../data/read.ts';
import { Age } from '../kit/age.tsx';
import { Go } from '../kit/link.tsx';
import { Page } from '../kit/page.tsx';
import { Empty, Load } from '../kit/states.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';
import { viewSpec } from './view-spec.ts';

const columns: readonly Column<ResourceView>[] = [
  { id: 'name', header: 'View', value: (row) => row.name },
  {
    id: 'dataset',
    header: 'Dataset',
    value: (row) => viewSpec(row).dataset,
    cell: (row) => <Go to={places.dataset(viewSpec(row).dataset)}>{viewSpec(row).dataset}</Go>,
  },
  { id: 'keys', header: 'Entity', value: (row) => viewSpec(row).keys.join(', ') },
  { id: 'time', header: 'Windows over', value: (row) => `${viewSpec(row).time} time` },
  { id: 'features', header: 'Features', value: (row) => viewSpec(row).features.length, isNumeric: true },
  { id: 'online', header: 'Online', value: (row) => (viewSpec(row).online ? 'yes' : 'no') },
  { id: 'updated', header: 'Declared', value: (row) => row.updatedAt, cell: (row) => <Age at={row.updatedAt} /> },
];

export function FeaturesPage() {
  const views = useQuery(read('resources', 'listResources', { query: { kind: 'feature-view' } }));
  return (
    <Page
      title="Features"
      lead="Aggregates over the recent rows of an entity: one definition for training and serving."
    >
      <Load query={views}>
        {({ items }) => (
          <DataTable
            label="feature views"
            rows={items}
            columns={columns}
            idOf={(row) => row.name}
            to={(row) => places.featureView(row.name)}
            empty={
              <Empty
                what="No feature view is declared."
                command="kedge apply kedge.ts   # with featureView('origin', { dataset, keys, features }) in it"
              />
            }
          />
        )}
      </Load>
    </Page>
  );
}
