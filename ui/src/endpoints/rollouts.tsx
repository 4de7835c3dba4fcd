import { useQuery } from '@tanstack/react-query';
import type { EndpointView, RolloutView } from '#serving/contract';
import { read } from '../data/read.ts';
import { useUrl } from '../data/use-url.ts';
import { Age } from '../kit/age.tsx';
import { Go } from '../kit/link.tsx';
import { Empty, Load } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';
import { RolloutDetail } from './rollout-detail.tsx';
import { candidatesOf, statusOfRollout } from './rollout-words.ts';

const LISTED_MAX = 200;

const columns: readonly Column<RolloutView>[] = [
  { id: 'version', header: 'Candidate', value: (row) => candidatesOf(row) },
  {
    id: 'stage',
    header: 'Stage',
    value: (row) => row.stage,
    cell: (row) => <StatusChip {...statusOfRollout(row)} />,
  },
  { id: 'against', header: 'Against', value: (row) => (row.current === null ? null : `${row.model}@${row.current}`) },
  { id: 'requests', header: 'Paired requests', value: (row) => row.evidence.requests, isNumeric: true },
  { id: 'mean', header: 'Log loss better by', value: (row) => row.evidence.mean, isNumeric: true },
  { id: 'started', header: 'Started', value: (row) => row.startedAt, cell: (row) => <Age at={row.startedAt} /> },
  { id: 'cause', header: 'Cause', value: (row) => row.cause.id },
  {
    id: 'sentence',
    header: 'Last decision',
    value: (row) => row.decisions.at(-1)?.sentence ?? null,
    isWide: true,
  },
];

export function Rollouts({ endpoint }: { readonly endpoint: EndpointView }) {
  const url = useUrl();
  const chosen = url.get('rollout');
  const rollouts = useQuery(
    read('serving', 'listRollouts', { params: { endpoint: endpoint.name }, query: { limit: LISTED_MAX } }),
  );
  return (
    <Load query={rollouts}>
      {({ items }) => {
        const shown = chosen ? items.find(({ id }) => id === chosen) : undefined;
        return shown ? (
          <>
            <p style={{ marginBottom: 12 }}>
              <Go to={url.href({ rollout: undefined, view: undefined })}>All rollouts</Go>
            </p>
            <RolloutDetail summary={shown} endpoint={endpoint} />
          </>
        ) : (
          <DataTable
            label="rollouts"
            rows={items}
            columns={columns}
            idOf={(row) => row.id}
            to={(row) => places.rollout(endpoint.name, row.id)}
            empty={<Empty what="No version has been rolled out here yet." />}
          />
        );
      }}
    </Load>
  );
}
