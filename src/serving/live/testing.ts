import { decideRollout, type RolloutFact } from '../decide.ts';
import { type Decision, type RolloutPlan, type RolloutState, startState } from '../model.ts';
import { firstStage } from './decide-live.ts';

const BLOCK_MS = 10_000;

/** A rollout that is told one thing after another, by the decisions of the product and through JSON each time. */
export class ToldRollout<Plan extends RolloutPlan & { readonly live: NonNullable<RolloutPlan['live']> }> {
  readonly plan: Plan;
  readonly decisions: Decision[] = [];
  state: RolloutState;
  #blocks = 0;

  constructor(plan: Plan) {
    this.plan = plan;
    this.state = startState(plan, { stage: firstStage(plan.live), forced: false });
  }

  tell(fact: RolloutFact): void {
    const outcome = decideRollout(this, fact);
    this.state = JSON.parse(JSON.stringify(outcome.state));
    if (outcome.decision) this.decisions.push(outcome.decision);
  }

  /** The number and the time of the block that comes next. */
  protected nextBlock(): {
    readonly number: number;
    readonly source: string;
    readonly start: number;
    readonly end: number;
  } {
    const number = this.#blocks++;
    return { number, source: 'g', start: number * BLOCK_MS, end: (number + 1) * BLOCK_MS };
  }
}
