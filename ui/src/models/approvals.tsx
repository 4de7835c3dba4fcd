import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { ApprovalRequest } from '#governance/contract';
import { kedge, read } from '../data/read.ts';
import { Action } from '../kit/action.tsx';
import { Age } from '../kit/age.tsx';
import { Id } from '../kit/copy.tsx';
import { Go } from '../kit/link.tsx';
import { Section } from '../kit/page.tsx';
import { Empty, Load, Partial } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import { places } from '../places.ts';
import { useSelf } from '../session/self.ts';
import { DecideAction } from './decide-action.tsx';

const LISTED_MAX = 200;

interface ApprovalsProps {
  /** Requests of one version; of all when left out. */
  readonly of?: { readonly model: string; readonly version: number };
  readonly aside?: ReactNode;
}

/** Who asked for what, what each person said to it with which key, and the way to say something oneself. */
export function Approvals({ of, aside }: ApprovalsProps) {
  const requests = useQuery(read('governance', 'listApprovalRequests', { query: { ...of, limit: LISTED_MAX } }));
  return (
    <Section title="Approvals" note="signed by each approver, who is never the one that made the version" aside={aside}>
      <Load query={requests}>
        {({ items, next }) => (
          <>
            {next ? <Partial>The newest {LISTED_MAX} requests are listed.</Partial> : null}
            {items.length === 0 ? <Empty what="Nobody has asked for an approval." /> : null}
            <ol className="requests">
              {items.map((request) => (
                <Request key={request.id} request={request} isNamed={of === undefined} />
              ))}
            </ol>
          </>
        )}
      </Load>
    </Section>
  );
}

interface RequestProps {
  readonly request: ApprovalRequest;
  /** Whether it says which version it is about. */
  readonly isNamed: boolean;
}

function Request({ request, isNamed }: RequestProps) {
  const { model, version, transition, target, status, needed, requestedBy, requestedAt, reason, decisions } = request;
  const approved = decisions.filter(({ decision }) => decision === 'approved').length;
  const where = transition === 'alias' ? `@${target}` : target;
  return (
    <li className="request">
      <div className="request-head">
        <StatusChip status={status === 'pending' ? 'waiting' : status} />
        <span>
          {isNamed ? <Go to={places.version(model, version)}>{`${model}@${version}`}</Go> : null} for{' '}
          <strong>{where}</strong>, {approved} of {needed} {needed === 1 ? 'approval' : 'approvals'}
        </span>
        <span className="muted">
          asked by {requestedBy}, <Age at={requestedAt} />
        </span>
        {status === 'pending' ? <RequestActions request={request} /> : null}
      </div>
      {reason ? <p>{reason}</p> : null}
      {decisions.map((decision) => (
        <div key={`${decision.approver}:${decision.at}`} className="request-decision">
          <StatusChip status={decision.decision} />
          <span>
            <strong>{decision.approver}</strong>: {decision.reason}
          </span>
          <span className="muted">
            <Age at={decision.at} />, signed with <Id value={decision.key} />
          </span>
        </div>
      ))}
    </li>
  );
}

/** Whoever asked can take it back, and never decides; the others decide whose role lets them. */
function RequestActions({ request }: Pick<RequestProps, 'request'>) {
  const self = useSelf();
  if (!self) return null;
  if (self.actor === request.requestedBy) {
    return (
      <span className="request-actions">
        <Withdraw id={request.id} />
      </span>
    );
  }
  if (!self.mayDecide) return <span className="muted">an approver decides</span>;
  return (
    <span className="request-actions">
      <DecideAction request={request} decision="rejected" />
      <DecideAction request={request} decision="approved" />
    </span>
  );
}

function Withdraw({ id }: { readonly id: string }) {
  return (
    <Action
      label="Withdraw"
      title="Withdraw this request?"
      effect={<p>Nobody decides about it any more. Only who asked can take it back.</p>}
      confirm="Withdraw"
      run={() => kedge.governance.withdrawApproval({ params: { request: id } })}
    />
  );
}
