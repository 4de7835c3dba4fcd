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
  const after: Rollout = { ...rollout, state, finishedAt: isFinal(state.stage) ? tx.now : null };
  await updateRollout(tx.db, after);
  if (!decision) return after;
  await recordDecision(tx, after, { decision, by });
  if (decision.to === 'completed') await makeCurrent(tx, after, alias);
  if (decision.to === 'rolled-back') {
    await updateEndpoint(tx.db, rollout.endpoint, { lock: lockReason(rollout, decision) });
    await writeBundle(tx, { rollout: after, decision, by, odd, logs });
  }
  await changeRouting(tx);
  return after;
}

export async function recordDecision(
  tx: Tx,
  rollout: Rollout,
  { decision, by }: { readonly decision: Decision; readonly by: string },
): Promise<void> {
  const { id, endpoint, model, current, candidate } = rollout;
  const { from, to, weight, at, sentence, figures, findings, checks } = decision;
  const view = {
    at: at ?? tx.now,
    decidedAt: tx.now,
    from,
    to,
    weight,
    by,
    sentence,
    figures,
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

function lockReason({ candidate }: Rollout, { sentence }: Decision): string {
  return `Version ${candidate} was rolled back. ${sentence}`;
}
