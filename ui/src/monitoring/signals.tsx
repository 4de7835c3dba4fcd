import { useQuery } from '@tanstack/react-query';
import type { SignalView } from '#monitoring/contract';
import { read } from '../data/read.ts';
import { EventTime } from '../kit/age.tsx';
import { Empty, Load, Partial } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';

const LISTED_MAX = 1_000;

const columns: readonly Column<SignalView>[] = [
  { id: 'alert', header: 'Alert', value: (row) => row.alert },
  { id: 'state', header: 'State', value: (row) => row.state, cell: (row) => <StatusChip status={row.state} /> },
  { id: 'at', header: 'Event time (UTC)', value: (row) => row.at, cell: (row) => <EventTime at={row.at} /> },
  { id: 'metric', header: 'Figure', value: (row) => (row.feature ? `${row.metric} of ${row.feature}` : row.metric) },
  { id: 'value', header: 'Value', value: (row) => row.value, isNumeric: true },
  { id: 'threshold', header: 'Limit', value: (row) => row.threshold, isNumeric: true },
  { id: 'windows', header: 'Windows beyond', value: beyondText, isNumeric: true },
  {
    id: 'sentence',
    header: 'In words',
    value: (row) => row.sentence,
    isWide: true,
  },
  { id: 'monitor', header: 'Monitor', value: (row) => row.monitor },
];

function beyondText({ windows }: SignalView): string {
  return `${windows.filter(({ beyond }) => beyond).length} of ${windows.length}`;
}

export function Signals({ endpoint }: { readonly endpoint: string }) {
  const signals = useQuery(read('monitoring', 'listSignals', { query: { endpoint, limit: LISTED_MAX } }));
  return (
    <Load query={signals}>
      {({ items }) => (
        <>
          {items.length === LISTED_MAX ? <Partial>The newest {LISTED_MAX} signals are listed.</Partial> : null}
          <DataTable
            label="signals"
            rows={items}
            columns={columns}
            idOf={(row) => `${row.monitor} ${row.alert} ${row.at} ${row.state}`}
            to={placeOfSignal}
            empty={<Empty what="No alert has fired here." />}
          />
        </>
      )}
    </Load>
  );
}

/** The figures that the signal was raised on. */
function placeOfSignal({ endpoint, monitor, feature, windows }: SignalView): string {
  return feature
    ? places.monitored(endpoint, { tab: 'drift', monitor, feature, window: windows.at(-1)?.start })
    : places.monitored(endpoint, { monitor });
}
