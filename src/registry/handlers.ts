import { type RequestContext, type RouteGroup, routeGroup } from '#platform/http';
import { registryContract } from './contract.ts';
import type { ModelImportService } from './imports/service.ts';
import { modelKey, partsOfKey } from './model.ts';
import type { RegistryService } from './service.ts';
import type { ModelVersion, RegisteredModel } from './shapes.ts';

export function registryHandlers(service: RegistryService, imports: ModelImportService): RouteGroup {
  return routeGroup(registryContract, {
    ...modelHandlers(service),
    ...versionHandlers(service),
    ...importHandlers(imports),
  });
}

function importHandlers(imports: ModelImportService) {
  const handlers: Pick<Handled, ImportRoutes> = {
    getModelImport: ({ params }, ctx) => imports.state(ctx, keyOf(ctx, params.model)),
    importModel: ({ params, body }, ctx) => imports.model(ctx, keyOf(ctx, params.model), body),
    importVersion: ({ params, body }, ctx) => imports.version(ctx, keyOf(ctx, params.model), body),
    finishModelImport: ({ params, body }, ctx) => imports.finish(ctx, keyOf(ctx, params.model), body),
  };
  return handlers;
}

function modelHandlers(service: RegistryService) {
  const handlers: Pick<Handled, ModelRoutes> = {
    createModel: async ({ body: { name, ...body } }, ctx) =>
      shownModel(await service.createModel(ctx, { model: keyOf(ctx, name), ...body })),
    listModels: async ({ query }, ctx) => sent(await listed(service, query, ctx), shownModel),
    getModel: async ({ params }, ctx) => shownModel(await service.getModel(keyOf(ctx, params.model))),
    describeModel: async ({ params, body }, ctx) =>
      shownModel(await service.describeModel(ctx, keyOf(ctx, params.model), body)),
    renameModel: async ({ params, body }, ctx) =>
      shownModel(await service.renameModel(ctx, keyOf(ctx, params.model), body.name)),
    async deleteModel({ params, query }, ctx) {
      const model = keyOf(ctx, params.model);
      const found = await service.getModel(model);
      await service.deleteModel(ctx, model, query.reason);
      return shownModel((await service.findModel(model)) ?? found);
    },
    protectAliases: async ({ params, body }, ctx) =>
      shownModel(await service.protectAliases(ctx, keyOf(ctx, params.model), body.aliases)),
    modelHistory: async ({ params, query }, ctx) =>
      sent(await service.modelHistory(keyOf(ctx, params.model), query), same),
    versionByAlias: async ({ params }, ctx) =>
      shownVersion(await service.versionByAlias(keyOf(ctx, params.model), params.alias)),
    moveAlias: async ({ params, body }, ctx) =>
      shownVersion(await service.moveAlias(ctx, { ...inProject(ctx, params), ...body })),
    removeAlias: async ({ params, query }, ctx) => ({
      removed: await service.removeAlias(ctx, { ...inProject(ctx, params), ...query }),
    }),
    aliasHistory: async ({ params, query }, ctx) =>
      sent(await service.aliasHistory(keyOf(ctx, params.model), params.alias, query), same),
  };
  return handlers;
}

function versionHandlers(service: RegistryService) {
  const handlers: Omit<Handled, ModelRoutes | ImportRoutes> = {
    registerVersion: async ({ params, body }, ctx) =>
      shownVersion(await service.registerSent(ctx, { ...body, ...inProject(ctx, params) })),
    registerFromSource: async ({ params, body }, ctx) =>
      shownVersion(await service.registerFromSource(ctx, { ...body, ...inProject(ctx, params) })),
    listVersions: async ({ params, query }, ctx) => {
      const filter = { ...query, deleted: query.deleted === 'true' };
      return sent(await service.listVersions(keyOf(ctx, params.model), filter), shownVersion);
    },
    getVersion: async ({ params }, ctx) =>
      shownVersion(await service.getVersion(keyOf(ctx, params.model), params.version)),
    describeVersion: async ({ params, body }, ctx) =>
      shownVersion(await service.describeVersion(ctx, inProject(ctx, params), body)),
    deleteVersion: async ({ params, query }, ctx) =>
      shownVersion(await service.deleteVersion(ctx, inProject(ctx, params), query.reason)),
    versionHistory: async ({ params, query }, ctx) =>
      sent(await service.versionHistory(keyOf(ctx, params.model), params.version, query), same),
    versionArtifact: ({ params, query }, ctx) =>
      service.versionArtifact(keyOf(ctx, params.model), params.version, query.path),
    setStage: async ({ params, body: { archiveOthers, ...body } }, ctx) => {
      const archive = archiveOthers ? [body.stage] : [];
      return shownVersion(await service.setStage(ctx, { ...inProject(ctx, params), ...body, archive }));
    },
    stageHistory: async ({ params, query }, ctx) =>
      sent(await service.stageHistory(inProject(ctx, params), query), same),
    listEvidence: async ({ params, query }, ctx) => ({
      items: await service.evidence(keyOf(ctx, params.model), params.version, query.kind),
    }),
    addEvidence: ({ params, body }, ctx) => service.addEvidence(ctx, inProject(ctx, params), body),
    approveVersion: ({ params, body }, ctx) => service.approve(ctx, inProject(ctx, params), body),
  };
  return handlers;
}

type Handled = Parameters<typeof routeGroup<typeof registryContract>>[1];
type ImportRoutes = 'getModelImport' | 'importModel' | 'importVersion' | 'finishModelImport';
type ModelRoutes =
  | 'createModel'
  | 'listModels'
  | 'getModel'
  | 'describeModel'
  | 'renameModel'
  | 'deleteModel'
  | 'protectAliases'
  | 'modelHistory'
  | 'versionByAlias'
  | 'moveAlias'
  | 'removeAlias'
  | 'aliasHistory';

function keyOf(ctx: RequestContext, model: string): string {
  return modelKey(ctx.project, model);
}

/** Names in paths are names within the project of the request. */
function inProject<Params extends { readonly model: string }>(ctx: RequestContext, params: Params): Params {
  return { ...params, model: keyOf(ctx, params.model) };
}

function listed(
  service: RegistryService,
  query: { readonly filter?: string | undefined; readonly after?: string | undefined; readonly limit: number },
  { project }: RequestContext,
) {
  const { filter, after, limit } = query;
  if (filter === undefined) return service.listModels(project, { after, limit });
  return service.searchModels(project, { filter, orderBy: [], token: after, limit });
}

const shownModel = (model: RegisteredModel): RegisteredModel => ({ ...model, name: partsOfKey(model.name).name });
const shownVersion = (version: ModelVersion): ModelVersion => ({ ...version, model: partsOfKey(version.model).name });
const same = <T>(value: T): T => value;

function sent<T>(page: { readonly items: readonly T[]; readonly next?: string | undefined }, shown: (item: T) => T) {
  return { items: page.items.map(shown), next: page.next };
}
