import { useQuery } from '@tanstack/react-query';
import type { GateDecision } from '#governance/contract';
import { read } from '../data/read.ts';
import { usePathParams } from '../data/use-params.ts';
import { Age } from '../kit/age.tsx';
import { type Check, Checklist } from '../kit/checklist.tsx';
import { Id } from '../kit/copy.tsx';
import { Go } from '../kit/link.tsx';
import { Columns, Facts, Page, Section } from '../kit/page.tsx';
import { Load } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import { placeOfSubject, places } from '../places.ts';
import { askedFor } from './asked.ts';

export function GateDecisionPage() {
  const { decision: id } = usePathParams('decision');
  const decision = useQuery(read('governance', 'getGateDecision', { params: { decision: id } }));
  const data = decision.data;
  return (
    <Page
      title={data ? `${data.model}@${data.version} to ${askedFor(data.transition, data.target)}` : 'Gate decision'}
      crumbs={[{ label: 'Governance', to: places.governance() }]}
      state={data ? <StatusChip status={data.allow ? 'allowed' : 'refused'} /> : null}
    >
      <Load query={decision}>{(view) => <Detail decision={view} />}</Load>
    </Page>
  );
}

function Detail({ decision }: { readonly decision: GateDecision }) {
  const { allow, missing, satisfied, waivers, policies, cause } = decision;
  const checks: Check[] = [
    ...missing.map((item) => itemCheck(item, 'missing')),
    ...satisfied.map((item) => itemCheck(item, 'passed')),
  ];
  const causePlace = cause ? placeOfSubject(cause.id) : undefined;
  return (
    <Columns
      facts={
        <Facts
          items={[
            [
              'Version',
              <Go
                key="v"
                to={places.version(decision.model, decision.version)}
              >{`${decision.model}@${decision.version}`}</Go>,
            ],
            ['Asked by', decision.actor],
            [
              'Cause',
              cause ? (
                causePlace ? (
                  <Go key="c" to={causePlace}>
                    {cause.id}
                  </Go>
                ) : (
                  cause.id
                )
              ) : (
                '–'
              ),
            ],
            ['When', <Age key="at" at={decision.at} />],
            [
              'Policies',
              policies.map(({ name, generation }) => `${name} (generation ${generation})`).join(', ') || 'none applied',
            ],
            ['Evidence', <Id key="evidence" value={decision.evidenceDigest} />],
          ]}
        />
      }
    >
      <p className="verdict">{sentenceOf(allow, missing, policies.length)}</p>
      <Section title="Requirements" note="as the policies stood then">
        {checks.length > 0 ? <Checklist checks={checks} /> : <p className="muted">Nothing was required.</p>}
      </Section>
      {waivers.length > 0 ? (
        <Section title="Waivers in force">
          <p>{waivers.join(', ')}</p>
        </Section>
      ) : null}
    </Columns>
  );
}

/** An item is told as its requirement and, after a colon, what was found. */
function itemCheck(item: string, status: 'missing' | 'passed'): Check {
  const colon = item.indexOf(': ');
  const id = `${status} ${item}`;
  if (colon < 0) return { id, label: item, status };
  return { id, label: item.slice(0, colon), status, summary: item.slice(colon + 2) };
}

function sentenceOf(allow: boolean, missing: readonly string[], policies: number): string {
  if (!allow) {
    return `Refused: ${missing.length === 1 ? 'one requirement is' : `${missing.length} requirements are`} not met.`;
  }
  return policies === 0 ? 'Allowed: no policy applied.' : 'Allowed: every requirement was met or waived.';
}
