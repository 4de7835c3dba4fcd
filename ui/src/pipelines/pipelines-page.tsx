import { useQuery } from '@tanstack/react-query';
import type { RunView } from '#pipelines/contract';
import type { ResourceView } from '#platform/resources/contract';
import { read } from '../data/read.ts';
import { Age } from '../kit/age.tsx';
import { Go } from '../kit/link.tsx';
import { Page, Section } from '../kit/page.tsx';
import { Empty, Load } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';
import { RunsTable } from './runs-table.tsx';

const RECENT_RUNS = 100;
const SHOWN_RUNS = 12;

export function PipelinesPage() {
  const pipelines = useQuery(read('resources', 'listResources', { query: { kind: 'pipeline' } }));
  const runs = useQuery(read('pipelines', 'listPipelineRuns', { query: { limit: RECENT_RUNS } }));
  return (
    <Page title="Pipelines" lead="Steps that turn data into registered models, run by workers under leases.">
      <Section title="Declared">
        <Load query={pipelines}>
          {({ items }) => (
            <DataTable
              label="pipelines"
              rows={items}
              columns={columnsFor(runs.data?.items ?? [])}
              idOf={(row) => row.name}
              to={(row) => places.pipeline(row.name)}
              empty={
                <Empty
                  what="No pipeline is declared."
                  command="kedge apply kedge.ts   # with pipeline('train', { steps: […] }) in it"
                />
              }
            />
          )}
        </Load>
      </Section>
      <Section title="Recent runs" note="wall time" aside={<Go to={places.runs()}>All runs</Go>}>
        <Load query={runs}>{({ items }) => <RunsTable name="run-" runs={items.slice(0, SHOWN_RUNS)} />}</Load>
      </Section>
    </Page>
  );
}

function columnsFor(runs: readonly RunView[]): readonly Column<ResourceView>[] {
  const lastOf = (row: ResourceView) => runs.find(({ pipeline }) => pipeline === row.name);
  return [
    { id: 'name', header: 'Pipeline', value: (row) => row.name },
    {
      id: 'last',
      header: 'Last run',
      value: (row) => lastOf(row)?.status ?? null,
      cell: (row) => <StatusChip status={lastOf(row)?.status ?? 'none'} />,
    },
    {
      id: 'started',
      header: 'Started',
      value: (row) => lastOf(row)?.createdAt ?? null,
      cell: (row) => <Age at={lastOf(row)?.createdAt} />,
    },
    { id: 'steps', header: 'Steps', value: stepsOf, isNumeric: true },
    { id: 'description', header: 'Description', value: (row) => String(row.spec['description'] ?? ''), isWide: true },
  ];
}

function stepsOf({ spec }: ResourceView): number | null {
  return Array.isArray(spec['steps']) ? spec['steps'].length : null;
}
