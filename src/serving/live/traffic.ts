import { emptyEvidence, findingsOf, withObservation } from './evidence.ts';
import type { LivePlan } from './live-spec.ts';
import { LATENCY_FLOOR_MS, type Observation } from './observation.ts';

/** Of what is kept, the newest blocks are read: each is shown, and the confidence sequences are drawn through them. */
export const BLOCKS_READ = 2_000;
const BLOCKS_SHOWN = 240;
const POINTS_SHOWN = 200;

/**
 * What gateways saw of a rollout, block by block, and how each measure's confidence sequence came to where it is. The
 * sequences are made anew from the blocks; the business metric has blocks of its own and no line here.
 */
export function trafficOf(observations: readonly Observation[], plan: LivePlan, startedAt: number | null) {
  const every = Math.max(1, Math.ceil(observations.length / POINTS_SHOWN));
  let evidence = emptyEvidence(plan);
  const points = observations.flatMap((seen, i) => {
    evidence = withObservation(evidence, seen);
    if (i % every !== 0 && i !== observations.length - 1) return [];
    const findings = findingsOf(evidence, plan).filter(({ measure }) => measure !== 'metric');
    return { at: seen.end, findings: findings.map((one) => ({ ...one })) };
  });
  const blocks = observations.slice(-BLOCKS_SHOWN).map(({ start, end, source, weight, current, candidate, pairs }) => ({
    ...{ start, end, source, weight, pairs },
    current: armOf(current),
    candidate: armOf(candidate),
  }));
  return { blocks, points, complete: startedAt !== null && observations[0]?.start === startedAt };
}

function armOf({ answered, logLatencySum, scored, failures }: Observation['current']) {
  const typicalMs = answered === 0 ? null : Math.max(0, Math.exp(logLatencySum / answered) - LATENCY_FLOOR_MS);
  return { answered, scored, failures, typicalMs };
}
