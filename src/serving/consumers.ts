import { KedgeError, messageOf } from '#core/errors';
import type { Context } from '#platform/db';
import type { Consumer } from '#platform/events';
import { versionRegistered } from '#registry';
import type { ServingDeps } from './deps.ts';
import { comparisonBlock, currentChanged, rolloutFinished } from './events.ts';
import { MODEL_GRAPH, type ModelGraphs } from './model-graphs/model-graphs.ts';
import type { ServingService } from './service.ts';

/** Each event that starts something counts one step further from the person at the beginning. */
const systemContext = (action: string): Context => ({ actor: { id: 'system:serving', roles: ['system'] }, action });

export function servingConsumers(service: ServingService, graphs: ModelGraphs, deps: ServingDeps): readonly Consumer[] {
  const { logger, versions } = deps;

  /** Leaves a refusal in the log: an expected failure would be the same however often it were tried. */
  async function attempt(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof KedgeError) || error.status >= 500) throw error;
      logger.warn({ code: error.code }, `${what}: ${messageOf(error)}`);
    }
  }

  return [
    {
      name: 'serving.challengers',
      types: [versionRegistered.type],
      async effect(event) {
        const { model, version, cause } = versionRegistered.read(event);
        for (const { name, spec } of await service.endpoints()) {
          if (spec.model !== model || spec.challengers !== 'automatic') continue;
          const request = { endpoint: name, version, cause: { ...cause, depth: cause.depth + 1 } };
          await attempt(`rollout of ${model}@${version} on '${name}'`, () =>
            service.challenge(systemContext('rollout.start'), request),
          );
        }
      },
    },
    {
      name: 'serving.comparison',
      types: [comparisonBlock.type],
      action: 'rollout.decide',
      handle: (tx, event) => service.onBlock(tx, event),
    },
    {
      name: 'serving.champion',
      types: [currentChanged.type],
      async effect(event) {
        const { model, version, alias, endpoint } = currentChanged.read(event);
        const reason = `current revision of endpoint '${endpoint}'`;
        await attempt(`alias '${alias}' of ${model}`, () =>
          versions.moveAlias(systemContext('alias.move'), { model, alias, version, reason }),
        );
      },
    },
    {
      name: 'serving.queue',
      types: [rolloutFinished.type],
      async effect(event) {
        const { endpoint } = rolloutFinished.read(event);
        await attempt(`waiting rollout of '${endpoint}'`, () =>
          service.startQueued(systemContext('rollout.start'), endpoint),
        );
      },
    },
    {
      name: 'serving.declarations',
      types: ['resource.applied'],
      async effect(event) {
        const [kind, name = ''] = event.subject.split('/');
        if (kind === 'feature-view') await attempt(`features of '${name}'`, () => service.onViewApplied(name));
        if (kind === MODEL_GRAPH) await graphs.register(systemContext('version.register'), name);
        if (kind !== 'endpoint') return;
        await attempt(`endpoint '${name}'`, () => service.onEndpointApplied(systemContext('rollout.start'), name));
      },
    },
  ];
}
