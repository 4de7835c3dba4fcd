import type { GateDecision } from '#governance/contract';
import { Age } from '../kit/age.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';
import { askedFor } from './asked.ts';

export const gateColumns: readonly Column<GateDecision>[] = [
  {
    id: 'what',
    header: 'Asked to',
    value: ({ transition, target }) => askedFor(transition, target),
  },
  { id: 'version', header: 'Version', value: (row) => `${row.model}@${row.version}` },
  {
    id: 'answer',
    header: 'Answer',
    value: (row) => (row.allow ? 'allowed' : 'refused'),
    cell: (row) => <StatusChip status={row.allow ? 'allowed' : 'refused'} />,
  },
  { id: 'missing', header: 'Missing', value: (row) => row.missing.join(', ') || null, isWide: true },
  { id: 'policies', header: 'Policies', value: (row) => row.policies.map(({ name }) => name).join(', ') || 'none' },
  { id: 'actor', header: 'Asked by', value: (row) => row.actor },
  { id: 'at', header: 'When', value: (row) => row.at, cell: (row) => <Age at={row.at} /> },
];
