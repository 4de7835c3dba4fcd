import type { ResourceKind } from '#platform/resources';
import { changeRouting } from './change.ts';
import { deleteGolden } from './checks/store.ts';
import { type EndpointSpec, endpointSpec } from './contract.ts';
import { servingErrors } from './errors.ts';
import { refuseLostFeatures } from './feature-needs.ts';
import { type ModelGraphSpec, modelGraphSpec } from './model-graphs/graph-spec.ts';
import { MODEL_GRAPH } from './model-graphs/model-graphs.ts';
import { end } from './start.ts';
import { activeRollout, deleteEndpoint, findEndpoint, queuedRollout, saveEndpoint } from './store.ts';

const endpointKind: ResourceKind<EndpointSpec> = {
  kind: 'endpoint',
  schema: endpointSpec,
  references: (spec) => spec.features?.views.map((name) => ({ kind: 'feature-view', name })) ?? [],
  async onApply(tx, { name, spec, previous }) {
    if (previous && previous.model !== spec.model) {
      throw servingErrors['model-fixed'](`endpoint '${name}' serves '${previous.model}': declare another endpoint`);
    }
    await saveEndpoint(tx.db, name, spec);
    const endpoint = await findEndpoint(tx.db, name);
    if (endpoint?.current) await changeRouting(tx);
  },
  check: refuseLostFeatures,
  async onDelete(tx, name) {
    const sentence = 'The endpoint was deleted; the rollout is aborted.';
    for (const rollout of [await activeRollout(tx.db, name), await queuedRollout(tx.db, name)]) {
      if (rollout) await end(tx, rollout, { stage: 'aborted', sentence, by: 'system:serving' });
    }
    await deleteGolden(tx.db, name);
    await deleteEndpoint(tx.db, name);
    await changeRouting(tx);
  },
};

/** What was registered of it stays when it is deleted. */
const modelGraphKind: ResourceKind<ModelGraphSpec> = { kind: MODEL_GRAPH, schema: modelGraphSpec };

export const servingKinds: readonly ResourceKind[] = [endpointKind as ResourceKind, modelGraphKind as ResourceKind];
