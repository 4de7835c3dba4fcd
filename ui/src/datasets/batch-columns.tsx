import type { BatchView } from '#datasets/contract';
import { Age } from '../kit/age.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';

export const batchColumns: readonly Column<BatchView>[] = [
  { id: 'batch', header: 'Batch', value: (row) => row.batch },
  { id: 'status', header: 'Status', value: (row) => row.status, cell: (row) => <StatusChip status={row.status} /> },
  { id: 'commit', header: 'Commit', value: (row) => row.commit, isNumeric: true },
  { id: 'rows', header: 'Rows', value: (row) => row.report.rows, isNumeric: true },
  { id: 'accepted', header: 'Accepted', value: (row) => row.report.accepted, isNumeric: true },
  { id: 'held', header: 'Held', value: (row) => row.report.held, isNumeric: true },
  { id: 'repaired', header: 'Repaired', value: repairedRows, isNumeric: true },
  { id: 'checks', header: 'Not passed', value: failedChecks, isWide: true },
  { id: 'received', header: 'Received', value: (row) => row.receivedAt, cell: (row) => <Age at={row.receivedAt} /> },
];

function repairedRows({ report }: BatchView): number {
  return report.repairs.reduce((sum, { rows }) => sum + rows, 0);
}

function failedChecks({ report }: BatchView): string {
  return report.checks
    .filter(({ outcome }) => outcome !== 'passed')
    .map(({ name }) => name)
    .join(', ');
}
