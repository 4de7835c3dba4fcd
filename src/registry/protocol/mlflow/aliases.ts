import type { ForeignRoute } from '#platform/http';
import { mlflowErrors, mlflowRoute, wire } from '#tracking/mlflow';
import type { RegistryService } from '../../service.ts';
import { inMlflowWords, versionMessage, versionNumberOf } from './messages.ts';
import { allowed } from './models.ts';

const PATH = 'registered-models/alias';
const LENGTH_MAX = 255;

export function aliasRoutes(service: RegistryService): readonly ForeignRoute[] {
  return [
    mlflowRoute({
      major: 2,
      permission: 'registry:write',
      name: 'registered-models.set-alias',
      method: 'POST',
      path: PATH,
      audit: 'model-alias.move',
      input: { name: wire.required(), alias: wire.required(), version: wire.required(20) },
      handler: ({ name, alias, version: text }, ctx) =>
        inMlflowWords({ name, alias, version: text }, async () => {
          refuseReserved(checkedAlias(alias));
          const version = versionNumberOf(text);
          const model = await allowed(service, ctx, { name, level: 'EDIT' });
          await service.moveAlias(ctx, { model, alias, version });
          return {};
        }),
    }),
    mlflowRoute({
      major: 2,
      permission: 'registry:write',
      name: 'registered-models.delete-alias',
      method: 'DELETE',
      path: PATH,
      audit: 'model-alias.remove',
      input: { name: wire.required(), alias: wire.required() },
      handler: ({ name, alias }, ctx) =>
        inMlflowWords({ name, alias }, async () => {
          checkedAlias(alias);
          const model = await allowed(service, ctx, { name, level: 'EDIT' });
          await service.removeAlias(ctx, { model, alias, reason: '' });
          return {};
        }),
    }),
    mlflowRoute({
      major: 2,
      permission: 'registry:read',
      name: 'registered-models.get-by-alias',
      method: 'GET',
      path: PATH,
      reads: true,
      input: { name: wire.required(), alias: wire.required() },
      handler: ({ name, alias }, ctx) =>
        inMlflowWords({ name, alias }, async () => {
          checkedAlias(alias);
          const model = await allowed(service, ctx, { name, level: 'READ' });
          const version = alias.toLowerCase() === 'latest' ? newest(service, model) : undefined;
          return { model_version: versionMessage(await (version ?? service.versionByAlias(model, alias))) };
        }),
    }),
  ];
}

async function newest(service: RegistryService, model: string) {
  const [version] = (await service.listVersions(model, { limit: 1 })).items;
  if (version) return version;
  throw mlflowErrors.RESOURCE_DOES_NOT_EXIST(`Latest version not found for model ${model}.`);
}

function checkedAlias(alias: string): string {
  if (!/^[\p{L}\p{N}_-]*$/u.test(alias)) {
    throw mlflowErrors.INVALID_PARAMETER_VALUE(
      `Invalid alias name: '${alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-).`,
    );
  }
  if (alias.length <= LENGTH_MAX) return alias;
  throw mlflowErrors.INVALID_PARAMETER_VALUE(
    `Registered model alias name exceeds the maximum length of ${LENGTH_MAX} characters`,
  );
}

function refuseReserved(alias: string): void {
  if (alias.toLowerCase() === 'latest') {
    throw mlflowErrors.INVALID_PARAMETER_VALUE("'latest' alias name (case insensitive) is reserved.");
  }
  if (/^v\d+$/i.test(alias)) {
    throw mlflowErrors.INVALID_PARAMETER_VALUE(`Version alias name '${alias}' is reserved.`);
  }
}
