import { useQuery } from '@tanstack/react-query';
import type { RegisteredModel } from '#registry/contract';
import { read } from '../data/read.ts';
import { Age } from '../kit/age.tsx';
import { Page } from '../kit/page.tsx';
import { Empty, Load } from '../kit/states.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';

const columns: readonly Column<RegisteredModel>[] = [
  { id: 'name', header: 'Model', value: (row) => row.name },
  { id: 'last', header: 'Newest version', value: (row) => row.lastVersion, isNumeric: true },
  {
    id: 'aliases',
    header: 'Aliases',
    value: (row) =>
      Object.entries(row.aliases)
        .map(([alias, version]) => `${alias} → ${version}`)
        .join(', '),
  },
  { id: 'protected', header: 'Protected by the gate', value: (row) => row.protectedAliases.join(', ') || '–' },
  { id: 'description', header: 'Description', value: (row) => row.description, isWide: true },
  { id: 'created', header: 'Created', value: (row) => row.createdAt, cell: (row) => <Age at={row.createdAt} /> },
];

export function ModelsPage() {
  const models = useQuery(read('registry', 'listModels'));
  return (
    <Page title="Models" lead="Registered models: immutable versions with their evidence.">
      <Load query={models}>
        {({ items }) => (
          <DataTable
            label="models"
            rows={items}
            columns={columns}
            idOf={(row) => row.name}
            to={(row) => places.model(row.name)}
            empty={
              <Empty what="No model is registered. A pipeline step registers one." command="kedge run <pipeline>" />
            }
          />
        )}
      </Load>
    </Page>
  );
}
