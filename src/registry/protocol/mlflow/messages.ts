import { KedgeError } from '#core/errors';
import { mlflowErrors, wire } from '#tracking/mlflow';
import { OWN_TAGS, partsOfKey } from '../../model.ts';
import { type ModelVersion, modelNameSchema, type RegisteredModel, type Stage, TAG_CHARS_MAX } from '../../shapes.ts';
import { PROMPT_TAG } from '../../store/search.ts';

export const MLFLOW_STAGES = ['None', 'Staging', 'Production', 'Archived'] as const;
export type MlflowStage = (typeof MLFLOW_STAGES)[number];

/** What a stage of ours is called by clients that know four. */
const MLFLOW_STAGE: Readonly<Record<Stage, MlflowStage>> = {
  Proposal: 'None',
  Development: 'None',
  QA: 'Staging',
  PreProduction: 'Staging',
  Production: 'Production',
  Archived: 'Archived',
};

export const mlflowStage = (stage: Stage): MlflowStage => MLFLOW_STAGE[stage];

/** The stages of ours that clients see as one of theirs; the first is where they move a version to. */
export const STAGES_OF: Readonly<Record<MlflowStage, readonly [Stage, ...Stage[]]>> = {
  None: ['Development', 'Proposal'],
  Staging: ['QA', 'PreProduction'],
  Production: ['Production'],
  Archived: ['Archived'],
};

/** MLflow's stage of any case. Errors: `INVALID_PARAMETER_VALUE` in MLflow's words. */
export function canonicalStage(text: string): MlflowStage {
  const stage = MLFLOW_STAGES.find((one) => one.toLowerCase() === text.toLowerCase());
  if (stage) return stage;
  const known = MLFLOW_STAGES.join(', ');
  throw mlflowErrors.INVALID_PARAMETER_VALUE(`Invalid Model Version stage: ${text}. Value must be one of ${known}.`);
}

/** Fields that several requests have. */
export const tagList = () =>
  wire.list(wire.message({ key: wire.required(250), value: wire.string(TAG_CHARS_MAX).default('') }), 100).default([]);
export const description = () => wire.string(100_000).optional();
export const filtering = (max: number, initial: number) => ({
  filter: wire.string(100_000).default(''),
  max_results: wire.int64({ min: 0, max }).default(initial),
  order_by: wire.list(wire.string(1_000), 20).default([]),
  page_token: wire.string(10_000).default(''),
});

/** A name as MLflow takes it, with its words for one that is not. */
export function checkedName(name: string): string {
  if (/[/:]/.test(name)) {
    throw mlflowErrors.INVALID_PARAMETER_VALUE(`Invalid model name '${name}'. Names cannot contain '/' or ':'.`);
  }
  const parsed = modelNameSchema.safeParse(name);
  if (parsed.success) return name;
  throw mlflowErrors.INVALID_PARAMETER_VALUE(`Invalid model name '${name}': ${parsed.error.issues[0]?.message}.`);
}

export function versionNumberOf(text: string): number {
  if (/^\d{1,15}$/.test(text) && Number(text) > 0) return Number(text);
  throw mlflowErrors.INVALID_PARAMETER_VALUE(`Model version must be an integer, got '${text}'`);
}

export const tagsOf = (list: readonly { readonly key: string; readonly value: string }[]): Record<string, string> =>
  Object.fromEntries(list.map(({ key, value }) => [key, value]));

const sentTags = (tags: Readonly<Record<string, string>>) =>
  Object.entries(tags).map(([key, value]) => ({ key, value }));

export function versionMessage(version: ModelVersion): object {
  const isPrompt = version.tags[PROMPT_TAG] === 'true';
  const own = {
    [`${OWN_TAGS}digest`]: version.digest,
    [`${OWN_TAGS}semantic_version`]: version.semanticVersion,
    [`${OWN_TAGS}stage`]: version.stage,
    [`${OWN_TAGS}stage_status`]: version.stageStatus,
  };
  return {
    name: partsOfKey(version.model).name,
    version: String(version.version),
    creation_timestamp: version.createdAt,
    last_updated_timestamp: version.updatedAt,
    user_id: version.author ?? version.createdBy,
    current_stage: mlflowStage(version.stage),
    description: version.description || undefined,
    source: version.source,
    run_id: version.runId ?? undefined,
    run_link: version.runLink || undefined,
    model_id: version.modelId ?? undefined,
    status: version.status === 'ready' ? 'READY' : 'FAILED_REGISTRATION',
    status_message: version.statusMessage || undefined,
    tags: sentTags(isPrompt ? version.tags : { ...version.tags, ...own }),
    aliases: version.aliases,
  };
}

export function modelMessage(model: RegisteredModel, latest: readonly ModelVersion[]): object {
  return {
    name: partsOfKey(model.name).name,
    creation_timestamp: model.createdAt,
    last_updated_timestamp: model.updatedAt,
    user_id: model.author ?? model.createdBy,
    description: model.description || undefined,
    latest_versions: latestOf(model.name, latest).map(versionMessage),
    tags: sentTags(model.tags),
    aliases: Object.entries(model.aliases).map(([alias, version]) => ({ alias, version: String(version) })),
  };
}

/** Of a model the newest version in each of MLflow's stages. */
export function latestOf(model: string, latest: readonly ModelVersion[]): ModelVersion[] {
  const newest = new Map<MlflowStage, ModelVersion>();
  for (const version of latest) {
    if (version.model !== model) continue;
    const stage = mlflowStage(version.stage);
    if (version.version > (newest.get(stage)?.version ?? 0)) newest.set(stage, version);
  }
  return [...newest.values()].sort((a, b) => a.version - b.version);
}

/** Runs `work`, and tells its failures in the words that MLflow has for them. */
export async function inMlflowWords<T>(
  of: { readonly name: string; readonly version?: string | number; readonly alias?: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof KedgeError)) throw error;
    switch (error.code) {
      case 'registry/model-not-found':
      case 'access/not-found':
        throw mlflowErrors.RESOURCE_DOES_NOT_EXIST(`Registered Model with name=${of.name} not found`);
      case 'registry/version-not-found':
      case 'registry/version-deleted': {
        const { name, version = '' } = of;
        throw mlflowErrors.RESOURCE_DOES_NOT_EXIST(`Model Version (name=${name}, version=${version}) not found`);
      }
      case 'registry/model-exists':
        throw mlflowErrors.RESOURCE_ALREADY_EXISTS(`Registered Model (name=${of.name}) already exists.`);
      case 'registry/alias-not-found':
        throw mlflowErrors.INVALID_PARAMETER_VALUE(`Registered model alias ${of.alias ?? ''} not found.`);
      default:
        throw error;
    }
  }
}
