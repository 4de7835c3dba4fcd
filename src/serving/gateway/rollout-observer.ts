import { LATENCY_FLOOR_MS, type ObservedBlock, type OddRequest } from '../live/observation.ts';
import type { RoutedEndpoint } from '../routing.ts';
import type { Prediction } from './prediction.ts';
import type { TensorDifference } from './tensors/compare.ts';

interface ArmCounts {
  answered: number;
  logLatencySum: number;
  scored: number;
  failures: number;
}

interface ArmObserved extends ArmCounts {
  readonly weight: number;
  assigned: number;
}

interface Scored {
  readonly error: string | undefined;
  readonly latencyMs: number;
}

interface Compared {
  readonly difference: TensorDifference;
  readonly score: number;
}

/** Blocks that wait for the control plane; with more of them the oldest is forgotten. */
const CLOSED_MAX = 1_000;
/** Odd requests of each kind that a block keeps, the newest. */
const ODD_MAX: Readonly<Record<OddRequest['kind'], number>> = { failed: 8, slow: 6, flipped: 6 };
/** Keys whose first assignment is told from later ones; those beyond it are not counted. */
const KEYS_MAX = 100_000;

/**
 * Counts what one gateway sees of one rollout, block by block of time. Requests that named their arm are not counted:
 * nobody drew it.
 */
export class RolloutObserver {
  readonly #latencyMsMax: number;
  readonly #keys = new Set<string>();
  #weight: number;
  #startedAt: number;
  #current = noCounts();
  #candidate = noCounts();
  #pairs = { count: 0, flips: 0 };
  #assigned = { current: 0, candidate: 0 };
  /** Of several candidates. */
  #arms: Map<string, ArmObserved>;
  #odd: OddRequest[] = [];
  /** Of whatever blocks. */
  readonly #oddOfLate: OddRequest[] = [];
  #closed: ObservedBlock[] = [];

  constructor(routed: RoutedEndpoint, nowMs: number) {
    this.#latencyMsMax = routed.guardrail.latencyP95MsMax;
    this.#weight = weightOf(routed);
    this.#arms = noArms(routed);
    this.#startedAt = nowMs;
  }

  /** When the open block began, in epoch milliseconds. */
  get startedAt(): number {
    return this.#startedAt;
  }

  /** A request was given to an arm; `key` where that holds for all requests of the key. */
  assigned(arm: string, key: string | undefined): void {
    if (key !== undefined) {
      if (this.#keys.has(key) || this.#keys.size >= KEYS_MAX) return;
      this.#keys.add(key);
    }
    this.#assigned[arm === 'current' ? 'current' : 'candidate'] += 1;
    const own = this.#arms.get(arm);
    if (own) own.assigned += 1;
  }

  /** An arm scored a request in `latencyMs`, as the answer or beside it, or failed with `error`. */
  scored(prediction: Prediction, arm: 'current' | 'candidate', { error, latencyMs }: Scored): void {
    if (prediction.named) return;
    // Where nobody is scored beside, one that stands in for another arm had no draw of its own.
    if (arm === 'current' && prediction.endpoint.arms && prediction.fallback) return;
    for (const counts of this.#countsOf(prediction, arm)) {
      counts.scored += 1;
      if (error !== undefined) counts.failures += 1;
    }
    if (arm === 'current') return;
    if (error !== undefined) this.#keep(prediction, 'failed', { text: error, latencyMs });
    else if (latencyMs > this.#latencyMsMax) {
      this.#keep(prediction, 'slow', { text: `over ${this.#latencyMsMax} ms`, latencyMs });
    }
  }

  /** An answer leaves. The answer of an arm that stood in for the other says nothing about the time of either. */
  answered(prediction: Prediction, latencyMs: number): void {
    if (prediction.named || prediction.fallback || prediction.error) return;
    for (const counts of this.#countsOf(prediction, prediction.arm)) {
      counts.answered += 1;
      counts.logLatencySum += Math.log(latencyMs + LATENCY_FLOOR_MS);
    }
  }

  /** Both arms scored a request. Decisions are compared where scores are probabilities. */
  paired(prediction: Prediction, besideScore: number): void {
    if (prediction.named) return;
    if (prediction.endpoint.current.arm.signature.output !== 'probability') return;
    this.#pairs.count += 1;
    if (prediction.score >= 0.5 === besideScore >= 0.5) return;
    this.#pairs.flips += 1;
    this.#keep(prediction, 'flipped', { text: 'the arms decide differently', besideScore });
  }

  /** Both arms answered tensors to a request. They are a pair where a decision is in them, or only one could be. */
  compared(prediction: Prediction, { difference, score }: Compared): void {
    const { flipped, unlike, maxAbs, maxRel } = difference;
    if (prediction.named || (flipped === undefined && !unlike)) return;
    this.#pairs.count += 1;
    if (!flipped && !unlike) return;
    this.#pairs.flips += 1;
    const apart = `by up to ${maxAbs.toPrecision(3)} (${(100 * maxRel).toPrecision(3)} %)`;
    const text = unlike ? 'the arms answer tensors of another form' : `the arms decide differently, ${apart}`;
    this.#keep(prediction, 'flipped', { text, besideScore: score });
  }

  /** Another weight from now on: what was counted until now is a block of its own. */
  reweigh(routed: RoutedEndpoint, nowMs: number): void {
    const weight = weightOf(routed);
    const arms = noArms(routed);
    const same =
      arms.size === this.#arms.size && [...arms].every(([name, one]) => one.weight === this.#arms.get(name)?.weight);
    if (weight === this.#weight && same) return;
    this.close(nowMs);
    this.#weight = weight;
    this.#arms = arms;
  }

  /** Ends the open block. */
  close(nowMs: number): void {
    // Times of blocks rise even if the clock is set back, so that none is taken for one that was counted.
    const end = Math.max(nowMs, this.#startedAt + 1);
    this.#closed.push({
      ...{ start: this.#startedAt, end, weight: this.#weight },
      ...{ current: this.#current, candidate: this.#candidate },
      ...{ pairs: this.#pairs, assigned: this.#assigned, odd: this.#odd },
      ...(this.#arms.size > 0 ? { arms: Object.fromEntries(this.#arms) } : {}),
    });
    if (this.#closed.length > CLOSED_MAX) this.#closed.shift();
    this.#startedAt = end;
    this.#current = noCounts();
    this.#candidate = noCounts();
    this.#pairs = { count: 0, flips: 0 };
    this.#assigned = { current: 0, candidate: 0 };
    this.#odd = [];
    this.#arms = new Map([...this.#arms].map(([name, { weight }]) => [name, noneOf(weight)]));
  }

  /** The blocks that have ended and were not taken, oldest first. */
  take(): readonly ObservedBlock[] {
    const closed = this.#closed;
    this.#closed = [];
    return closed;
  }

  /** The newest odd requests of each kind: those of blocks that have ended may not have been taken yet. */
  get odd(): readonly OddRequest[] {
    return [...this.#oddOfLate];
  }

  /** What a score of an arm is counted in. */
  #countsOf({ candidate }: Prediction, arm: 'current' | 'candidate'): readonly ArmCounts[] {
    if (arm === 'current') return [this.#current];
    const own = candidate && this.#arms.get(candidate.name);
    return own ? [this.#candidate, own] : [this.#candidate];
  }

  #keep(
    prediction: Prediction,
    kind: OddRequest['kind'],
    { text, latencyMs, besideScore }: { text: string; latencyMs?: number; besideScore?: number },
  ): void {
    const { id, at, arm, score } = prediction;
    const known = Number.isFinite(score) ? score : null;
    const beside = besideScore ?? null;
    const scores =
      arm === 'candidate'
        ? { currentScore: beside, candidateScore: known }
        : { currentScore: known, candidateScore: beside };
    const odd: OddRequest = { id, at, kind, text: text.slice(0, 500), ...scores, latencyMs: latencyMs ?? null };
    keepNewest(this.#odd, odd);
    keepNewest(this.#oddOfLate, odd);
  }
}

function keepNewest(kept: OddRequest[], odd: OddRequest): void {
  const isAlike = ({ kind }: OddRequest): boolean => kind === odd.kind;
  if (kept.filter(isAlike).length >= ODD_MAX[odd.kind]) kept.splice(kept.findIndex(isAlike), 1);
  kept.push(odd);
}

/** In percent, of several candidates together. */
function weightOf({ candidate, arms = [] }: RoutedEndpoint): number {
  const weight = candidate?.weight ?? arms.reduce((sum, arm) => sum + arm.weight, 0);
  return Math.min(100, weight);
}

function noArms({ arms = [] }: RoutedEndpoint): Map<string, ArmObserved> {
  return new Map(arms.map(({ name, weight }) => [name, noneOf(weight)]));
}

const noneOf = (weight: number): ArmObserved => ({ ...noCounts(), weight, assigned: 0 });

function noCounts(): ArmCounts {
  return { answered: 0, logLatencySum: 0, scored: 0, failures: 0 };
}
