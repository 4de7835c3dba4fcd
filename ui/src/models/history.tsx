import { useQuery } from '@tanstack/react-query';
import { read } from '../data/read.ts';
import { Age } from '../kit/age.tsx';
import { Id } from '../kit/copy.tsx';
import { Empty, Load, Partial } from '../kit/states.tsx';
import { DataTable } from '../kit/table/data-table.tsx';

const ENTRIES_MAX = 500;

interface HistoryProps {
  readonly model: string;
  /** Of one version; of the model when left out. */
  readonly version?: number;
}

/** Every change, from the audit log. */
export function History({ model, version }: HistoryProps) {
  const query = { limit: ENTRIES_MAX };
  const ofModel = useQuery({
    ...read('registry', 'modelHistory', { params: { model }, query }),
    enabled: version === undefined,
  });
  const ofVersion = useQuery({
    ...read('registry', 'versionHistory', { params: { model, version: version ?? 0 }, query }),
    enabled: version !== undefined,
  });
  return (
    <Load query={version === undefined ? ofModel : ofVersion}>
      {({ items, next }) => (
        <>
          {next ? <Partial>The newest {ENTRIES_MAX} changes are listed.</Partial> : null}
          <DataTable
            label="changes"
            name="history-"
            rows={items}
            idOf={(row) => String(row.seq)}
            empty={<Empty what="Nothing was changed." />}
            columns={[
              { id: 'seq', header: 'Audit entry', value: (row) => row.seq, isNumeric: true },
              { id: 'time', header: 'When', value: (row) => row.time, cell: (row) => <Age at={row.time} /> },
              { id: 'actor', header: 'Who', value: (row) => row.actor },
              { id: 'action', header: 'What', value: (row) => row.action },
              { id: 'detail', header: 'Detail', value: (row) => JSON.stringify(row.detail), isWide: true },
              { id: 'hash', header: 'Hash', value: (row) => row.hash, cell: (row) => <Id value={row.hash} /> },
            ]}
          />
        </>
      )}
    </Load>
  );
}
