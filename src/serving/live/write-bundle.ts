import { digestOf } from '#core/hash';
import type { Tx } from '#platform/db';
import type { Decision } from '../model.ts';
import { findEndpoint, findRevision, listBlocks, listDecisions, type Rollout } from '../store.ts';
import { differenceOf, type IncidentBundle, requestsOf } from './bundle.ts';
import { findingsOf } from './evidence.ts';
import { LATENCY_FLOOR_MS, type LogLine, type Observation, type OddRequest } from './observation.ts';
import { insertBundle, listObservations } from './store.ts';

const BLOCKS_KEPT = 200;
const LABEL_HOURS_KEPT = 168;
const LOGS_KEPT = 200;

interface RolledBack {
  readonly rollout: Rollout;
  readonly decision: Decision;
  readonly by: string;
  /** Requests that came with the report that rolled it back. */
  readonly odd: readonly OddRequest[];
  /** Lines that came with it. */
  readonly logs: readonly LogLine[];
}

/** Writes down, within the transaction of a rollback, what is known of it. */
export async function writeBundle(tx: Tx, { rollout, decision, by, odd, logs }: RolledBack): Promise<void> {
  const { id, endpoint, model, plan, state, startedAt } = rollout;
  const observations = await listObservations(tx.db, id, BLOCKS_KEPT);
  const decisions = await listDecisions(tx.db, id);
  const current = rollout.current === null ? undefined : await findRevision(tx.db, model, rollout.current);
  const candidate = await findRevision(tx.db, model, rollout.candidate);
  const rollForward = await forwardFor(tx, rollout, observations);
  const bundle: IncidentBundle = {
    ...{ rollout: id, endpoint, at: tx.now, by, sentence: decision.sentence },
    strategy: plan.live?.strategy ?? 'paired',
    current: current ?? null,
    candidate: candidate ?? null,
    difference: current && candidate ? differenceOf(current, candidate) : null,
    advice: rollForward.offered ? forwardAdvice(rollForward.because) : 'Find the cause, then unlock the endpoint.',
    rollForward,
    logs: [
      ...observations.flatMap((seen) => (seen.logs ?? []).map((line) => ({ ...line, source: seen.source }))),
      ...logs.map((line) => ({ ...line, source: by })),
    ].slice(-LOGS_KEPT),
    findings: state.live && plan.live ? findingsOf(state.live.evidence, plan.live).map((one) => ({ ...one })) : [],
    routing: [
      { at: startedAt, weight: startWeight(rollout, decisions), stage: 'started', by: '', sentence: 'It began.' },
      ...decisions.map(({ decidedAt, weight, to, sentence, ...rest }) => ({
        ...{ at: decidedAt, weight, stage: to, by: rest.by, sentence },
      })),
    ],
    traffic: observations.map(({ odd: _odd, logs: _logs, ...seen }) => seen),
    requests: requestsOf(observations, odd),
    labels: (await listBlocks(tx.db, id)).slice(-LABEL_HOURS_KEPT).map((block) => ({ ...block })),
  };
  const text = JSON.stringify(bundle);
  await insertBundle(tx.db, { rollout: id, endpoint, at: tx.now, digest: digestOf(text), bundle: text });
}

const forwardAdvice = (because: string): string =>
  `${because}: going back does not mend that. Unlock the endpoint and roll a third version forward.`;

/** Going back helps only if what one goes back to works: by its errors and its time in the traffic just seen. */
async function forwardFor(
  tx: Tx,
  { endpoint, model, current, state }: Rollout,
  observations: readonly Observation[],
): Promise<NonNullable<IncidentBundle['rollForward']>> {
  const found = await findEndpoint(tx.db, endpoint);
  const { errorRateMax = 1, latencyP95MsMax = Number.POSITIVE_INFINITY } = found?.spec.guardrail ?? {};
  const { requests = 0, failures = 0 } = state.live?.evidence.current ?? {};
  const former = `The former revision ${model}@${current}`;
  if (requests > 0 && failures > errorRateMax * requests) {
    const share = Number(((100 * failures) / requests).toPrecision(3));
    const limit = `over the limit of ${100 * errorRateMax} %`;
    return { offered: true, because: `${former} failed ${share} % of ${requests} requests too, ${limit}` };
  }
  const answered = observations.reduce((sum, seen) => sum + seen.current.answered, 0);
  const logSum = observations.reduce((sum, seen) => sum + seen.current.logLatencySum, 0);
  const typicalMs = answered === 0 ? 0 : Math.exp(logSum / answered) - LATENCY_FLOOR_MS;
  if (typicalMs > latencyP95MsMax) {
    const took = `takes ${Math.round(typicalMs)} ms for a typical request`;
    return { offered: true, because: `${former} ${took}, over the limit of ${latencyP95MsMax} ms` };
  }
  return { offered: false, because: `${former} works` };
}

/** The weight it began with: before the first decision of the rollout. */
function startWeight({ plan, state }: Rollout, decisions: readonly { readonly from: string }[]): number {
  const first = decisions[0]?.from;
  if (first === 'canary') return (plan.live ?? plan).steps[0] ?? 0;
  return first === 'probation' || state.forced ? 100 : 0;
}
