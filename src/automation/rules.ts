import type { Cause } from '#core/cause';
import { KedgeError } from '#core/errors';
import type { Tx } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import type { DecisionView, RuleSpec } from './contract.ts';
import { ruleFired, ruleHeld } from './events.ts';
import { decide, type RuleDecision, type RuleFact, runParams } from './model.ts';
import { insertDecision, listDecisions, loadState, saveState } from './store.ts';

/** What rules need of the pipelines: to start a run in the transaction that decides it. */
export interface RunStarter {
  startRunIn(
    tx: Tx,
    request: {
      readonly pipeline: string;
      readonly params: Readonly<Record<string, string | number | boolean>>;
      readonly cause: Cause;
    },
  ): Promise<{ readonly run: string }>;
}

export interface RuleDeps extends DomainDeps {
  readonly runs: RunStarter;
  /** The newest promotion on an endpoint, read in the transaction: its event time, and why the version was made. */
  lastPromotion(
    tx: Pick<Tx, 'db'>,
    endpoint: string,
  ): Promise<{ readonly at: number; readonly cause: Cause } | undefined>;
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
    for (const rule of await this.#rules(tx)) {
      const { on } = rule.spec;
      if (on.monitor === signal.monitor && on.alert === signal.alert) await this.#apply(tx, rule, fact);
    }
  }

  /** Event time of a monitor's stream has passed `at`: pending signals may have waited long enough. */
  async onTime(tx: Tx, monitor: string, at: number): Promise<void> {
    for (const rule of await this.#rules(tx)) {
      if (rule.spec.on.monitor === monitor) await this.#apply(tx, rule, { kind: 'time', at });
    }
  }

  decisions(filter: { readonly rule?: string | undefined; readonly limit: number }): Promise<DecisionView[]> {
    return listDecisions(this.#deps.db.reader, filter);
  }

  async #rules(tx: Tx): Promise<NamedRule[]> {
    const resources = await this.#deps.resources.list('rule', tx.db);
    return resources.map(({ name, spec }) => ({ name, spec: spec as RuleSpec }));
  }

  async #apply(tx: Tx, rule: NamedRule, fact: RuleFact): Promise<void> {
    const before = await loadState(tx.db, rule.name);
    const { state, decision } = decide(rule, before, fact);
    if (state !== before) await saveState(tx.db, rule.name, state);
    if (decision) await this.#record(tx, rule, decision);
  }

  async #record(tx: Tx, rule: NamedRule, { outcome, at, reason, cause }: RuleDecision): Promise<void> {
    const decision = this.#deps.system.ids.next('decision');
    const started = cause ? await this.#start(tx, rule, { at, cause }) : { run: null };
    const told = {
      outcome: started.run === null && cause ? 'failed' : outcome,
      reason: started.problem ?? reason,
    } as const;
    await insertDecision(tx.db, { decision, rule: rule.name, at, run: started.run, ...told });
    const data = { rule: rule.name, decision, at, run: started.run, ...told };
    tx.emit((told.outcome === 'fired' ? ruleFired : ruleHeld).draft(`rule/${rule.name}`, data));
    tx.audit(`rule/${rule.name}`, data);
  }

  /** A rule whose pipeline is gone or refuses the parameters must not hold up all others: it is told as failed. */
  async #start(
    tx: Tx,
    { spec }: NamedRule,
    { at, cause }: { readonly at: number; readonly cause: Cause },
  ): Promise<{ readonly run: string | null; readonly problem?: string }> {
    try {
      const { pipeline } = spec.run;
      const { run } = await this.#deps.runs.startRunIn(tx, { pipeline, params: runParams(spec, at), cause });
      return { run };
    } catch (error) {
      if (!(error instanceof KedgeError)) throw error;
      return { run: null, problem: error.message };
    }
  }
}
