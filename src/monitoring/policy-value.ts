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

/** A labelled request of a rollout: what was drawn for it, what the arms predicted, and what came of it. */
export interface Drawn {
  readonly at: number;
  /** `current`, `candidate`, or the name of one of several. */
  readonly arm: string;
  readonly propensity: number;
  /** Of the arms that scored the request whoever was drawn; empty where only the arm that was drawn does. */
  readonly scores: Readonly<Record<string, number | null>>;
  readonly label: number;
}

/**
 * What each arm alone would have made of the requests of a rollout, from the log of all: inverse propensities, and
 * doubly robust with the arms' own scores as predictions of the label (the mean of the arm so far where it gave none).
 * It says something that labels alone do not where the answer changes what happens, as an offer does to a purchase. An
 * arm that was taken out is valued on the time until its last request: later ones could not be its. `drawn` in order
 * of time.
 */
export function policyValues(drawn: readonly Drawn[]): PolicyValueView {
  const hours = new Set(drawn.map(({ at }) => Math.floor(at / HOUR_MS))).size;
  const names = namesOf(drawn);
  const last = new Map(drawn.map(({ arm }, i) => [arm, i]));
  const several = !names.includes('candidate');
  const policies = names.map((policy, i) => {
    const target = names.map((_, at) => (at === i ? 1 : 0));
    const known = several && policy !== 'current' ? drawn.slice(0, (last.get(policy) ?? -1) + 1) : drawn;
    const estimateBy = (kind: 'ips' | 'dr') => estimate(known, { names, target, kind });
    return { policy, ips: estimateBy('ips'), dr: estimateBy('dr') };
  });
  return { requests: drawn.length, hours, policies };
}

/** The arms of the log, the current revision first; those of a rollout with one candidate where it tells no others. */
function namesOf(drawn: readonly Drawn[]): readonly string[] {
  const others = [...new Set(drawn.map(({ arm }) => arm))].filter((arm) => arm !== 'current').sort();
  return ['current', ...(others.length > 0 ? others : ['candidate'])];
}

type Estimate = PolicyValueView['policies'][number]['ips'];

interface Estimation {
  readonly names: readonly string[];
  readonly target: readonly number[];
  readonly kind: 'ips' | 'dr';
}

function estimate(drawn: readonly Drawn[], { names, target, kind }: Estimation): Estimate {
  let single: PolicyValue = emptyPolicyValue;
  let blocks: BlockSequence = startBlockSequence({ dependence: 'autoregressive' });
  let [hour, requests, differenceSum] = [Number.NaN, 0, 0];
  const seen = names.map(() => ({ count: 0, sum: 0 }));
  const all = { count: 0, sum: 0 };
  for (const one of drawn) {
    const now = Math.floor(one.at / HOUR_MS);
    if (now !== hour) {
      blocks = addBlock(blocks, { requests, differenceSum });
      [hour, requests, differenceSum] = [now, 0, 0];
    }
    const arm = names.indexOf(one.arm);
    const mean = meanOf(all, 0.5);
    const decision: LoggedDecision = {
      ...{ arm, propensity: one.propensity, reward: one.label, target },
      predicted: names.map((name, i) => one.scores[name] ?? meanOf(seen[i] ?? all, mean)),
    };
    single = addDecision(single, decision, kind);
    requests += 1;
    differenceSum += decisionValue(decision, kind).value;
    for (const sums of [all, seen[arm] ?? all]) {
      sums.count += 1;
      sums.sum += one.label;
    }
  }
  blocks = addBlock(blocks, { requests, differenceSum });
  const { value, interval: intervalOfRequests, effective, weightMax } = estimatePolicy(single);
  return { value, interval: decide(blocks).interval, intervalOfRequests, effective, weightMax };
}

const meanOf = ({ count, sum }: { readonly count: number; readonly sum: number }, none: number): number =>
  count === 0 ? none : sum / count;
