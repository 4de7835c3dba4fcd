import type { Cause } from '#core/cause';
import type { Tx } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import type { RuleSpec } from './contract.ts';
import { ruleFired, ruleHeld } from './events.ts';
import { decide, type RuleDecision, type RuleFact, runParams } from './model.ts';
import { insertDecision, loadState, saveState, setDecisionRun } from './store.ts';

/** What rules need of the pipelines: start a run once per `key`, however often it is asked. */
export interface RunStarter {
  startRun(request: {
    readonly key: string;
    readonly pipeline: string;
    readonly params: Readonly<Record<string, string | number | boolean>>;
    readonly cause: Cause;
  }): Promise<{ readonly run: string }>;
}

export interface RuleDeps extends DomainDeps {
  readonly runs: RunStarter;
}

interface NamedRule {
  readonly name: string;
  readonly spec: RuleSpec;
}

/** Applies facts to rules. Deciding and remembering happen in the transaction of the event that brought the fact. */
export class Rules {
  readonly #deps: RuleDeps;

  constructor(deps: RuleDeps) {
    this.#deps = deps;
  }

  /** An alert of a monitor fires or is resolved. */
  async onSignal(tx: Tx, signal: { readonly monitor: string; readonly alert: string }, fact: RuleFact): Promise<void> {
    for (const rule of await this.#rules()) {
      const { on } = rule.spec;
      if (on.monitor === signal.monitor && on.alert === signal.alert) await this.#apply(tx, rule, fact);
    }
  }

  /** Event time of a monitor's stream has passed `at`: pending signals may have waited long enough. */
  async onTime(tx: Tx, monitors: ReadonlySet<string>, at: number): Promise<void> {
    for (const rule of await this.#rules()) {
      if (monitors.has(rule.spec.on.monitor)) await this.#apply(tx, rule, { kind: 'time', at });
    }
  }

  /** Starts the run of a firing. May be called again after a crash: the decision's id makes it one run. */
  async start(decision: {
    readonly decision: string;
    readonly rule: string;
    readonly at: number;
    readonly depth: number;
  }) {
    const resource = await this.#deps.resources.find('rule', decision.rule);
    if (!resource) return;
    const spec = resource.spec as RuleSpec;
    const { run } = await this.#deps.runs.startRun({
      key: decision.decision,
      pipeline: spec.run.pipeline,
      params: runParams(spec, decision.at),
      cause: { kind: 'rule', id: `rule/${decision.rule}`, depth: decision.depth, at: decision.at },
    });
    await this.#deps.db.maintain((tx) => setDecisionRun(tx.db, decision.decision, run));
  }

  async #rules(): Promise<NamedRule[]> {
    const resources = await this.#deps.resources.list('rule');
    return resources.map(({ name, spec }) => ({ name, spec: spec as RuleSpec }));
  }

  async #apply(tx: Tx, rule: NamedRule, fact: RuleFact): Promise<void> {
    const before = await loadState(tx.db, rule.name);
    const { state, decision } = decide(rule, before, fact);
    if (state !== before) await saveState(tx.db, rule.name, state);
    if (decision) await this.#record(tx, rule.name, decision);
  }

  async #record(tx: Tx, rule: string, { outcome, at, reason, cause }: RuleDecision): Promise<void> {
    const decision = this.#deps.system.ids.next('decision');
    await insertDecision(tx.db, { decision, rule, outcome, at, reason, run: null });
    const data = { rule, decision, outcome, at, reason };
    tx.emit(
      cause ? ruleFired.draft(`rule/${rule}`, { ...data, depth: cause.depth }) : ruleHeld.draft(`rule/${rule}`, data),
    );
    tx.audit(`rule/${rule}`, data);
  }
}
