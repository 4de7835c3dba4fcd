import { useQuery } from '@tanstack/react-query';
import type { Experiment } from '#tracking/contract';
import { read } from '../data/read.ts';
import { useUrl } from '../data/use-url.ts';
import { Age } from '../kit/age.tsx';
import { Page } from '../kit/page.tsx';
import { Empty, Load, Partial } from '../kit/states.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { Choice } from '../kit/tabs.tsx';
import { places } from '../places.ts';
import { RunCount } from './run-count.tsx';

const LISTED_MAX = 1_000;

const columns: readonly Column<Experiment>[] = [
  { id: 'name', header: 'Experiment', value: (row) => row.name },
  { id: 'id', header: 'Id', value: (row) => Number(row.id), cell: (row) => row.id, isNumeric: true },
  { id: 'runs', header: 'Runs', value: () => null, cell: (row) => <RunCount experiment={row.id} />, isNumeric: true },
  { id: 'by', header: 'Created by', value: (row) => row.createdBy },
  {
    id: 'created',
    header: 'Created',
    value: (row) => row.createdAt,
    cell: (row) => (row.createdAt === 0 ? 'from the start' : <Age at={row.createdAt} />),
  },
  { id: 'project', header: 'Project', value: (row) => row.project, isHidden: true },
  { id: 'artifacts', header: 'Files below', value: (row) => row.artifactLocation, isWide: true },
];

const command = `import mlflow
mlflow.set_tracking_uri("${window.location.origin}")
mlflow.set_experiment("delays")`;

export function ExperimentsPage() {
  const url = useUrl();
  const lifecycle = url.get('lifecycle') === 'deleted' ? 'deleted' : 'active';
  const experiments = useQuery(read('tracking', 'listExperiments', { query: { limit: LISTED_MAX, lifecycle } }));
  return (
    <Page
      title="Experiments"
      actions={
        <Choice
          label="Lifecycle"
          options={[
            ['active', 'Active'],
            ['deleted', 'Deleted'],
          ]}
          value={lifecycle}
          onChange={(value) => url.set({ lifecycle: value === 'active' ? undefined : value })}
        />
      }
      lead="What was tried: runs with their params, metrics and files, as MLflow's clients log them."
    >
      <Load query={experiments}>
        {({ items, next }) => (
          <>
            {next ? <Partial>The newest {LISTED_MAX} experiments are listed.</Partial> : null}
            <DataTable
              label="experiments"
              rows={items}
              columns={columns}
              idOf={(row) => row.id}
              to={(row) => places.experiment(row.id)}
              empty={
                lifecycle === 'deleted' ? (
                  <Empty what="No experiment is deleted." />
                ) : (
                  <Empty what="No experiment yet. MLflow's clients make one:" command={command} />
                )
              }
            />
          </>
        )}
      </Load>
    </Page>
  );
}
