import { auditedCause, type Cause } from '#core/cause';
import type { Context, Tx } from '#platform/db';
import { checked, registryErrors } from './errors.ts';
import { versionRegistered } from './events.ts';
import { appendEvidence, type NewEvidence } from './evidence.ts';
import {
  byPath,
  modelSubject,
  OWN_TAGS,
  VERSION_TAGS_MAX,
  type VersionContent,
  versionDigest,
  versionSubject,
} from './model.ts';
import { createModel, refuseOwnTags } from './models.ts';
import { formatSemanticVersion, nextSemanticVersion, parseSemanticVersion } from './semantic-version.ts';
import { type ModelSchema, type ModelVersion, semanticVersion as semanticVersionSchema } from './shapes.ts';
import { stageTags } from './stages.ts';
import * as models from './store/models.ts';
import type { VersionKey } from './store/tables.ts';
import * as versions from './store/versions.ts';

export interface Registration {
  readonly model: string;
  readonly content: VersionContent;
  readonly schema: ModelSchema | null;
  readonly modelId?: string | null;
  readonly source?: string;
  readonly runLink?: string;
  readonly cause?: Cause | undefined;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly evidence: readonly Pick<NewEvidence, 'kind' | 'passed' | 'data'>[];
  /** The next one that the change of the schema suggests, unless told. */
  readonly semanticVersion?: string | undefined;
  /** Of a version that is brought in from another server: who made it there, and when. */
  readonly imported?: { readonly author: string; readonly createdAt: number } | undefined;
  /** Why there is no model in it; empty for a version that is ready. */
  readonly failure?: string;
}

/**
 * Adds a version with the next number, in one transaction with its evidence. A version is in stage `Development` first.
 * Errors: `registry/semantic-version-taken`, `registry/limit`.
 */
export async function addVersion(
  tx: Tx,
  context: Context,
  registration: Registration,
  nextId: () => string,
): Promise<VersionKey> {
  const { model, content, schema, tags, description } = registration;
  refuseOwnTags(tags);
  if (Object.keys(tags).length > VERSION_TAGS_MAX) {
    throw registryErrors.limit(`a version has at most ${VERSION_TAGS_MAX} tags`);
  }
  const semantic = await semanticOf(tx, registration);
  const key = { model, version: await nextNumber(tx, context, model) };
  const digest = versionDigest(content);
  const cause: Cause = registration.cause ?? { kind: 'user', id: context.actor.id, depth: 0 };
  const status: ModelVersion['status'] = registration.failure ? 'failed' : 'ready';
  await versions.insertVersion(tx.db, {
    ...key,
    digest,
    run: content.run ?? null,
    modelId: registration.modelId ?? null,
    source: registration.source ?? '',
    runLink: registration.runLink ?? '',
    cause,
    artifacts: byPath(content.artifacts),
    signature: content.signature,
    schema,
    status,
    statusMessage: registration.failure ?? '',
    semantic,
    description,
    createdAt: registration.imported?.createdAt ?? tx.now,
    createdBy: context.actor.id,
    author: registration.imported?.author,
  });
  const own = { [`${OWN_TAGS}semantic_version`]: formatSemanticVersion(semantic), [`${OWN_TAGS}digest`]: digest };
  const staged = stageTags({ stage: 'Development', status: 'InProgress' });
  await versions.putTags(tx.db, key, { ...tags, ...own, ...staged });
  const subject = versionSubject(model, key.version);
  const run = content.run ?? null;
  const detail = { version: key.version, digest, run, semanticVersion: formatSemanticVersion(semantic), status };
  tx.audit(modelSubject(model), detail);
  tx.audit(subject, { ...detail, source: registration.source ?? '', cause: auditedCause(cause) });
  tx.emit(versionRegistered.draft(subject, { ...key, runId: run, cause }));
  await addEvidence(tx, context, key, { drafts: registration.evidence, nextId });
  return key;
}

/** Adds the evidence that the version does not have yet. */
export async function addEvidence(
  tx: Tx,
  context: Context,
  key: VersionKey,
  { drafts, nextId }: { readonly drafts: Registration['evidence']; readonly nextId: () => string },
): Promise<void> {
  for (const draft of drafts) {
    await appendEvidence(tx, key, { ...draft, id: nextId(), by: context.actor.id }, { unlessKnown: true });
  }
}

async function semanticOf(tx: Tx, { model, schema, semanticVersion }: Registration) {
  if (semanticVersion === undefined) {
    const last = await versions.lastSemantic(tx.db, model);
    return nextSemanticVersion(last?.semantic, last?.schema ?? null, schema);
  }
  const wanted = parseSemanticVersion(checked(semanticVersionSchema, semanticVersion, 'semanticVersion'));
  if (!(await versions.hasSemantic(tx.db, model, wanted))) return wanted;
  throw registryErrors['semantic-version-taken'](`a version of '${model}' is ${semanticVersion} already`);
}

/** Takes the next version number of a model, which is made if there is none. Numbers are never given twice. */
async function nextNumber(tx: Tx, context: Context, name: string): Promise<number> {
  let known = await models.findModel(tx.db, name);
  if (known?.deletedAt !== null) {
    await createModel(tx, context, { model: name });
    known = await models.findModel(tx.db, name);
  }
  const number = (known?.lastVersion ?? 0) + 1;
  await models.updateModel(tx.db, name, { lastVersion: number }, tx.now);
  return number;
}
