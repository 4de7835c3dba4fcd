import { useQuery } from '@tanstack/react-query';
import type { DecisionView, IncidentView, RuleSpec } from '#automation/contract';
import { read } from '../data/read.ts';
import { useUrl } from '../data/use-url.ts';
import { Age, EventTime } from '../kit/age.tsx';
import { Go } from '../kit/link.tsx';
import { Page } from '../kit/page.tsx';
import { Empty, Load } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { TabBar, useTab } from '../kit/tabs.tsx';
import { placeOfSubject, places } from '../places.ts';

const LISTED_MAX = 500;

export function AutomationPage() {
  const tab = useTab(['incidents', 'decisions', 'rules']);
  return (
    <Page title="Automation" lead="What the platform did by itself and why, and where it wants a person.">
      <TabBar
        tabs={[
          { id: 'incidents', label: 'Incidents' },
          { id: 'decisions', label: 'Decisions' },
          { id: 'rules', label: 'Rules' },
        ]}
        current={tab}
        drop={['q', 'sort', 'cols', 'rule']}
      />
      {tab === 'incidents' ? <Incidents /> : null}
      {tab === 'decisions' ? <Decisions /> : null}
      {tab === 'rules' ? <Rules /> : null}
    </Page>
  );
}

const incidentColumns: readonly Column<IncidentView>[] = [
  { id: 'title', header: 'Incident', value: (row) => row.title, isWide: true },
  { id: 'status', header: 'Status', value: (row) => row.status, cell: (row) => <StatusChip status={row.status} /> },
  {
    id: 'severity',
    header: 'Severity',
    value: (row) => row.severity,
    cell: (row) => <StatusChip status={row.severity} />,
  },
  {
    id: 'subject',
    header: 'About',
    value: (row) => row.subject,
    cell: (row) => <SubjectLink subject={row.subject} />,
  },
  { id: 'at', header: 'Event time (UTC)', value: (row) => row.at, cell: (row) => <EventTime at={row.at} /> },
  { id: 'opened', header: 'Opened', value: (row) => row.openedAt, cell: (row) => <Age at={row.openedAt} /> },
  { id: 'resolved', header: 'Resolved', value: (row) => row.resolvedAt, cell: (row) => <Age at={row.resolvedAt} /> },
];

function SubjectLink({ subject }: { readonly subject: string }) {
  const to = placeOfSubject(subject);
  return to ? <Go to={to}>{subject}</Go> : subject;
}

function Incidents() {
  const incidents = useQuery(read('automation', 'listIncidents', { query: { limit: LISTED_MAX } }));
  return (
    <Load query={incidents}>
      {({ items }) => (
        <DataTable
          label="incidents"
          rows={items}
          columns={incidentColumns}
          idOf={(row) => row.incident}
          to={(row) => places.incident(row.incident)}
          empty={<Empty what="No incident was ever opened." />}
        />
      )}
    </Load>
  );
}

const decisionColumns: readonly Column<DecisionView>[] = [
  { id: 'rule', header: 'Rule', value: (row) => row.rule },
  { id: 'outcome', header: 'Outcome', value: (row) => row.outcome, cell: (row) => <StatusChip status={row.outcome} /> },
  { id: 'reason', header: 'Reason', value: (row) => row.reason, isWide: true },
  {
    id: 'run',
    header: 'Run',
    value: (row) => row.run,
    cell: (row) => (row.run ? <Go to={places.run(row.run)}>{row.run}</Go> : '–'),
  },
  { id: 'at', header: 'Event time (UTC)', value: (row) => row.at, cell: (row) => <EventTime at={row.at} /> },
];

function Decisions() {
  const rule = useUrl().get('rule');
  const decisions = useQuery(read('automation', 'listDecisions', { query: { limit: LISTED_MAX, rule } }));
  return (
    <Load query={decisions}>
      {({ items }) => (
        <DataTable
          label="decisions"
          rows={items}
          columns={decisionColumns}
          idOf={(row) => row.decision}
          empty={<Empty what="No rule has decided anything yet: none of the alerts they listen to has fired." />}
        />
      )}
    </Load>
  );
}

function Rules() {
  const rules = useQuery(read('resources', 'listResources', { query: { kind: 'rule' } }));
  return (
    <Load query={rules}>
      {({ items }) => (
        <DataTable
          label="rules"
          rows={items.map(({ name, spec }) => ({ name, spec: spec as RuleSpec }))}
          idOf={(row) => row.name}
          to={(row) => places.automation({ tab: 'decisions', rule: row.name })}
          empty={
            <Empty
              what="No rule is declared."
              command="kedge apply kedge.ts   # with rule('retrain', { on: {…}, run: {…} }) in it"
            />
          }
          columns={[
            { id: 'name', header: 'Rule', value: (row) => row.name },
            { id: 'on', header: 'When', value: (row) => `${row.spec.on.monitor}/${row.spec.on.alert} fires` },
            { id: 'run', header: 'Runs', value: (row) => row.spec.run.pipeline },
            { id: 'debounce', header: 'After', value: (row) => row.spec.debounce },
            { id: 'cooldown', header: 'Cools down', value: (row) => row.spec.cooldown },
            { id: 'budget', header: 'Budget', value: (row) => `${row.spec.budget.firings} in ${row.spec.budget.per}` },
            { id: 'depth', header: 'Steps from a person, at most', value: (row) => row.spec.depthMax, isNumeric: true },
            { id: 'enabled', header: 'On', value: (row) => (row.spec.enabled ? 'yes' : 'no') },
          ]}
        />
      )}
    </Load>
  );
}
