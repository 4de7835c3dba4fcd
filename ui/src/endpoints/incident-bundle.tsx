import { useQuery } from '@tanstack/react-query';
import type { Kedge } from '#client';
import { formatNumber } from '../data/format.ts';
import { read } from '../data/read.ts';
import { Age, EventTime } from '../kit/age.tsx';
import { CodeBlock, Id } from '../kit/copy.tsx';
import { Facts, Section } from '../kit/page.tsx';
import { Load, Loading } from '../kit/states.tsx';
import { DataTable } from '../kit/table/data-table.tsx';

type Bundle = Awaited<ReturnType<Kedge['serving']['getIncidentBundle']>>['bundle'];

/** What was written down at a rollback, for the post-mortem. */
export function IncidentBundle({ rollout }: { readonly rollout: string }) {
  const bundle = useQuery(read('serving', 'getIncidentBundle', { params: { rollout } }));
  return (
    <Load query={bundle} loading={<Loading rows={9} />}>
      {(found) => <Shown {...found} />}
    </Load>
  );
}

function Shown({ bundle, digest }: { readonly bundle: Bundle; readonly digest: string }) {
  return (
    <>
      <Section
        title="Incident bundle"
        note={
          <>
            written <Age at={bundle.at} />
          </>
        }
        aside={<Id value={digest} />}
      >
        <p className="verdict">{bundle.advice}</p>
        {bundle.rollForward?.offered ? (
          <CodeBlock text={`kedge rollouts forward ${bundle.rollout} <version> --reason '…'`} />
        ) : null}
        <Facts items={differences(bundle)} />
      </Section>
      <Section title="Requests" note="that failed, were slow, or were decided differently">
        <DataTable
          label="requests"
          name="odd-"
          rows={bundle.requests}
          idOf={(row) => `${row.id}-${row.kind}`}
          columns={[
            { id: 'id', header: 'Prediction', value: (row) => row.id, cell: (row) => <Id value={row.id} /> },
            { id: 'kind', header: 'What', value: (row) => row.kind },
            { id: 'current', header: 'Current', value: (row) => row.currentScore, isNumeric: true },
            { id: 'candidate', header: 'Candidate', value: (row) => row.candidateScore, isNumeric: true },
            { id: 'latency', header: 'ms', value: (row) => row.latencyMs, isNumeric: true },
            { id: 'text', header: 'Said', value: (row) => row.text, isWide: true },
          ]}
        />
      </Section>
      <Section title="Log" note="warnings of the gateways">
        {bundle.logs.length === 0 ? <p className="muted">No gateway warned of anything.</p> : null}
        {bundle.logs.map((line) => (
          <p key={`${line.source}-${line.at}-${line.text}`} className="log-line">
            <EventTime at={line.at} /> <b>{line.level}</b> {line.text}
          </p>
        ))}
      </Section>
    </>
  );
}

function differences({ difference, routing, current, candidate }: Bundle) {
  const names = (all: readonly string[]) => (all.length === 0 ? 'none' : all.join(', '));
  const shares = routing.map(({ weight, stage }) => `${stage} ${formatNumber(weight)} %`).join(' → ');
  return [
    ['Revisions', `${current?.revision ?? '–'} and ${candidate?.revision ?? '–'}`],
    ['Routing', shares],
    ['Inputs that are new', names(difference?.inputsAdded ?? [])],
    ['Inputs no longer taken', names(difference?.inputsRemoved ?? [])],
    ['Inputs of another kind', names(difference?.inputsChanged ?? [])],
    ['Output', difference?.outputChanged ? 'another' : 'the same'],
    ['File', difference?.sameFile ? 'the same' : 'another'],
  ] as const;
}
