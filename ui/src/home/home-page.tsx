import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { read } from '../data/read.ts';
import { Go } from '../kit/link.tsx';
import { Page, Section } from '../kit/page.tsx';
import { Empty, Failure, Load, Loading, Partial } from '../kit/states.tsx';
import { Timeline } from '../kit/timeline.tsx';
import { places } from '../places.ts';
import { Attention } from './attention.tsx';
import { Loop } from './loop.tsx';
import { recentItems } from './recent.ts';
import { useLoop } from './use-loop.ts';

const GATE_DECISIONS = 50;
const SHOWN = 40;

/** The loop itself: what needs a person, the state of every part, and what happened last. */
export function HomePage() {
  const { nodes, events, resources } = useLoop();
  if (resources.error && !resources.data) {
    return (
      <Page title="Home">
        <Failure error={resources.error} retry={() => void resources.refetch()} />
      </Page>
    );
  }
  const isEmpty = resources.data?.items.length === 0;
  return (
    <Page title="Home">
      <Needs />
      <Section title="The loop" note="ages are wall time; dates of data are event time, UTC">
        {isEmpty ? (
          <Empty
            what="Nothing is declared yet. The demo builds the loop on real flights and replays half a year."
            command="npm run demo"
          />
        ) : (
          <Loop nodes={nodes} />
        )}
      </Section>
      <Section title="What happened" note="newest first, wall time" aside={<Go to={places.audit()}>Audit log</Go>}>
        <Load query={events} loading={<Loading rows={10} />}>
          {({ items }) => <Recent items={items} />}
        </Load>
      </Section>
    </Page>
  );
}

function Recent({ items }: { readonly items: Parameters<typeof recentItems>[0] }) {
  const told = useMemo(() => recentItems(items).slice(0, SHOWN), [items]);
  return told.length > 0 ? <Timeline items={told} /> : <Empty what="Nothing has happened yet." />;
}

function Needs() {
  const incidents = useQuery(read('automation', 'listIncidents', { query: { status: 'open' } }));
  const endpoints = useQuery(read('serving', 'listEndpoints'));
  const gate = useQuery(read('governance', 'listGateDecisions', { query: { limit: GATE_DECISIONS } }));
  const asked = [incidents, endpoints, gate];
  const failed = asked.find(({ error, data }) => error && !data);
  if (asked.some(({ isPending }) => isPending) && !failed) return <Loading rows={1} height={38} />;
  return (
    <section aria-label="What needs a person" style={{ marginBottom: 24 }}>
      {failed?.error ? <Partial>Not everything that may need a person is known: {failed.error.message}</Partial> : null}
      <Attention
        incidents={incidents.data?.items ?? []}
        endpoints={endpoints.data?.items ?? []}
        gateDecisions={gate.data?.items ?? []}
      />
    </section>
  );
}
