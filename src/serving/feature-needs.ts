import type { FeatureViewSpec } from '#features';
import type { Tx } from '#platform/db';
import type { FindResource } from '#platform/resources';
import type { EndpointSpec } from './contract.ts';
import { servingErrors } from './errors.ts';
import { activeRollout, findEndpoint, findRevision, queuedRollout, type Rollout } from './store.ts';

/** A revision that answers, is scored, or may come to either without anybody declaring anything. */
interface Held {
  readonly version: number;
  readonly role: string;
  readonly advice: string;
}

/**
 * Refuses declarations after which a revision in use would lack a feature that the endpoint's views deliver to it now:
 * every request would have to send it, and those of today do not. Another view may take over a feature of that name.
 */
export async function refuseLostFeatures(
  tx: Tx,
  { name, spec }: { readonly name: string; readonly spec: EndpointSpec },
  find: FindResource,
): Promise<void> {
  const endpoint = await findEndpoint(tx.db, name);
  if (!endpoint?.current || !endpoint.features) return;
  const delivered = new Set<string>();
  for (const view of spec.features?.views ?? []) {
    const found = (await find('feature-view', view))?.spec as FeatureViewSpec | undefined;
    for (const feature of found?.features ?? []) delivered.add(feature.name);
  }
  const rollouts = { active: await activeRollout(tx.db, name), queued: await queuedRollout(tx.db, name) };
  for (const { version, role, advice } of heldBy(endpoint.current.version, rollouts)) {
    const inputs = (await findRevision(tx.db, spec.model, version))?.signature.inputs ?? [];
    const taken = new Set(inputs.filter(({ kind }) => kind === 'numeric').map((input) => input.name));
    for (const view of endpoint.features.views) {
      const lost = view.features.map((feature) => feature.name).filter((f) => taken.has(f) && !delivered.has(f));
      if (lost.length === 0) continue;
      throw servingErrors['feature-needed'](
        `endpoint '${name}' would lack ${lost.join(', ')} of feature view '${view.name}', ` +
          `which ${spec.model}@${version}, ${role}, takes: ${advice}`,
      );
    }
  }
}

/** Every version that a rollout may give traffic. */
function versionsOf(rollout: Rollout | undefined): readonly number[] {
  if (!rollout) return [];
  return rollout.plan.live?.arms?.map(({ version }) => version) ?? [rollout.candidate];
}

function heldBy(
  current: number,
  { active, queued }: { readonly active: Rollout | undefined; readonly queued: Rollout | undefined },
): Held[] {
  const abortFirst = 'keep the view, or abort the rollout first';
  const former = active?.state.stage === 'probation';
  return [
    {
      version: current,
      role: former ? `the former revision that rollout ${active.id} may go back to` : 'its current revision',
      advice: former
        ? 'keep the view until the rollout has ended'
        : 'keep the view until a version that does without it is current',
    },
    ...versionsOf(active).map((version) => ({
      ...{ version, role: `the candidate of rollout ${active?.id}`, advice: abortFirst },
    })),
    ...(queued ? [{ version: queued.candidate, role: `which waits in rollout ${queued.id}`, advice: abortFirst }] : []),
  ];
}
