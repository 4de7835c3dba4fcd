import { useQuery } from '@tanstack/react-query';
import type { GatePolicySpec, Requirement } from '#governance/contract';
import { read } from '../data/read.ts';
import { Age } from '../kit/age.tsx';
import { Page } from '../kit/page.tsx';
import { Empty, Load, Partial } from '../kit/states.tsx';
import { DataTable } from '../kit/table/data-table.tsx';
import { TabBar, useTab } from '../kit/tabs.tsx';
import { Approvals } from '../models/approvals.tsx';
import { places } from '../places.ts';
import { gateColumns } from './gate-columns.tsx';

const LISTED_MAX = 500;

export function GovernancePage() {
  const tab = useTab(['decisions', 'approvals', 'policies', 'waivers']);
  return (
    <Page title="Governance" lead="What a version must show before it serves anyone, and what the gate answered.">
      <TabBar
        tabs={[
          { id: 'decisions', label: 'Gate decisions' },
          { id: 'approvals', label: 'Approvals' },
          { id: 'policies', label: 'Policies' },
          { id: 'waivers', label: 'Waivers' },
        ]}
        current={tab}
        drop={['q', 'sort', 'cols']}
      />
      {tab === 'decisions' ? <Decisions /> : null}
      {tab === 'approvals' ? <Approvals /> : null}
      {tab === 'policies' ? <Policies /> : null}
      {tab === 'waivers' ? <Waivers /> : null}
    </Page>
  );
}

function Decisions() {
  const decisions = useQuery(read('governance', 'listGateDecisions', { query: { limit: LISTED_MAX } }));
  return (
    <Load query={decisions}>
      {({ items, next }) => (
        <>
          {next ? <Partial>The newest {LISTED_MAX} decisions are listed.</Partial> : null}
          <DataTable
            label="gate decisions"
            rows={items}
            columns={gateColumns}
            idOf={(row) => row.id}
            to={(row) => places.gateDecision(row.id)}
            empty={<Empty what="The gate has not been asked yet. It is when a version wants to serve." />}
          />
        </>
      )}
    </Load>
  );
}

function Policies() {
  const policies = useQuery(read('resources', 'listResources', { query: { kind: 'gate-policy' } }));
  return (
    <Load query={policies}>
      {({ items }) => (
        <DataTable
          label="policies"
          rows={items.map((item) => ({
            name: item.name,
            updatedAt: item.updatedAt,
            spec: item.spec as GatePolicySpec,
          }))}
          idOf={(row) => row.name}
          empty={
            <Empty
              what="No policy is declared: every version may serve."
              command="kedge apply kedge.ts   # with gatePolicy('production', { model, transitions, require }) in it"
            />
          }
          columns={[
            { id: 'name', header: 'Policy', value: (row) => row.name },
            { id: 'model', header: 'Model', value: (row) => row.spec.model },
            { id: 'transitions', header: 'Asked to', value: (row) => row.spec.transitions.join(', ') },
            {
              id: 'require',
              header: 'Requires',
              value: (row) => row.spec.require.map(textOf).join('; '),
              isWide: true,
            },
            { id: 'waivable', header: 'Waivable', value: (row) => (row.spec.waivable ? 'yes' : 'no') },
            {
              id: 'updated',
              header: 'Declared',
              value: (row) => row.updatedAt,
              cell: (row) => <Age at={row.updatedAt} />,
            },
          ]}
        />
      )}
    </Load>
  );
}

function textOf(requirement: Requirement): string {
  if ('approvals' in requirement) {
    const count = requirement.approvals === 1 ? '1 approval' : `${requirement.approvals} approvals`;
    return requirement.independent ? `${count} by others than its makers` : count;
  }
  const { metric, evidence, passed } = requirement;
  if (!metric) return `${evidence}${passed ? ' passed' : ''}`;
  const bounds = [
    metric.atLeast === undefined ? '' : `at least ${metric.atLeast}`,
    metric.atMost === undefined ? '' : `at most ${metric.atMost}`,
  ];
  return `${evidence}: ${metric.name} ${bounds.filter(Boolean).join(', ')}`;
}

function Waivers() {
  const waivers = useQuery(read('governance', 'listGateWaivers', { query: { limit: LISTED_MAX } }));
  return (
    <Load query={waivers}>
      {({ items }) => (
        <DataTable
          label="waivers"
          rows={items}
          idOf={(row) => row.id}
          to={(row) => places.version(row.model, row.version)}
          empty={<Empty what="Nothing was waived." />}
          columns={[
            { id: 'version', header: 'Version', value: (row) => `${row.model}@${row.version}` },
            { id: 'target', header: 'For', value: (row) => `${row.transition} ${row.target}` },
            { id: 'items', header: 'Waived', value: (row) => row.items.join(', ') },
            { id: 'reason', header: 'Reason', value: (row) => row.reason, isWide: true },
            { id: 'by', header: 'By', value: (row) => row.by },
            { id: 'at', header: 'When', value: (row) => row.at, cell: (row) => <Age at={row.at} /> },
            { id: 'revoked', header: 'Revoked by', value: (row) => row.revokedBy },
          ]}
        />
      )}
    </Load>
  );
}
