import type { Cause } from '#core/cause';
import type { Json } from '#core/json';

/** What wants to pass: a version that is to serve traffic of an endpoint, or to take a protected alias. */
export interface GateRequest {
  readonly model: string;
  readonly version: number;
  /** `serve` before a rollout sends it any traffic, `alias` before a protected alias moves to it. */
  readonly transition: 'serve' | 'alias';
  readonly target: string;
  readonly actor: string;
  readonly cause?: Cause | undefined;
  readonly evidence: readonly { readonly kind: string; readonly passed: boolean | null; readonly data: Json }[];
}

/** Deny always names what is missing or failed, in words a person can act on. */
export type GateVerdict =
  | { readonly allow: true; readonly policy: string | null; readonly satisfied: readonly string[] }
  | { readonly allow: false; readonly policy: string; readonly missing: readonly string[] };

/**
 * Asked by the registry and by serving before something protected happens; answered by governance, which ranks above
 * both. Deciding reads recorded evidence only: the same request gets the same verdict.
 */
export interface Gate {
  decide(request: GateRequest): Promise<GateVerdict>;
}
