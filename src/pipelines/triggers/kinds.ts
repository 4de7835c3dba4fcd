import { canonicalJson } from '#core/json';
import { eventTypes } from '#platform/events';
import type { ResourceKind } from '#platform/resources';
import { eventPathsOf, initialTriggerState } from './model.ts';
import { type TriggerSpec, triggerSpec } from './spec.ts';
import { findTrigger, removeTrigger, saveTrigger } from './store.ts';
import { fieldIssue, whereIssues } from './where.ts';

/** Checks types and fields of events against what the platform defines: only a control plane knows all of that. */
const knownEvents = triggerSpec.superRefine(({ on, params }, issues) => {
  if (!('event' in on)) return;
  const refuse = (path: string[], message: string): void => issues.addIssue({ code: 'custom', path, message });
  const types = eventTypes();
  const schema = types.get(on.event);
  if (!schema) {
    const known = [...types.keys()].join(', ');
    return refuse(['on', 'event'], `there are no events of the type '${on.event}'; expected one of ${known}`);
  }
  for (const { path, message } of whereIssues(on.where, { type: on.event, schema })) {
    refuse(['on', 'where', path], message);
  }
  for (const { param, path } of eventPathsOf(params)) {
    const found = fieldIssue(path, schema);
    if (found !== undefined) refuse(['params', param], `${on.event} has no field '${path}': ${found}`);
  }
});

export const triggerKinds: readonly ResourceKind[] = [
  {
    kind: 'trigger',
    schema: knownEvents,
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
