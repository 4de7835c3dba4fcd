import { useQuery } from '@tanstack/react-query';
import type { EndpointView } from '#serving/contract';
import { read } from '../data/read.ts';
import { Age } from '../kit/age.tsx';
import { Page } from '../kit/page.tsx';
import { Empty, Load } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';
import { candidatesOf, isActive, statusOfEndpoint } from './rollout-words.ts';

const columns: readonly Column<EndpointView>[] = [
  { id: 'name', header: 'Endpoint', value: (row) => row.name },
  {
    id: 'state',
    header: 'State',
    value: (row) => statusOfEndpoint(row).status,
    cell: (row) => <StatusChip {...statusOfEndpoint(row)} />,
  },
  { id: 'current', header: 'Current revision', value: (row) => row.current?.revision ?? null },
  {
    id: 'candidate',
    header: 'Candidate',
    value: (row) => (row.rollout && isActive(row.rollout.stage) ? candidatesOf(row.rollout) : null),
  },
  { id: 'weight', header: 'Candidate answers, %', value: (row) => row.rollout?.weight ?? null, isNumeric: true },
  {
    id: 'since',
    header: 'Current since',
    value: (row) => row.current?.since ?? null,
    cell: (row) => <Age at={row.current?.since} />,
  },
];

export function EndpointsPage() {
  const endpoints = useQuery(read('serving', 'listEndpoints'));
  return (
    <Page title="Endpoints" lead="Where models answer requests, and how a better one takes its place.">
      <Load query={endpoints}>
        {({ items }) => (
          <DataTable
            label="endpoints"
            rows={items}
            columns={columns}
            idOf={(row) => row.name}
            to={(row) => places.endpoint(row.name)}
            empty={
              <Empty
                what="No endpoint is declared. An endpoint serves the champion of a registered model."
                command="kedge apply kedge.ts   # with endpoint('delay', { model: 'delay' }) in it"
              />
            }
          />
        )}
      </Load>
    </Page>
  );
}
