import { eventTypes } from '#platform/events';
import { referencedParams } from '../params.ts';
import { type PipelineSpec, pipelineSpec } from '../spec.ts';
import { whereIssues } from '../triggers/where.ts';

/** Pipelines whose waits are for events that there are: only a control plane knows all types and their fields. */
export const knownWaits = pipelineSpec.superRefine(({ steps }, issues) => {
  for (const [index, { wait }] of steps.entries()) {
    if (!wait || !('event' in wait)) continue;
    for (const { path, message } of waitIssues(wait)) {
      issues.addIssue({ code: 'custom', path: ['steps', index, 'wait', ...path], message });
    }
  }
});

type EventWait = Extract<NonNullable<PipelineSpec['steps'][number]['wait']>, { readonly event: string }>;

function waitIssues({ event, where }: EventWait): { readonly path: readonly string[]; readonly message: string }[] {
  const types = eventTypes();
  const schema = types.get(event);
  if (!schema) {
    const known = [...types.keys()].join(', ');
    return [{ path: ['event'], message: `there are no events of the type '${event}'; expected one of ${known}` }];
  }
  // What a parameter will be is known when a run is started: until then only the field is.
  const fixed = Object.entries(where).map(([path, expected]) =>
    referencedParams(expected).length === 0 ? [path, expected] : [path, {}],
  );
  return whereIssues(Object.fromEntries(fixed), { type: event, schema }).map(({ path, message }) => ({
    path: ['where', path],
    message,
  }));
}
