import type { Json } from './json.ts';

/** Why the platform did something by itself, or who asked. Carried by runs, versions and rollouts. */
export interface Cause {
  readonly kind: 'user' | 'rule' | 'event' | 'schedule';
  /** The actor, rule, event or schedule, such as `rule/retrain-on-calibration`. */
  readonly id: string;
  /** How many automatic steps lie between this and a person: what loop guards count. */
  readonly depth: number;
  /** Event time of what set it off, in epoch milliseconds. */
  readonly at?: number | undefined;
  /** Of a run that is a step of another: which one. Who and why are those of the other run. */
  readonly within?: { readonly run: string; readonly step: string } | undefined;
}

/** A cause as the audit log has it. */
export function auditedCause({ at, within, ...cause }: Cause): { readonly [name: string]: Json } {
  return { ...cause, at: at ?? null, ...(within ? { within } : {}) };
}
