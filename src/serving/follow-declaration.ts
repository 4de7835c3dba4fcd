import { messageOf } from '#core/errors';
import type { Context } from '#platform/db';
import { changeRouting } from './change.ts';
import type { ServingDeps } from './deps.ts';
import { servableArm } from './servable-arm.ts';
import { featurePlan, requireEndpoint } from './start.ts';
import { type Endpoint, findEndpoint, findRevision, saveRevision, updateEndpoint } from './store.ts';

/** Notes the versions of other models that stand in for the endpoint's. One that cannot be served is left out. */
export async function learnFallbacks(deps: ServingDeps, context: Context, { spec }: Endpoint): Promise<void> {
  const { db, logger } = deps;
  for (const fallback of spec.protection?.fallbacks ?? []) {
    if (fallback.by !== 'model') continue;
    const { model, version } = fallback;
    if (await findRevision(db.reader, model, version)) continue;
    try {
      const arm = await servableArm(deps, model, version);
      await db.react(context, async (tx) => {
        await saveRevision(tx.db, arm);
        await changeRouting(tx);
      });
    } catch (error) {
      logger.warn({ model, version }, `cannot stand in: ${messageOf(error)}`);
    }
  }
}

/** Looks up anew what an endpoint reads of feature views. */
export async function refreshFeatures(deps: ServingDeps, name: string): Promise<void> {
  const { db } = deps;
  const features = await featurePlan(deps, await requireEndpoint(db.reader, name));
  await db.maintain(async (tx) => {
    const endpoint = await findEndpoint(tx.db, name);
    if (!endpoint?.current || JSON.stringify(endpoint.features) === JSON.stringify(features)) return;
    await updateEndpoint(tx.db, name, { features });
    await changeRouting(tx);
  });
}
