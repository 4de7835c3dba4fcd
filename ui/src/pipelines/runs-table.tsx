import type { RunView } from '#pipelines/contract';
import { useNow } from '../data/use-now.ts';
import { Age } from '../kit/age.tsx';
import { Empty } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';
import { causeOf, durationOf, durationText, paramsText } from './run-words.ts';

interface RunsTableProps {
  readonly runs: readonly RunView[];
  readonly name?: string;
  /** All runs are of one pipeline, which the page names already. */
  readonly isOfOne?: boolean;
}

export function RunsTable({ runs, name = '', isOfOne = false }: RunsTableProps) {
  return (
    <DataTable
      label="runs"
      name={name}
      rows={runs}
      columns={isOfOne ? ofOne : columns}
      idOf={(row) => row.run}
      to={(row) => places.run(row.run)}
      empty={<Empty what="No run yet." command="kedge run <pipeline>" />}
    />
  );
}

const columns: readonly Column<RunView>[] = [
  { id: 'run', header: 'Run', value: (row) => row.run, cell: (row) => <code>{shortRun(row.run)}</code> },
  { id: 'pipeline', header: 'Pipeline', value: (row) => row.pipeline },
  { id: 'status', header: 'Status', value: (row) => row.status, cell: (row) => <StatusChip status={row.status} /> },
  {
    id: 'cause',
    header: 'Started by',
    value: (row) => causeOf(row).short,
    cell: (row) => <span title={causeOf(row).text}>{causeOf(row).short}</span>,
  },
  { id: 'params', header: 'Parameters', value: (row) => paramsText(row.params), isWide: true },
  { id: 'reason', header: 'Reason', value: (row) => row.reason, isHidden: true },
  { id: 'seed', header: 'Seed', value: (row) => row.seed, isNumeric: true, isHidden: true },
  { id: 'created', header: 'Started', value: (row) => row.createdAt, cell: (row) => <Age at={row.createdAt} /> },
  {
    id: 'duration',
    header: 'Duration',
    value: (row) => (row.startedAt === null ? null : (row.finishedAt ?? row.startedAt) - row.startedAt),
    cell: (row) => <Duration run={row} />,
    isNumeric: true,
  },
];

const ofOne = columns.filter(({ id }) => id !== 'pipeline');

function Duration({ run }: { readonly run: RunView }) {
  return durationText(durationOf(run, useNow()));
}

const SHORT = 22;

function shortRun(run: string): string {
  return run.length > SHORT ? `${run.slice(0, SHORT)}…` : run;
}
