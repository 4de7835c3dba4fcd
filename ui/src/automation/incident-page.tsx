import { useQuery } from '@tanstack/react-query';
import type { IncidentView } from '#automation/contract';
import { kedge, read } from '../data/read.ts';
import { usePathParams } from '../data/use-params.ts';
import { Action } from '../kit/action.tsx';
import { Age, EventTime } from '../kit/age.tsx';
import { Id } from '../kit/copy.tsx';
import { Go } from '../kit/link.tsx';
import { Columns, Facts, Page, Section } from '../kit/page.tsx';
import { Empty, Load } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import { DataTable } from '../kit/table/data-table.tsx';
import { placeOfSubject, places } from '../places.ts';

const LISTED_MAX = 500;

export function IncidentPage() {
  const { incident: id } = usePathParams('incident');
  const incidents = useQuery(read('automation', 'listIncidents', { query: { limit: LISTED_MAX } }));
  const found = incidents.data?.items.find(({ incident }) => incident === id);
  return (
    <Page
      title={found?.title ?? 'Incident'}
      crumbs={[{ label: 'Automation', to: places.automation() }]}
      state={
        found ? (
          <>
            <StatusChip status={found.status} />
            <StatusChip status={found.severity} />
          </>
        ) : null
      }
      actions={found?.status === 'open' ? <ResolveButton incident={found} /> : null}
    >
      <Load query={incidents}>
        {() =>
          found ? <Detail incident={found} /> : <Empty what={`No incident ${id} among the newest ${LISTED_MAX}.`} />
        }
      </Load>
    </Page>
  );
}

function Detail({ incident }: { readonly incident: IncidentView }) {
  const to = placeOfSubject(incident.subject);
  return (
    <Columns
      facts={
        <Facts
          items={[
            ['Id', <Id key="id" value={incident.incident} />],
            [
              'About',
              to ? (
                <Go key="subject" to={to}>
                  {incident.subject}
                </Go>
              ) : (
                incident.subject
              ),
            ],
            ['Event time', <EventTime key="at" at={incident.at} />],
            ['Opened', <Age key="opened" at={incident.openedAt} />],
            ['Resolved', <Age key="resolved" at={incident.resolvedAt} />],
          ]}
        />
      }
    >
      <Section title="What to do">
        <p className="verdict">{incident.advice || 'Nothing is known that would help by itself.'}</p>
      </Section>
      <Section title="Facts" note="event time, UTC">
        {incident.facts.map(({ at, text }) => (
          <div key={`${at}-${text}`} className="decision">
            <EventTime at={at} />
            <p>{text}</p>
          </div>
        ))}
      </Section>
      <Section title="What was changed shortly before" note="from the audit log, wall time">
        <DataTable
          label="changes"
          isPlain
          rows={incident.changes.map((change, index) => ({ ...change, index }))}
          idOf={(row) => String(row.index)}
          empty={<Empty what="Nothing was changed by anyone." />}
          columns={[
            { id: 'at', header: 'When', value: (row) => row.at, cell: (row) => <Age at={row.at} /> },
            { id: 'actor', header: 'Who', value: (row) => row.actor },
            { id: 'action', header: 'What', value: (row) => row.action },
            { id: 'subject', header: 'Subject', value: (row) => row.subject },
          ]}
        />
      </Section>
    </Columns>
  );
}

function ResolveButton({ incident }: { readonly incident: IncidentView }) {
  return (
    <Action
      label="Resolve"
      kind="main"
      title="Resolve this incident?"
      effect={
        <p>
          Closes <strong>{incident.title}</strong>. It changes nothing else: a locked endpoint stays locked, an alert
          that fires goes on firing.
        </p>
      }
      confirm="Resolve"
      reason={{ label: 'What was done', lengthMin: 1 }}
      run={(note) => kedge.automation.resolveIncident({ params: { incident: incident.incident }, body: { note } })}
    />
  );
}
