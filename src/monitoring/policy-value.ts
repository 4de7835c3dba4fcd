import { addBlock, type BlockSequence, decide, startBlockSequence } from '#math/test/block-sequence';
import {
  addDecision,
  decisionValue,
  emptyPolicyValue,
  estimatePolicy,
  type LoggedDecision,
  type PolicyValue,
} from '#math/test/off-policy';
import type { PolicyValueView } from './contract.ts';

const HOUR_MS = 3_600_000;

/** A labelled request of a rollout: what was drawn for it, what both arms predicted, and what came of it. */
export interface Drawn {
  readonly at: number;
  readonly candidate: boolean;
  readonly propensity: number;
  readonly currentScore: number | null;
  readonly candidateScore: number | null;
  readonly label: number;
}

const POLICIES = { current: [1, 0], candidate: [0, 1] } as const;

/**
 * What each arm alone would have made of the requests of a rollout, from the log of both: inverse propensities, and
 * doubly robust with the arms' own scores as predictions of the label (the mean so far where an arm gave none). It says
 * something that labels alone do not where the answer changes what happens, as an offer does to a purchase. `drawn` in
 * order of time.
 */
export function policyValues(drawn: readonly Drawn[]): PolicyValueView {
  const hours = new Set(drawn.map(({ at }) => Math.floor(at / HOUR_MS))).size;
  const policies = (['current', 'candidate'] as const).map((policy) => ({
    policy,
    ips: estimate(drawn, POLICIES[policy], 'ips'),
    dr: estimate(drawn, POLICIES[policy], 'dr'),
  }));
  return { requests: drawn.length, hours, policies };
}

type Estimate = PolicyValueView['policies'][number]['ips'];

function estimate(drawn: readonly Drawn[], target: readonly number[], kind: 'ips' | 'dr'): Estimate {
  let single: PolicyValue = emptyPolicyValue;
  let blocks: BlockSequence = startBlockSequence({ dependence: 'autoregressive' });
  let [hour, requests, differenceSum] = [Number.NaN, 0, 0];
  const seen = { count: 0, sum: 0 };
  for (const one of drawn) {
    const now = Math.floor(one.at / HOUR_MS);
    if (now !== hour) {
      blocks = addBlock(blocks, { requests, differenceSum });
      [hour, requests, differenceSum] = [now, 0, 0];
    }
    const mean = seen.count === 0 ? 0.5 : seen.sum / seen.count;
    const decision: LoggedDecision = {
      ...{ arm: one.candidate ? 1 : 0, propensity: one.propensity, reward: one.label, target },
      predicted: [one.currentScore ?? mean, one.candidateScore ?? mean],
    };
    single = addDecision(single, decision, kind);
    requests += 1;
    differenceSum += decisionValue(decision, kind).value;
    seen.count += 1;
    seen.sum += one.label;
  }
  blocks = addBlock(blocks, { requests, differenceSum });
  const { value, interval: intervalOfRequests, effective, weightMax } = estimatePolicy(single);
  return { value, interval: decide(blocks).interval, intervalOfRequests, effective, weightMax };
}
