import { canonicalJson } from '#core/json';
import type { DomainParts } from '#platform/domain';
import type { ResourceKind } from '#platform/resources';
import { automationConsumers } from './consumers.ts';
import { type RuleSpec, ruleSpec } from './contract.ts';
import { automationHandlers } from './handlers.ts';
import { Incidents } from './incidents.ts';
import { type RuleDeps, Rules } from './rules.ts';
import { loadState, removeState, saveState } from './store.ts';

export { incidentOpened, incidentResolved, ruleFired, ruleHeld } from './events.ts';
export { automationMigrations } from './migrations/index.ts';

export interface Automation {
  readonly parts: DomainParts;
}

export const automationKinds: readonly ResourceKind[] = [
  {
    kind: 'rule',
    schema: ruleSpec,
    references: ({ on, run }) => [
      { kind: 'monitor', name: on.monitor },
      { kind: 'pipeline', name: run.pipeline },
    ],
    /** A signal that a rule waited on under another condition is not one that it waits on now. */
    async onApply(tx, { name, spec, previous }) {
      if (!previous || canonicalJson(previous.on) === canonicalJson(spec.on)) return;
      const state = await loadState(tx.db, name);
      await saveState(tx.db, name, { ...state, pending: null });
    },
    onDelete: (tx, name) => removeState(tx.db, name),
  } satisfies ResourceKind<RuleSpec>,
];

/** Automation: what the platform does by itself when it has learnt something, and whom it tells. */
export function createAutomation(deps: RuleDeps): Automation {
  const rules = new Rules(deps);
  const incidents = new Incidents(deps);
  return {
    parts: {
      routes: [automationHandlers(rules, incidents)],
      consumers: automationConsumers(rules, incidents, deps),
      jobs: [],
    },
  };
}
