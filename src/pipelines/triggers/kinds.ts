import { canonicalJson } from '#core/json';
import type { ResourceKind } from '#platform/resources';
import { initialTriggerState } from './model.ts';
import { type TriggerSpec, triggerSpec } from './spec.ts';
import { findTrigger, removeTrigger, saveTrigger } from './store.ts';

export const triggerKinds: readonly ResourceKind[] = [
  {
    kind: 'trigger',
    schema: triggerSpec,
    references: ({ pipeline, on }) => [
      { kind: 'pipeline', name: pipeline },
      ...('pipeline' in on ? [{ kind: 'pipeline', name: on.pipeline }] : []),
      ...('dataset' in on ? [{ kind: 'dataset', name: on.dataset }] : []),
    ],
    /** What waited under another source is not what it waits for now. Starts of before still count for its rate. */
    async onApply(tx, { name, spec, previous }) {
      const known = await findTrigger(tx.db, name);
      const same = previous && canonicalJson(previous.on) === canonicalJson(spec.on);
      const state = known?.state ?? initialTriggerState;
      const secret = known?.secret ?? null;
      await saveTrigger(tx.db, { name, spec, secret, state: same ? state : { ...state, pending: null } });
    },
    onDelete: (tx, name) => removeTrigger(tx.db, name),
  } satisfies ResourceKind<TriggerSpec>,
];
