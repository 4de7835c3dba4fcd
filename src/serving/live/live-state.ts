import { type ArmsState, startArms } from './arms/arms-state.ts';
import { type ContextualState, isContextual, startContextual } from './contextual.ts';
import { emptyEvidence, type LiveEvidence } from './evidence.ts';
import type { LivePlan } from './live-spec.ts';

export const HOLDS = [
  'paused',
  'baking',
  'sample',
  'sample-ratio',
  'undecided',
  'frozen',
  'approval',
  'no-harm-found',
] as const;

/** Why a rollout does not go on at this moment. */
export interface Hold {
  readonly kind: (typeof HOLDS)[number];
  readonly sentence: string;
}

/** What a rollout that is decided on live traffic knows beside its stage and step. Plain data: survives JSON. */
export interface LiveState {
  readonly evidence: LiveEvidence;
  /** Times of the traffic, in epoch milliseconds; null until the first block with the present weight. */
  readonly startedAt: number | null;
  readonly stepFrom: number | null;
  readonly latest: number | null;
  /** Requests that the candidate scored in the present step. */
  readonly stepRequests: number;
  /** The candidate's share in percent as a bandit has set it, and when; null where the plan says it. */
  readonly shifted: { readonly weight: number; readonly at: number } | null;
  /** A person has said yes to the next step. */
  readonly approved: boolean;
  readonly hold: Hold | null;
  /** Of a contextual bandit. */
  readonly contextual?: ContextualState;
  /** Of several candidates; `evidence` is empty then. */
  readonly arms?: ArmsState;
}

export function startLive(plan: LivePlan): LiveState {
  return {
    evidence: emptyEvidence(plan),
    ...{ startedAt: null, stepFrom: null, latest: null, stepRequests: 0 },
    ...{ shifted: null, approved: false },
    hold: { kind: 'sample', sentence: 'no traffic has been seen yet' },
    ...(isContextual(plan) ? { contextual: startContextual(plan) } : {}),
    ...(plan.arms ? { arms: startArms(plan, plan.arms) } : {}),
  };
}
