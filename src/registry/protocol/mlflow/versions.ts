import type { ForeignRoute, RequestContext } from '#platform/http';
import { mlflowErrors, mlflowRoute, wire } from '#tracking/mlflow';
import { OWN_TAGS } from '../../model.ts';
import type { RegistryService } from '../../service.ts';
import type { Stage } from '../../shapes.ts';
import { parseSource } from '../../sources.ts';
import type { VersionKey } from '../../store/tables.ts';
import {
  canonicalStage,
  description,
  filtering,
  inMlflowWords,
  mlflowStage,
  STAGES_OF,
  tagList,
  tagsOf,
  versionMessage,
  versionNumberOf,
} from './messages.ts';
import { allowed, isVisible } from './models.ts';
import { versionUri } from './version-files.ts';

const SEARCHED_MAX = 200_000;
const ACTIVE_STAGES = ['Staging', 'Production'];
const SEMANTIC_TAG = `${OWN_TAGS}semantic_version`;

const named = { name: wire.required(), version: wire.required(20) };

export function versionRoutes(service: RegistryService): readonly ForeignRoute[] {
  return [create(service), transition(service), ...changes(service), ...reads(service)];
}

function create(service: RegistryService): ForeignRoute {
  return mlflowRoute({
    major: 2,
    permission: 'registry:write',
    name: 'model-versions.create',
    method: 'POST',
    path: 'model-versions/create',
    audit: 'model-version.register',
    input: {
      name: wire.required(),
      source: wire.required(10_000),
      run_id: wire.string(256).optional(),
      tags: tagList(),
      run_link: wire.string(2_000).default(''),
      description: description(),
      model_id: wire.string(256).optional(),
    },
    handler: ({ name, source, tags: list, description: text = '', ...rest }, ctx) =>
      inMlflowWords({ name }, async () => {
        const model = await allowed(service, ctx, { name, level: 'EDIT' });
        const { [SEMANTIC_TAG]: told, ...all } = tagsOf(list);
        // A copy arrives with what the registry says about its source, which is not said about the copy.
        const isCopy = parseSource(source).kind === 'version';
        const semanticVersion = isCopy ? undefined : told;
        const tags = isCopy
          ? Object.fromEntries(Object.entries(all).filter(([key]) => !key.startsWith(OWN_TAGS)))
          : all;
        const version = await service.registerFromSource(ctx, {
          ...{ model, source, tags, description: text },
          runLink: rest.run_link,
          run: rest.run_id || undefined,
          modelId: rest.model_id || undefined,
          ...(semanticVersion === undefined ? {} : { semanticVersion }),
        });
        return { model_version: versionMessage(version) };
      }),
  });
}

function transition(service: RegistryService): ForeignRoute {
  return mlflowRoute({
    major: 2,
    permission: 'registry:write',
    name: 'model-versions.transition-stage',
    method: 'POST',
    path: 'model-versions/transition-stage',
    audit: 'model-version.set-stage',
    input: { ...named, stage: wire.required(50), archive_existing_versions: wire.boolean().default(false) },
    handler: ({ stage: asked, archive_existing_versions: archives, ...of }, ctx) =>
      inMlflowWords(of, async () => {
        const stage = canonicalStage(asked);
        if (archives && !ACTIVE_STAGES.includes(stage)) {
          throw mlflowErrors.INVALID_PARAMETER_VALUE(
            `Model version transition cannot archive existing model versions because '${asked}' is not an Active ` +
              `stage. Valid stages are ${ACTIVE_STAGES.join(', ')}`,
          );
        }
        const key = await allowedVersion(service, ctx, { ...of, level: 'EDIT' });
        const { stage: now } = await service.getVersion(key.model, key.version);
        // A version in PreProduction is in what its clients call Staging already.
        const to: Stage = mlflowStage(now) === stage ? now : STAGES_OF[stage][0];
        const version = await service.setStage(ctx, { ...key, stage: to, archive: archives ? STAGES_OF[stage] : [] });
        return { model_version: versionMessage(version) };
      }),
  });
}

function changes(service: RegistryService): ForeignRoute[] {
  const shared = { major: 2, permission: 'registry:write' } as const;
  return [
    mlflowRoute({
      ...shared,
      name: 'model-versions.update',
      method: 'PATCH',
      path: 'model-versions/update',
      audit: 'model-version.describe',
      input: { ...named, description: description() },
      handler: ({ description: text = '', ...of }, ctx) =>
        inMlflowWords(of, async () => {
          const key = await allowedVersion(service, ctx, { ...of, level: 'EDIT' });
          return { model_version: versionMessage(await service.describeVersion(ctx, key, { description: text })) };
        }),
    }),
    mlflowRoute({
      ...shared,
      name: 'model-versions.delete',
      method: 'DELETE',
      path: 'model-versions/delete',
      audit: 'model-version.delete',
      input: named,
      handler: (of, ctx) =>
        inMlflowWords(of, async () => {
          const key = await allowedVersion(service, ctx, { ...of, level: 'EDIT' });
          await service.deleteVersion(ctx, { ...key, releaseAliases: true }, '');
          return {};
        }),
    }),
    mlflowRoute({
      ...shared,
      name: 'model-versions.set-tag',
      method: 'POST',
      path: 'model-versions/set-tag',
      audit: 'model-version.describe',
      input: { ...named, key: wire.required(250), value: wire.string(100_000).default('') },
      handler: ({ key: tag, value, ...of }, ctx) =>
        inMlflowWords(of, async () => {
          const key = await allowedVersion(service, ctx, { ...of, level: 'EDIT' });
          await service.describeVersion(ctx, key, { tags: { [tag]: value } });
          return {};
        }),
    }),
    mlflowRoute({
      ...shared,
      name: 'model-versions.delete-tag',
      method: 'DELETE',
      path: 'model-versions/delete-tag',
      audit: 'model-version.describe',
      input: { ...named, key: wire.required(250) },
      handler: ({ key: tag, ...of }, ctx) =>
        inMlflowWords(of, async () => {
          const key = await allowedVersion(service, ctx, { ...of, level: 'EDIT' });
          await service.describeVersion(ctx, key, { tags: { [tag]: null } });
          return {};
        }),
    }),
  ];
}

function reads(service: RegistryService): ForeignRoute[] {
  const shared = { major: 2, permission: 'registry:read', method: 'GET', reads: true } as const;
  return [
    mlflowRoute({
      ...shared,
      name: 'model-versions.get',
      path: 'model-versions/get',
      input: named,
      handler: (of, ctx) =>
        inMlflowWords(of, async () => {
          const key = await allowedVersion(service, ctx, { ...of, level: 'READ' });
          return { model_version: versionMessage(await service.getVersion(key.model, key.version)) };
        }),
    }),
    mlflowRoute({
      ...shared,
      name: 'model-versions.get-download-uri',
      path: 'model-versions/get-download-uri',
      input: named,
      handler: (of, ctx) =>
        inMlflowWords(of, async () => {
          const key = await allowedVersion(service, ctx, { ...of, level: 'READ' });
          return { artifact_uri: versionUri(await service.getVersion(key.model, key.version)) };
        }),
    }),
    mlflowRoute({
      ...shared,
      name: 'model-versions.search',
      path: 'model-versions/search',
      input: filtering(SEARCHED_MAX, 200_000),
      async handler({ filter, max_results: limit, order_by: orderBy, page_token: token }, ctx) {
        const page = await service.searchVersions(ctx.project, { filter, limit, orderBy, token });
        const items = page.items.filter((version) => isVisible(ctx, version.model));
        return { model_versions: items.map(versionMessage), next_page_token: page.next };
      },
    }),
  ];
}

/** A version that is not deleted, of a model that the caller has a level on. */
async function allowedVersion(
  service: RegistryService,
  ctx: RequestContext,
  of: { readonly name: string; readonly version: string; readonly level: 'READ' | 'EDIT' },
): Promise<VersionKey> {
  const version = versionNumberOf(of.version);
  const model = await allowed(service, ctx, of);
  await service.requireLive(model, version);
  return { model, version };
}
