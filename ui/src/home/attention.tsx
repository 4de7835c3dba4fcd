import { CircleCheck } from 'lucide-react';
import type { ReactNode } from 'react';
import type { IncidentView } from '#automation/contract';
import type { GateDecision } from '#governance/contract';
import type { EndpointView } from '#serving/contract';
import { UnlockButton } from '../endpoints/unlock-button.tsx';
import { askedFor } from '../governance/asked.ts';
import { Go } from '../kit/link.tsx';
import { lookOf } from '../kit/status.tsx';
import { places } from '../places.ts';

interface AttentionProps {
  readonly incidents: readonly IncidentView[];
  readonly endpoints: readonly EndpointView[];
  /** Newest first. */
  readonly gateDecisions: readonly GateDecision[];
}

interface Need {
  readonly id: string;
  readonly status: string;
  readonly sentence: ReactNode;
  readonly button: ReactNode;
}

/** What needs a person: each in one sentence with one button. */
export function Attention({ incidents, endpoints, gateDecisions }: AttentionProps) {
  const needs = [
    ...incidents.toSorted(bySeverity).map(incidentNeed),
    ...endpoints.filter(({ locked }) => locked).map(lockNeed),
    ...standingRefusals(gateDecisions).map(gateNeed),
  ];
  if (needs.length === 0) {
    return (
      <div className="notice" data-tone="ok">
        <CircleCheck size={16} aria-hidden />
        Nothing needs a person.
      </div>
    );
  }
  return needs.map(({ id, status, sentence, button }) => {
    const { icon: Icon, tone } = lookOf(status);
    return (
      <div key={id} className="notice" data-tone={tone}>
        <Icon size={16} aria-hidden />
        <div>{sentence}</div>
        {button}
      </div>
    );
  });
}

function bySeverity(a: IncidentView, b: IncidentView): number {
  return Number(b.severity === 'critical') - Number(a.severity === 'critical') || b.openedAt - a.openedAt;
}

function incidentNeed({ incident, severity, title }: IncidentView): Need {
  return {
    id: incident,
    status: severity,
    sentence: <strong>{title}</strong>,
    button: (
      <Go className="button" to={places.incident(incident)}>
        Look into it
      </Go>
    ),
  };
}

function lockNeed({ name, lockReason, current }: EndpointView): Need {
  return {
    id: `lock-${name}`,
    status: 'locked',
    sentence: (
      <>
        <Go to={places.endpoint(name)}>{name}</Go> is locked, and no version rolls out: {lockReason}
      </>
    ),
    button: <UnlockButton name={name} current={current?.revision ?? null} />,
  };
}

function gateNeed({ id, model, version, transition, target, missing }: GateDecision): Need {
  // An item names its requirement and, after a colon, what was found, which the decision's own page tells.
  const unmet = missing.map((item) => item.split(': ', 1)[0]);
  const what = askedFor(transition, target);
  return {
    id,
    status: 'refused',
    sentence: (
      <>
        <Go to={places.version(model, version)}>{`${model}@${version}`}</Go> may not {what}: {unmet.join(', ')}{' '}
        {unmet.length === 1 ? 'is' : 'are'} not met
      </>
    ),
    button: (
      <Go className="button" to={places.gateDecision(id)}>
        See the decision
      </Go>
    ),
  };
}

/** Refusals of the newest version that asked for a target: an older one does not matter any more. */
function standingRefusals(decisions: readonly GateDecision[]): readonly GateDecision[] {
  const newest = new Map<string, GateDecision>();
  for (const decision of decisions) {
    const key = `${decision.model} ${decision.transition} ${decision.target}`;
    const known = newest.get(key);
    const isNewer = !known || decision.version > known.version;
    if (isNewer || (decision.version === known.version && decision.at > known.at)) newest.set(key, decision);
  }
  return [...newest.values()].filter(({ allow }) => !allow);
}
