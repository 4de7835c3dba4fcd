import type { Json } from '#core/json';
import type { PlatformEvent } from '#platform/events';
import { aliasMoved, evidenceAdded, modelChanged, stageMoved, versionChanged, versionRegistered } from '#registry';
import { gateDecided } from '../events.ts';

/**
 * What a webhook can be told of: an entity and what happened to it. The first block is MLflow's, word for word; MLflow
 * has no names for the second.
 */
export const HAPPENINGS = [
  'registered_model.created',
  'model_version.created',
  'model_version_tag.set',
  'model_version_tag.deleted',
  'model_version_alias.created',
  'model_version_alias.deleted',
  'prompt.created',
  'prompt_version.created',
  'prompt_tag.set',
  'prompt_tag.deleted',
  'prompt_version_tag.set',
  'prompt_version_tag.deleted',
  'prompt_alias.created',
  'prompt_alias.deleted',

  'registered_model.updated',
  'registered_model.deleted',
  'model_version.updated',
  'model_version.deleted',
  'model_version_stage.updated',
  'evidence.created',
  'approval.created',
  'gate_decision.created',
] as const;
export type HappeningName = (typeof HAPPENINGS)[number];

export interface Happening {
  readonly name: HappeningName;
  readonly data: Json;
}

/** The events of the platform that happenings come from. */
export const SOURCES: readonly string[] = [
  versionRegistered,
  versionChanged,
  modelChanged,
  aliasMoved,
  stageMoved,
  evidenceAdded,
  gateDecided,
].map(({ type }) => type);

/** What the registry knows of what an event is about, at the time when it is delivered. */
export interface Facts {
  /** Prompts are registered models with a tag, and are told of under names of their own. */
  readonly prompt: boolean;
  readonly description: string | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly version?:
    | { readonly source: string; readonly runId: string | null; readonly text: string | null }
    | undefined;
}

/** The model that an event is about, and the version where it is about one. */
export function aboutOf(event: PlatformEvent): { readonly model: string; readonly version: number | undefined } {
  const { model, version } = event.data as { model: string; version?: number };
  return { model, version };
}

/** What an event of the registry or the gate means to a webhook: nothing, one thing or several. */
export function happeningsOf(event: PlatformEvent, facts: Facts): readonly Happening[] {
  switch (event.type) {
    case modelChanged.type:
      return ofModel(event, facts);
    case versionRegistered.type:
      return ofNewVersion(event, facts);
    case versionChanged.type:
      return ofVersion(event, facts);
    case aliasMoved.type:
      return ofAlias(event, facts);
    case stageMoved.type: {
      const { model, version, from, to, by, reason } = stageMoved.read(event);
      return [
        { name: 'model_version_stage.updated', data: { name: model, version: String(version), from, to, by, reason } },
      ];
    }
    case evidenceAdded.type: {
      const { model, version, kind, passed, evidence } = evidenceAdded.read(event);
      const name = kind === 'approval' ? 'approval.created' : 'evidence.created';
      return [{ name, data: { name: model, version: String(version), kind, passed, evidence } }];
    }
    default: {
      const { model, version, transition, target, actor, allow, missing } = gateDecided.read(event);
      const data = { name: model, version: String(version), transition, target, actor, allow, missing };
      return [{ name: 'gate_decision.created', data }];
    }
  }
}

function ofModel(event: PlatformEvent, { prompt, description, tags }: Facts): Happening[] {
  const { model: name, change, tags: changed, to } = modelChanged.read(event);
  if (change === 'created') {
    return [{ name: prompt ? 'prompt.created' : 'registered_model.created', data: { name, tags, description } }];
  }
  if (change === 'deleted') return [{ name: 'registered_model.deleted', data: { name } }];
  const updated = {
    name: 'registered_model.updated',
    data: { name, description, tags: changed, renamed_to: to },
  } as const;
  return prompt ? tagHappenings(changed, { name }, ['prompt_tag.set', 'prompt_tag.deleted']) : [updated];
}

function ofNewVersion(event: PlatformEvent, { prompt, description, tags, version: known }: Facts): Happening[] {
  const { model: name, version: number, runId } = versionRegistered.read(event);
  const version = String(number);
  if (prompt) {
    return [
      { name: 'prompt_version.created', data: { name, version, template: known?.text ?? null, tags, description } },
    ];
  }
  return [
    {
      name: 'model_version.created',
      data: { name, version, source: known?.source ?? '', run_id: runId, tags, description },
    },
  ];
}

function ofVersion(event: PlatformEvent, { prompt, description }: Facts): Happening[] {
  const { model: name, version: number, change, tags } = versionChanged.read(event);
  const about = { name, version: String(number) };
  if (change === 'deleted') return [{ name: 'model_version.deleted', data: about }];
  const changed = tagHappenings(
    tags,
    about,
    prompt
      ? ['prompt_version_tag.set', 'prompt_version_tag.deleted']
      : ['model_version_tag.set', 'model_version_tag.deleted'],
  );
  return changed.length > 0 ? changed : [{ name: 'model_version.updated', data: { ...about, description } }];
}

function ofAlias(event: PlatformEvent, { prompt }: Facts): Happening[] {
  const { model: name, alias, to } = aliasMoved.read(event);
  if (to === null)
    return [{ name: prompt ? 'prompt_alias.deleted' : 'model_version_alias.deleted', data: { name, alias } }];
  const data = { name, alias, version: String(to) };
  return [{ name: prompt ? 'prompt_alias.created' : 'model_version_alias.created', data }];
}

function tagHappenings(
  tags: Readonly<Record<string, string | null>>,
  about: Readonly<Record<string, string>>,
  [set, deleted]: readonly [HappeningName, HappeningName],
): Happening[] {
  return Object.entries(tags).map(([key, value]) =>
    value === null ? { name: deleted, data: { ...about, key } } : { name: set, data: { ...about, key, value } },
  );
}
