import { useQuery } from '@tanstack/react-query';
import { read } from '../data/read.ts';
import { gateColumns } from '../governance/gate-columns.tsx';
import { Section } from '../kit/page.tsx';
import { Empty, Load } from '../kit/states.tsx';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';

/** What the gate answered when this version asked. */
export function GateAnswers({ model, version }: { readonly model: string; readonly version: number }) {
  const decisions = useQuery(read('governance', 'listGateDecisions', { query: { model, version } }));
  return (
    <Section title="What the gate answered" note="each time it was asked">
      <Load query={decisions}>
        {({ items }) => (
          <DataTable
            label="gate decisions"
            isPlain
            rows={items}
            columns={gateColumns.filter(({ id }) => id !== 'version')}
            idOf={(row) => row.id}
            to={(row) => places.gateDecision(row.id)}
            empty={<Empty what="The gate was not asked about this version." />}
          />
        )}
      </Load>
    </Section>
  );
}
