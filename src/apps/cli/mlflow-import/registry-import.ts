import { digestOfJson } from '#core/hash';
import type { Json } from '#core/json';
import { type SourceRegisteredModel, type SourceVersion, textsOf } from './source.ts';
import type { ImportPlan } from './tracking-import.ts';

/** Tags that the registry here keeps itself; another Kedge shows its own under this prefix. */
const OWN_TAGS = 'kedge.';
const STAGES = ['None', 'Staging', 'Production', 'Archived'] as const;

/** Brings in a registered model with its versions, aliases and tags, in the order of the versions. */
export async function importRegisteredModel(plan: ImportPlan, model: SourceRegisteredModel): Promise<void> {
  const { source, target, report, tell } = plan;
  report.registeredModels.found += 1;
  const versions = await source.versions(model);
  report.versions.found += versions.length;
  const digest = digestOfJson(JSON.parse(JSON.stringify({ model: said(model), versions })) as Json);
  const params = { model: model.name };
  const { state, digest: before } = await target.kedge.registry.getModelImport({ params });
  const found = state === 'none' ? 'made' : before === digest ? 'same' : 'resumed';
  report.registeredModels[found] += 1;
  if (found === 'same') return;
  if (plan.dryRun) {
    if (found === 'made') report.versions.made += versions.length;
    return;
  }
  const createdAt = model.creation_timestamp ?? 0;
  await target.kedge.registry.importModel({
    params,
    body: { source: source.name, author: model.user_id ?? '', createdAt, ...describedAs(model) },
  });
  for (const version of versions) {
    const { made, held } = await target.kedge.registry.importVersion({ params, body: sentVersion(version) });
    if (made) report.versions.made += 1;
    noteHeld(plan, `version ${version.version} of '${model.name}'`, held);
  }
  const here = new Set(versions.map(({ version }) => Number(version)));
  const aliases = (model.aliases ?? []).map(({ alias, version }) => [alias, Number(version)] as const);
  const body = {
    aliases: Object.fromEntries(aliases.filter(([, version]) => here.has(version))),
    updatedAt: model.last_updated_timestamp ?? createdAt,
    digest,
  };
  const { held } = await target.kedge.registry.finishModelImport({ params, body });
  noteHeld(plan, `model '${model.name}'`, held);
  tell(`registered model '${model.name}': ${versions.length} versions`);
}

function sentVersion(version: SourceVersion) {
  const createdAt = version.creation_timestamp ?? 0;
  const stage = STAGES.find((one) => one === version.current_stage) ?? 'None';
  return {
    version: Number(version.version),
    author: version.user_id ?? '',
    createdAt,
    updatedAt: version.last_updated_timestamp ?? createdAt,
    from: placeOf(version),
    stage,
    runLink: version.run_link ?? '',
    ...(version.run_id ? { run: version.run_id } : {}),
    ...(version.model_id ? { modelId: version.model_id } : {}),
    ...describedAs(version),
  };
}

function describedAs({ description = '', tags = [] }: Pick<SourceVersion, 'description' | 'tags'>) {
  return { description, tags: textsOf(tags.filter(({ key }) => !key.startsWith(OWN_TAGS))) };
}

/**
 * Where the files of a version are here. Wherever the source keeps them, a path that ends in MLflow's layout says which
 * run or logged model they are of, and those keep their ids.
 */
export function placeOf({ source = '', run_id: run, model_id: model }: SourceVersion): string {
  if (/^(models|runs):/.test(source)) return source;
  const ofModel = /\/models\/(m-[\w-]+)\/artifacts\/?$/.exec(source)?.[1] ?? (run ? undefined : model);
  if (ofModel) return `models:/${ofModel}`;
  const marker = `/${run}/artifacts`;
  const at = run ? source.indexOf(marker) : -1;
  const below = source.slice(at + marker.length).replace(/^\/+|\/+$/g, '');
  return at < 0 ? source : `runs:/${run}/${below}`;
}

/** What the gate of this server is to be asked about is told, and is no failure. */
function noteHeld({ report, tell }: ImportPlan, what: string, held: readonly string[]): void {
  for (const one of held) {
    report.held.push({ what, why: one });
    tell(`${what} did not get ${one}: here the gate is asked about it`);
  }
}

/** The newest versions are told of with the model; they are looked at by themselves. */
function said(model: SourceRegisteredModel) {
  const { name, creation_timestamp, last_updated_timestamp, user_id, description, tags, aliases } = model;
  return { name, creation_timestamp, last_updated_timestamp, user_id, description, tags, aliases };
}
