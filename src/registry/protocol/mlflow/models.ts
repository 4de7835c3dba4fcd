import type { ForeignRoute, RequestContext } from '#platform/http';
import { mlflowRoute, wire } from '#tracking/mlflow';
import { modelKey, partsOfKey } from '../../model.ts';
import type { RegistryService } from '../../service.ts';
import {
  canonicalStage,
  checkedName,
  description,
  filtering,
  inMlflowWords,
  latestOf,
  mlflowStage,
  modelMessage,
  tagList,
  tagsOf,
  versionMessage,
} from './messages.ts';

const SEARCHED_MAX = 1_000;

type Level = 'READ' | 'EDIT' | 'MANAGE';

/** The key of a model that the caller has a level on; whoever made it may manage it. */
export async function allowed(
  service: RegistryService,
  ctx: RequestContext,
  { name, level }: { readonly name: string; readonly level: Level },
): Promise<string> {
  const key = modelKey(ctx.project, checkedName(name));
  const { createdBy } = await service.getModel(key);
  ctx.access.require(`model/${name}`, level, createdBy);
  return key;
}

export function modelRoutes(service: RegistryService): readonly ForeignRoute[] {
  return [...changes(service), ...tags(service), ...reads(service)];
}

function changes(service: RegistryService): ForeignRoute[] {
  const shared = { major: 2, permission: 'registry:write' } as const;
  return [
    mlflowRoute({
      ...shared,
      name: 'registered-models.create',
      method: 'POST',
      path: 'registered-models/create',
      audit: 'model.create',
      input: { name: wire.required(), tags: tagList(), description: description() },
      async handler({ name, tags, description: text = '' }, ctx) {
        const model = modelKey(ctx.project, checkedName(name));
        ctx.access.requireProject('EDIT');
        const draft = { model, description: text, tags: tagsOf(tags) };
        const made = await inMlflowWords({ name }, () => service.createModel(ctx, draft));
        return { registered_model: modelMessage(made, []) };
      },
    }),
    mlflowRoute({
      ...shared,
      name: 'registered-models.update',
      method: 'PATCH',
      path: 'registered-models/update',
      audit: 'model.describe',
      input: { name: wire.required(), description: description() },
      handler: ({ name, description: text = '' }, ctx) =>
        inMlflowWords({ name }, async () => {
          const key = await allowed(service, ctx, { name, level: 'EDIT' });
          await service.describeModel(ctx, key, { description: text });
          return { registered_model: await found(service, key) };
        }),
    }),
    mlflowRoute({
      ...shared,
      name: 'registered-models.rename',
      method: 'POST',
      path: 'registered-models/rename',
      audit: 'model.rename',
      input: { name: wire.required(), new_name: wire.required() },
      async handler({ name, new_name }, ctx) {
        const key = await inMlflowWords({ name }, () => allowed(service, ctx, { name, level: 'MANAGE' }));
        const renamed = () => service.renameModel(ctx, key, checkedName(new_name));
        const model = await inMlflowWords({ name: new_name }, renamed);
        return { registered_model: await found(service, model.name) };
      },
    }),
    mlflowRoute({
      ...shared,
      name: 'registered-models.delete',
      method: 'DELETE',
      path: 'registered-models/delete',
      audit: 'model.delete',
      input: { name: wire.required() },
      handler: ({ name }, ctx) =>
        inMlflowWords({ name }, async () => {
          await service.deleteModel(ctx, await allowed(service, ctx, { name, level: 'MANAGE' }), '');
          return {};
        }),
    }),
  ];
}

function tags(service: RegistryService): ForeignRoute[] {
  const shared = { major: 2, permission: 'registry:write', audit: 'model.describe' } as const;
  return [
    mlflowRoute({
      ...shared,
      name: 'registered-models.set-tag',
      method: 'POST',
      path: 'registered-models/set-tag',
      input: { name: wire.required(), key: wire.required(250), value: wire.string(100_000).default('') },
      handler: ({ name, key, value }, ctx) =>
        inMlflowWords({ name }, async () => {
          const model = await allowed(service, ctx, { name, level: 'EDIT' });
          await service.describeModel(ctx, model, { tags: { [key]: value } });
          return {};
        }),
    }),
    mlflowRoute({
      ...shared,
      name: 'registered-models.delete-tag',
      method: 'DELETE',
      path: 'registered-models/delete-tag',
      input: { name: wire.required(), key: wire.required(250) },
      handler: ({ name, key }, ctx) =>
        inMlflowWords({ name }, async () => {
          const model = await allowed(service, ctx, { name, level: 'EDIT' });
          await service.describeModel(ctx, model, { tags: { [key]: null } });
          return {};
        }),
    }),
  ];
}

function reads(service: RegistryService): ForeignRoute[] {
  const shared = { major: 2, permission: 'registry:read', reads: true } as const;
  const latest = (method: 'GET' | 'POST') =>
    mlflowRoute({
      ...shared,
      name: 'registered-models.get-latest-versions',
      method,
      path: 'registered-models/get-latest-versions',
      input: { name: wire.required(), stages: wire.list(wire.string(50), 100).default([]) },
      handler: ({ name, stages }, ctx) =>
        inMlflowWords({ name }, async () => {
          const wanted = stages.map(canonicalStage);
          const key = await allowed(service, ctx, { name, level: 'READ' });
          const versions = latestOf(key, await service.latestVersions([key]));
          const shown = versions.filter(({ stage }) => wanted.length === 0 || wanted.includes(mlflowStage(stage)));
          return { model_versions: shown.map(versionMessage) };
        }),
    });
  return [
    latest('GET'),
    latest('POST'),
    mlflowRoute({
      ...shared,
      name: 'registered-models.get',
      method: 'GET',
      path: 'registered-models/get',
      input: { name: wire.required() },
      handler: ({ name }, ctx) =>
        inMlflowWords({ name }, async () => ({
          registered_model: await found(service, await allowed(service, ctx, { name, level: 'READ' })),
        })),
    }),
    mlflowRoute({
      ...shared,
      name: 'registered-models.search',
      method: 'GET',
      path: 'registered-models/search',
      input: filtering(SEARCHED_MAX, 100),
      async handler({ filter, max_results: limit, order_by: orderBy, page_token: token }, ctx) {
        const page = await service.searchModels(ctx.project, { filter, limit, orderBy, token });
        const items = page.items.filter((model) => isVisible(ctx, model.name));
        const versions = await service.latestVersions(items.map((model) => model.name));
        const shown = items.map((model) => modelMessage(model, versions));
        return { registered_models: shown, next_page_token: page.next };
      },
    }),
  ];
}

/** Whoever has only single models in a project sees those; a page may then have fewer than were asked for. */
export function isVisible(ctx: RequestContext, key: string): boolean {
  const visible = ctx.access.visible('model');
  return visible === 'all' || visible.has(partsOfKey(key).name);
}

async function found(service: RegistryService, key: string): Promise<object> {
  return modelMessage(await service.getModel(key), await service.latestVersions([key]));
}
