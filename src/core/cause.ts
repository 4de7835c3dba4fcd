/** Why the platform did something by itself, or who asked. Carried by runs, versions and rollouts. */
export interface Cause {
  readonly kind: 'user' | 'rule' | 'event' | 'schedule';
  /** The actor, rule, event or schedule, such as `rule/retrain-on-calibration`. */
  readonly id: string;
  /** How many automatic steps lie between this and a person: what loop guards count. */
  readonly depth: number;
  /** Event time of what set it off, in epoch milliseconds. */
  readonly at?: number | undefined;
}
