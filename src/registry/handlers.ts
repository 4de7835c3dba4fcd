import { type RouteGroup, routeGroup } from '#platform/http';
import { registryContract } from './contract.ts';
import type { RegistryService } from './service.ts';

export function registryHandlers(service: RegistryService): RouteGroup {
  return routeGroup(registryContract, {
    listModels: async ({ query }) => sent(await service.listModels(query)),
    getModel: ({ params }) => service.getModel(params.model),
    describeModel: ({ params, body }, ctx) => service.describeModel(ctx, params.model, body.description),
    protectAliases: ({ params, body }, ctx) => service.protectAliases(ctx, params.model, body.aliases),
    modelHistory: async ({ params, query }) => sent(await service.modelHistory(params.model, query)),
    registerVersion: ({ params, body }, ctx) => service.registerVersion(ctx, { ...body, ...params }),
    listVersions: async ({ params, query }) => {
      const deleted = query.deleted === 'true';
      return sent(await service.listVersions(params.model, { ...query, deleted }));
    },
    getVersion: ({ params }) => service.getVersion(params.model, params.version),
    describeVersion: ({ params, body }, ctx) => service.describeVersion(ctx, params, body),
    deleteVersion: ({ params, query }, ctx) => service.deleteVersion(ctx, params, query.reason),
    versionHistory: async ({ params, query }) =>
      sent(await service.versionHistory(params.model, params.version, query)),
    versionArtifact: ({ params, query }) => service.versionArtifact(params.model, params.version, query.path),
    listEvidence: async ({ params, query }) => ({
      items: await service.evidence(params.model, params.version, query.kind),
    }),
    addEvidence: ({ params, body }, ctx) => service.addEvidence(ctx, params, body),
    approveVersion: ({ params, body }, ctx) => service.approve(ctx, params, body),
    versionByAlias: ({ params }) => service.versionByAlias(params.model, params.alias),
    moveAlias: ({ params, body }, ctx) => service.moveAlias(ctx, { ...params, ...body }),
    removeAlias: async ({ params, query }, ctx) => ({
      removed: await service.removeAlias(ctx, { ...params, ...query }),
    }),
    aliasHistory: async ({ params, query }) => sent(await service.aliasHistory(params.model, params.alias, query)),
  });
}

function sent<T>(page: { readonly items: readonly T[]; readonly next?: string | undefined }) {
  return { items: [...page.items], next: page.next };
}
