import type { Json } from '#core/json';
import type { Tx } from '#platform/db';
import { currentChanged, rolloutAdvanced, rolloutFinished, routingChanged } from './events.ts';
import type { LogLine, OddRequest } from './live/observation.ts';
import { writeBundle } from './live/write-bundle.ts';
import { type Decision, isFinal, type Outcome } from './model.ts';
import { insertDecision, nextRoutingVersion, type Rollout, updateEndpoint, updateRollout } from './store.ts';

export const endpointSubject = (name: string): string => `endpoint/${name}`;

export interface Change {
  readonly rollout: Rollout;
  readonly outcome: Outcome;
  readonly by: string;
  readonly alias: string;
  /** Requests that show what a guardrail saw. */
  readonly odd?: readonly OddRequest[] | undefined;
  /** What the gateway that saw it warned of. */
  readonly logs?: readonly LogLine[] | undefined;
}

/** Writes what the state machine decided, with all that follows from it: routing, lock, events and audit. */
export async function applyOutcome(
  tx: Tx,
  { rollout, outcome, by, alias, odd = [], logs = [] }: Change,
): Promise<Rollout> {
  const { state, decision } = outcome;
  const candidate = standsFor(rollout, outcome);
  const after: Rollout = { ...rollout, candidate, state, finishedAt: isFinal(state.stage) ? tx.now : null };
  await updateRollout(tx.db, after);
  if (!decision) return after;
  await recordDecision(tx, after, { decision, by });
  if (decision.to === 'completed') await makeCurrent(tx, after, alias);
  if (decision.to === 'rolled-back') {
    await updateEndpoint(tx.db, rollout.endpoint, { lock: lockReason(after, decision) });
    await writeBundle(tx, { rollout: after, decision, by, odd, logs });
  }
  await changeRouting(tx);
  return after;
}

/** Of several candidates, the version that is promoted or was taken out last; else the one there is. */
function standsFor({ plan, candidate }: Rollout, { state }: Outcome): number {
  const lead = state.live?.arms?.lead;
  return plan.live?.arms?.find(({ name }) => name === lead)?.version ?? candidate;
}

export async function recordDecision(
  tx: Tx,
  rollout: Rollout,
  { decision, by }: { readonly decision: Decision; readonly by: string },
): Promise<void> {
  const { id, endpoint, model, current, candidate } = rollout;
  const { from, to, weight, at, sentence, arm, figures, findings, checks } = decision;
  const view = {
    at: at ?? tx.now,
    decidedAt: tx.now,
    from,
    to,
    weight,
    by,
    sentence,
    figures,
    ...(arm === undefined ? {} : { arm }),
    ...(findings ? { findings: [...findings] } : {}),
    ...(checks ? { checks: [...checks] } : {}),
  };
  await insertDecision(tx.db, id, view);
  const subject = endpointSubject(endpoint);
  const detail: Json = { rollout: id, candidate, from, to, weight, sentence };
  if (isFinal(to)) {
    const data = { rollout: id, endpoint, model, current, candidate, from, outcome: to, sentence, at };
    tx.emit(rolloutFinished.draft(subject, data));
  } else {
    tx.emit(rolloutAdvanced.draft(subject, { rollout: id, endpoint, from, to, weight, sentence }));
  }
  tx.audit(subject, detail);
}

/** Makes the rollout's version the current revision of its endpoint. */
export async function makeCurrent(tx: Tx, rollout: Rollout, alias: string): Promise<void> {
  const { id, endpoint, model, candidate } = rollout;
  await updateEndpoint(tx.db, endpoint, { current: { version: candidate, since: tx.now } });
  tx.emit(currentChanged.draft(endpointSubject(endpoint), { rollout: id, endpoint, model, version: candidate, alias }));
}

/** Publishes that gateways have a new routing table to fetch. */
export async function changeRouting(tx: Pick<Tx, 'db' | 'emit'>): Promise<void> {
  const version = await nextRoutingVersion(tx.db);
  tx.emit(routingChanged.draft('routing', { version }));
}

function lockReason({ candidate, plan }: Rollout, { sentence }: Decision): string {
  if (plan.live?.arms) return `Its ${plan.live.arms.length} candidates were rolled back. ${sentence}`;
  return `Version ${candidate} was rolled back. ${sentence}`;
}
