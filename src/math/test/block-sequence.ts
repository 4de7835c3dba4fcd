import { refuse, requireShare, requireThat } from '../checks.ts';
import type { ConfidenceInterval } from './confidence-sequence.ts';
import { mixtureVariance } from './mixture-tuning.ts';

/** What is fixed before the first block; a change of plan is a new sequence. */
export interface BlockPlan {
  /** Two-sided error level over all looks together. */
  readonly alpha: number;
  /** Blocks at the start that only teach the variance: no decision while there are at most so many. */
  readonly burnInBlocks: number;
  /** Number of blocks at which the boundary is tightest. */
  readonly optimumBlocks: number;
  /**
   * What equal models are taken to look like. `martingale`: whatever happened so far, the next block favours neither.
   * Then an advantage that comes and goes with the weather is an advantage, and the interval is one for the mean
   * advantage over the time observed (Waudby-Smith et al. 2021, time-varying means). `autoregressive`: also equal
   * models may be ahead for hours on end, and the boundary is widened by the correlation that is measured.
   */
  readonly dependence: 'martingale' | 'autoregressive';
}

/** The paired differences of one block of time, such as an hour. */
export interface Block {
  /** How many, or the weight of the block where arms answered different requests (`test/arm-difference`). */
  readonly requests: number;
  /** Sum over the requests of (loss of the baseline − loss of the candidate): positive when the candidate is better. */
  readonly differenceSum: number;
}

/** Sums over the blocks so far, with D the difference sum of a block and n its requests. Plain data: survives JSON. */
export interface BlockSequence {
  readonly plan: BlockPlan;
  readonly blocks: number;
  readonly n: number;
  readonly d: number;
  readonly dd: number;
  readonly dn: number;
  readonly nn: number;
  /** The same products between neighbouring blocks: Σ D·D′, Σ (D·n′ + n·D′), Σ n·n′. */
  readonly lagDd: number;
  readonly lagDn: number;
  readonly lagNn: number;
  readonly last: Block | null;
}

export interface BlockDecision {
  readonly decision: 'better' | 'worse' | 'undecided';
  readonly blocks: number;
  readonly requests: number;
  /** Mean difference per request; `null` before the first block. */
  readonly mean: number | null;
  /** Confidence sequence of the mean difference per request; `null` during burn-in and while it is unbounded. */
  readonly interval: ConfidenceInterval | null;
  /** Sum of all differences: the walk that a chart draws. */
  readonly sum: number;
  /** The walk is outside ±boundary exactly while a mean of 0 is refuted; `null` during burn-in. */
  readonly boundary: number | null;
  /** Correlation of neighbouring blocks. Past about .4, blocks are too short. */
  readonly autocorrelation: number;
}

const defaultPlan: BlockPlan = { alpha: 0.05, burnInBlocks: 8, optimumBlocks: 32, dependence: 'autoregressive' };

/**
 * Starts the test of a rollout: is the candidate better or worse than the baseline on the same requests, looked at
 * after each block of time and stopped at any of them?
 *
 * Why blocks: requests of one hour share its weather, campaign or outage, so they are not independent, and a test
 * that takes them as such "finds" differences between equal models. The sums of blocks that are long against that
 * common cause nearly are. An hour suits traffic that changes within the day.
 *
 * Boundary: Robbins' normal mixture (1970) over block sums. With B blocks, r = D − μn their residuals under a mean μ
 * per request, and g = `mixtureVariance(alpha, optimumBlocks)`, μ is refuted when
 *
 *     (Σr)² > f · Σr² · (1 + 1/(Bg)) · ln((1 + Bg)/α²)
 *
 * - The variance is the *uncentred* mean square under the tested μ. For independent Gaussian blocks of one unknown
 *   variance that is stricter than the t-mixture (Lai 1976), which is exact; for symmetric blocks of changing
 *   variance it follows the self-normalised bound of de la Peña (1999). The usual centred variance makes over 6 % of
 *   false decisions at α = .05, because a variance from a dozen blocks is often too small.
 * - f = (1 + ρ)/(1 − ρ) is the long-run variance of an AR(1) sequence with the measured correlation ρ of neighbouring
 *   residuals, never under 1 and ρ never over .9: the weather of one hour is also that of the next. It is 1 under
 *   `martingale`, which keeps the level only while equal models are hardly correlated (up to about .15), and decides
 *   much sooner where the advantage itself comes and goes. `bench/math/block-sequence.ts` prints the rates of both.
 * - `optimumBlocks` = 32: a clear effect (1 standard deviation of a block) decides after some 20 hourly blocks, a small
 *   one (.35) after some 80. Between 24 and 48 these move by a few blocks; far smaller values waste the level early,
 *   where the variance is least known, far larger ones delay the rollback of a clearly worse candidate.
 *
 * Guarantee: at most α for independent Gaussian blocks; beyond that asymptotic. Rates measured by simulation, with
 * what shared causes, heavy tails, skewness and autocorrelation do: the tests beside this file and `bench/math`.
 */
export function startBlockSequence(plan: Partial<BlockPlan> = {}): BlockSequence {
  const complete = { ...defaultPlan, ...plan };
  const { alpha, burnInBlocks, optimumBlocks } = complete;
  requireShare(alpha, 'alpha');
  const validBurnIn = Number.isInteger(burnInBlocks) && burnInBlocks >= 2 && burnInBlocks <= 1000;
  requireThat(validBurnIn, 'burnInBlocks', `must be a whole number from 2 to 1000, not ${burnInBlocks}`);
  const validOptimum = optimumBlocks >= 2 && optimumBlocks <= 100_000;
  requireThat(validOptimum, 'optimumBlocks', `must be from 2 to 100000, not ${optimumBlocks}`);
  return { plan: complete, blocks: 0, n: 0, d: 0, dd: 0, dn: 0, nn: 0, lagDd: 0, lagDn: 0, lagNn: 0, last: null };
}

/**
 * The sequence with one more block, in order of time. A block without requests tells nothing and changes nothing.
 * O(1).
 */
export function addBlock(state: BlockSequence, block: Block): BlockSequence {
  const { requests: n, differenceSum: d } = block;
  if (!(n >= 0 && n <= 1e100)) refuse('block.requests', `must be a number from 0 to 1e100, not ${n}`);
  if (!(Math.abs(d) <= 1e100)) refuse('block.differenceSum', `must be a finite number up to 1e100, not ${d}`);
  if (n === 0 && d !== 0) refuse('block.differenceSum', `must be 0 without requests, not ${d}`);
  if (n === 0) return state;
  const before = state.last ?? { requests: 0, differenceSum: 0 };
  return {
    plan: state.plan,
    blocks: state.blocks + 1,
    n: state.n + n,
    d: state.d + d,
    dd: state.dd + d * d,
    dn: state.dn + d * n,
    nn: state.nn + n * n,
    lagDd: state.lagDd + d * before.differenceSum,
    lagDn: state.lagDn + d * before.requests + n * before.differenceSum,
    lagNn: state.lagNn + n * before.requests,
    last: { requests: n, differenceSum: d },
  };
}

/**
 * The decision at this look: "better" when the whole interval of the mean difference per request is over `margin`,
 * "worse" when it is under −`margin` (default 0; a margin is the smallest difference that is worth acting on). The
 * caller acts on the first look that decides; α covers all looks together, within the guarantee of the plan. O(1).
 */
export function decide(state: BlockSequence, options: { readonly margin?: number } = {}): BlockDecision {
  const { margin = 0 } = options;
  if (!(margin >= 0 && margin < Infinity)) refuse('margin', `must be a number from 0 on, not ${margin}`);
  const autocorrelation = autocorrelationOf(state);
  const view = {
    blocks: state.blocks,
    requests: state.n,
    mean: state.blocks === 0 ? null : state.d / state.n,
    sum: state.d,
    autocorrelation,
  };
  if (state.blocks <= state.plan.burnInBlocks)
    return { ...view, decision: 'undecided', interval: null, boundary: null };
  const factor = squaredBoundary(state, autocorrelation);
  const interval = intervalOf(state, factor);
  return { ...view, decision: verdict(interval, margin), interval, boundary: Math.sqrt(factor * state.dd) };
}

function verdict(interval: ConfidenceInterval | null, margin: number): BlockDecision['decision'] {
  if (interval === null) return 'undecided';
  if (interval.low > margin) return 'better';
  return interval.high < -margin ? 'worse' : 'undecided';
}

/** What (Σr)² is held against, in units of Σr². */
function squaredBoundary({ plan, blocks }: BlockSequence, autocorrelation: number): number {
  const scaled = blocks * mixtureVariance(plan.alpha, plan.optimumBlocks);
  const rho = plan.dependence === 'martingale' ? 0 : Math.min(Math.max(autocorrelation, 0), 0.9);
  return ((1 + rho) / (1 - rho)) * (1 + 1 / scaled) * Math.log((1 + scaled) / plan.alpha ** 2);
}

/**
 * The means μ that are not refuted, (d − μn)² ≤ factor · Σ(D − μ·n)²: a quadratic in μ, solved as in Fieller (1954). It
 * is unbounded while the blocks are too few or too unequal in size.
 */
function intervalOf({ n, d, dd, dn, nn }: BlockSequence, factor: number): ConfidenceInterval | null {
  const a = n * n - factor * nn;
  const b = n * d - factor * dn;
  const c = d * d - factor * dd;
  if (a <= 0) return null;
  const root = Math.sqrt(Math.max(0, b * b - a * c));
  return { low: (b - root) / a, high: (b + root) / a };
}

/** Correlation of the residuals of neighbouring blocks around the estimated mean, in [−1, 1]; 0 when there are none. */
function autocorrelationOf({ n, d, dd, dn, nn, lagDd, lagDn, lagNn }: BlockSequence): number {
  if (n === 0) return 0;
  const mean = d / n;
  const squares = dd - 2 * mean * dn + mean * mean * nn;
  const products = lagDd - mean * lagDn + mean * mean * lagNn;
  // Equal block means leave a rest of rounding only, whose ratio would be noise.
  if (squares <= 1e-12 * dd) return 0;
  return Math.min(Math.max(products / squares, -1), 1);
}
