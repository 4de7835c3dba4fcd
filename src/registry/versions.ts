import type { Context, Tx } from '#platform/db';
import { removeAlias } from './aliases.ts';
import { registryErrors } from './errors.ts';
import { versionChanged } from './events.ts';
import { isPromptPart } from './from-source.ts';
import { modelSubject, VERSION_TAGS_MAX, versionSubject } from './model.ts';
import { refuseHeld, refuseOwnTags } from './models.ts';
import { requireLive, requireModel, requireVersion } from './require.ts';
import type { ModelVersion } from './shapes.ts';
import { PROMPT_TAG } from './store/search.ts';
import type { VersionKey } from './store/tables.ts';
import { putTags, updateVersion } from './store/versions.ts';

export interface VersionChange {
  readonly description?: string | undefined;
  readonly tags?: Readonly<Record<string, string | null>> | undefined;
}

export interface Doomed extends VersionKey {
  /** Whether the aliases that the version holds go with it. */
  readonly releaseAliases?: boolean;
}

/** Changes what is not part of the content; a tag whose value is null is removed. Errors: `registry/limit`. */
export async function describeVersion(tx: Tx, key: VersionKey, change: VersionChange): Promise<void> {
  const { description, tags = {} } = change;
  refuseOwnTags(tags);
  const before = await requireLive(tx.db, key);
  refusePromptChange(before, tags);
  await updateVersion(tx.db, key, { description }, tx.now);
  await putTags(tx.db, key, tags);
  const after = await requireVersion(tx.db, key);
  if (Object.keys(after.tags).length > VERSION_TAGS_MAX) {
    throw registryErrors.limit(`a version has at most ${VERSION_TAGS_MAX} tags`);
  }
  const described = description === undefined ? {} : { description: description.slice(0, 200) };
  const subject = versionSubject(key.model, key.version);
  tx.audit(subject, { ...described, tags });
  tx.emit(versionChanged.draft(subject, { ...key, change: 'described', tags }));
}

/**
 * Leaves a tombstone. Errors: `registry/version-in-use` while a protected alias or stage holds it, and while any alias
 * does unless those go with it. Again, it changes nothing.
 */
export async function deleteVersion(
  tx: Tx,
  context: Context,
  { model, version, releaseAliases = false }: Doomed,
  reason: string,
): Promise<void> {
  const found = await requireVersion(tx.db, { model, version });
  if (found.deletedAt !== null) return;
  refuseHeld(found, (await requireModel(tx.db, model)).protectedAliases);
  if (found.aliases.length > 0 && !releaseAliases) {
    const held = found.aliases.join(', ');
    throw registryErrors['version-in-use'](`version ${version} of '${model}' holds the aliases: ${held}`);
  }
  for (const alias of found.aliases) await removeAlias(tx, context, { model, alias, reason });
  await updateVersion(tx.db, { model, version }, { deletedAt: tx.now }, tx.now);
  const subject = versionSubject(model, version);
  tx.audit(modelSubject(model), { deleted: version, reason });
  tx.audit(subject, { deleted: true, reason });
  tx.emit(versionChanged.draft(subject, { model, version, change: 'deleted', tags: {} }));
}

/** The text of a prompt is what its version is; other tags are about it. */
function refusePromptChange(
  { version, tags: before }: ModelVersion,
  tags: Readonly<Record<string, string | null>>,
): void {
  const part = Object.keys(tags).find((key) => isPromptPart(key) && before[key] !== tags[key]);
  if (before[PROMPT_TAG] !== 'true' || part === undefined) return;
  throw registryErrors.immutable(`'${part}' is part of version ${version}: register another version instead`);
}
