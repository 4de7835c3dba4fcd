import type { Cause } from '#core/cause';
import { AuditLog } from '#platform/audit';
import type { Page } from '#platform/contract';
import type { AuditEntry, Context, Tx } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import type { BlobStore } from '#ports/blob-store';
import type { Gate } from '#ports/gate';
import { type AliasTarget, moveThroughGate, removeAlias } from './aliases.ts';
import {
  type AliasMove,
  type Evidence,
  type EvidenceDraft,
  evidenceDraft,
  type ModelVersion,
  type RegisteredModel,
  type VersionArtifact,
  type VersionDraft,
  versionDraft,
} from './contract.ts';
import { checked, registryErrors } from './errors.ts';
import { versionRegistered } from './events.ts';
import { appendEvidence } from './evidence.ts';
import { byPath, modelSubject, PROTECTED_ALIASES, VERSION_TAGS_MAX, versionDigest, versionSubject } from './model.ts';
import { requireLive, requireModel, requireVersion } from './require.ts';
import * as aliases from './store/aliases.ts';
import * as evidence from './store/evidence.ts';
import * as models from './store/models.ts';
import type { Db, VersionKey } from './store/tables.ts';
import * as versions from './store/versions.ts';

export interface RegistryDeps extends DomainDeps {
  readonly gate: Gate;
  /** With it, a version whose artifacts are not stored is refused when it is registered, not when it is scored with. */
  readonly blobs?: Pick<BlobStore, 'has' | 'size'>;
}

interface PageQuery {
  readonly after?: string | undefined;
  readonly limit: number;
}

export class RegistryService {
  readonly #deps: RegistryDeps;
  readonly #audit: AuditLog;

  constructor(deps: RegistryDeps) {
    this.#deps = deps;
    this.#audit = new AuditLog(deps.db.reader);
  }

  /**
   * Registers a version, and the model if there is none, with its evidence, in one transaction. When a version of the
   * same content exists (same artifacts, signature and run), that one is returned; evidence that it does not have yet
   * is added to it. Errors: `registry/invalid`, `registry/missing-artifact`, `registry/limit`.
   */
  async registerVersion(context: Context, input: VersionDraft): Promise<ModelVersion> {
    const draft = checked(versionDraft, input, 'version');
    await this.#requireStored(draft.artifacts);
    const digest = versionDigest(draft);
    const model = draft.model;
    const version = await this.#deps.db.react(context, async (tx) => {
      const known = await versions.findByDigest(tx.db, model, digest);
      if (known !== undefined) {
        await this.#appendEvidence(tx, context, { model, version: known }, draft.evidence);
        return known;
      }
      const number = await nextVersion(tx, context, model);
      const key = { model, version: number };
      const cause: Cause = draft.cause ?? { kind: 'user', id: context.actor.id, depth: 0 };
      await versions.insertVersion(tx.db, {
        ...key,
        digest,
        run: draft.run,
        cause,
        artifacts: byPath(draft.artifacts),
        signature: draft.signature,
        description: draft.description,
        createdAt: tx.now,
        createdBy: context.actor.id,
      });
      await versions.putTags(tx.db, key, draft.tags);
      const subject = versionSubject(model, number);
      const detail = { version: number, digest, run: draft.run ?? null };
      tx.audit(modelSubject(model), detail);
      tx.audit(subject, { ...detail, cause: { ...cause, at: cause.at ?? null } });
      tx.emit(versionRegistered.draft(subject, { ...key, runId: draft.run ?? null, cause }));
      await this.#appendEvidence(tx, context, key, draft.evidence);
      return number;
    });
    return this.getVersion(model, version);
  }

  async getModel(model: string): Promise<RegisteredModel> {
    return requireModel(this.#deps.db.reader, model);
  }

  /** By name. */
  async listModels(query: PageQuery): Promise<Page<RegisteredModel>> {
    const found = await models.listModels(this.#deps.db.reader, { after: query.after, limit: query.limit + 1 });
    return page(found, query.limit, (model) => model.name);
  }

  async describeModel(context: Context, model: string, description: string): Promise<RegisteredModel> {
    await this.#deps.db.transact(context, async (tx) => {
      await requireModel(tx.db, model);
      await models.updateModel(tx.db, model, { description });
      tx.audit(modelSubject(model), { description: description.slice(0, 200) });
    });
    return this.getModel(model);
  }

  /** Says which aliases of the model move only through the gate. Replaces what was said before. */
  async protectAliases(context: Context, model: string, names: readonly string[]): Promise<RegisteredModel> {
    const wanted = [...new Set(names)].sort();
    await this.#deps.db.transact(context, async (tx) => {
      const { protectedAliases } = await requireModel(tx.db, model);
      await models.updateModel(tx.db, model, { protectedAliases: wanted });
      tx.audit(modelSubject(model), { protectedAliases: wanted, before: protectedAliases });
    });
    return this.getModel(model);
  }

  /** The version, deleted or not. */
  async getVersion(model: string, version: number, db: Db = this.#deps.db.reader): Promise<ModelVersion> {
    return requireVersion(db, { model, version });
  }

  /** The version, for use. Errors: `registry/version-deleted` beside those of {@link getVersion}. */
  async liveVersion(model: string, version: number): Promise<ModelVersion> {
    return requireLive(this.#deps.db.reader, { model, version });
  }

  /** Newest first, of one run if told; deleted ones only on request, and then only those. */
  async listVersions(
    model: string,
    query: PageQuery & { readonly run?: string | undefined; readonly deleted?: boolean },
  ): Promise<Page<ModelVersion>> {
    const { reader } = this.#deps.db;
    await requireModel(reader, model);
    const found = await versions.listVersions(reader, model, {
      run: query.run,
      deleted: query.deleted ?? false,
      before: numberCursor(query.after),
      limit: query.limit + 1,
    });
    return page(found, query.limit, (version) => String(version.version));
  }

  /** Changes what is not part of the content; a tag whose value is null is removed. */
  async describeVersion(
    context: Context,
    key: VersionKey,
    change: {
      readonly description?: string | undefined;
      readonly tags?: Readonly<Record<string, string | null>> | undefined;
    },
  ): Promise<ModelVersion> {
    const { description, tags = {} } = change;
    await this.#deps.db.transact(context, async (tx) => {
      await requireLive(tx.db, key);
      if (description !== undefined) await versions.updateVersion(tx.db, key, { description });
      await versions.putTags(tx.db, key, tags);
      const after = await requireVersion(tx.db, key);
      if (Object.keys(after.tags).length > VERSION_TAGS_MAX) {
        throw registryErrors.limit(`a version has at most ${VERSION_TAGS_MAX} tags`);
      }
      const described = description === undefined ? {} : { description: description.slice(0, 200) };
      tx.audit(versionSubject(key.model, key.version), { ...described, tags });
    });
    return this.getVersion(key.model, key.version);
  }

  /** Leaves a tombstone. Errors: `registry/version-in-use` while an alias points to it. Again, it changes nothing. */
  async deleteVersion(context: Context, key: VersionKey, reason: string): Promise<ModelVersion> {
    await this.#deps.db.react(context, async (tx) => {
      const found = await requireVersion(tx.db, key);
      if (found.deletedAt !== null) return;
      if (found.aliases.length > 0) {
        const held = found.aliases.join(', ');
        throw registryErrors['version-in-use'](`version ${key.version} of '${key.model}' holds the aliases: ${held}`);
      }
      await versions.updateVersion(tx.db, key, { deletedAt: tx.now });
      tx.audit(modelSubject(key.model), { deleted: key.version, reason });
      tx.audit(versionSubject(key.model, key.version), { deleted: true, reason });
    });
    return this.getVersion(key.model, key.version);
  }

  async versionArtifact(model: string, version: number, path: string): Promise<VersionArtifact> {
    const { artifacts } = await this.getVersion(model, version);
    const found = artifacts.find((artifact) => artifact.path === path);
    if (found) return found;
    const paths = artifacts.slice(0, 10).map((artifact) => artifact.path);
    throw registryErrors['artifact-not-found'](`'${path}' is not among the artifacts: ${paths.join(', ')}`);
  }

  /** Oldest first: the last of a kind is the one that counts. It is what the gate is asked with. */
  async evidence(model: string, version: number, kind?: string): Promise<Evidence[]> {
    const { reader } = this.#deps.db;
    await requireVersion(reader, { model, version });
    return evidence.listEvidence(reader, { model, version }, kind);
  }

  /** Appends evidence. Approvals are given by {@link approve} only, so that nobody approves in another's name. */
  async addEvidence(context: Context, key: VersionKey, input: EvidenceDraft): Promise<Evidence> {
    const draft = checked(evidenceDraft, input, 'evidence');
    return this.#deps.db.transact(context, async (tx) => {
      await requireLive(tx.db, key);
      return appendEvidence(tx, key, { ...draft, id: this.#deps.system.ids.next('ev'), by: context.actor.id });
    });
  }

  /**
   * Approves a version, or refuses it, in the name of the actor: evidence of kind `approval` whose data is
   * `{approver, independent, reason}`. `independent` is false when the approver registered the version or caused it.
   */
  async approve(
    context: Context,
    key: VersionKey,
    given: { readonly approved: boolean; readonly reason: string },
  ): Promise<Evidence> {
    const approver = context.actor.id;
    return this.#deps.db.transact(context, async (tx) => {
      const { createdBy, cause } = await requireLive(tx.db, key);
      const independent = createdBy !== approver && !(cause.kind === 'user' && cause.id === approver);
      const data = { approver, independent, reason: given.reason };
      const id = this.#deps.system.ids.next('ev');
      return appendEvidence(tx, key, { kind: 'approval', passed: given.approved, data, id, by: approver });
    });
  }

  /** Errors: `registry/alias-not-found`. */
  async versionByAlias(model: string, alias: string): Promise<ModelVersion> {
    const { reader } = this.#deps.db;
    await requireModel(reader, model);
    const version = await aliases.findAlias(reader, model, alias);
    if (version === undefined) throw registryErrors['alias-not-found'](`model '${model}' has no alias '${alias}'`);
    return this.getVersion(model, version);
  }

  /** See {@link moveThroughGate}. */
  moveAlias(context: Context, target: AliasTarget): Promise<ModelVersion> {
    return moveThroughGate(this.#deps, context, target);
  }

  /** Tells whether the alias was there. No version gains anything by it, so the gate is not asked. */
  async removeAlias(
    context: Context,
    target: { readonly model: string; readonly alias: string; readonly reason: string },
  ): Promise<boolean> {
    return this.#deps.db.react(context, (tx) => removeAlias(tx, context, target));
  }

  /** The moves of an alias, newest first, also when it is gone. */
  async aliasHistory(model: string, alias: string, query: PageQuery): Promise<Page<AliasMove>> {
    const { reader } = this.#deps.db;
    await requireModel(reader, model);
    const before = numberCursor(query.after);
    const found = await aliases.listMoves(reader, { model, alias }, { before, limit: query.limit + 1 });
    const { items, next } = page(found, query.limit, (entry) => String(entry.number));
    return { items: items.map((entry) => entry.move), next };
  }

  /** What was done to the model, from the audit log, newest first. */
  async modelHistory(model: string, query: PageQuery): Promise<Page<AuditEntry>> {
    await requireModel(this.#deps.db.reader, model);
    return this.#history(modelSubject(model), query);
  }

  /** What was done to the version, and what the gate decided about it, from the audit log, newest first. */
  async versionHistory(model: string, version: number, query: PageQuery): Promise<Page<AuditEntry>> {
    await this.getVersion(model, version);
    return this.#history(versionSubject(model, version), query);
  }

  async #history(subject: string, query: PageQuery): Promise<Page<AuditEntry>> {
    const before = numberCursor(query.after);
    const found = await this.#audit.search({ subject, before, limit: query.limit + 1 });
    return page(found, query.limit, (entry) => String(entry.seq));
  }

  async #requireStored(artifacts: readonly VersionArtifact[]): Promise<void> {
    const { blobs } = this.#deps;
    if (!blobs) return;
    for (const { path, digest, bytes } of artifacts) {
      const stored = (await blobs.has(digest)) ? await blobs.size(digest) : undefined;
      if (stored === bytes) continue;
      const what = stored === undefined ? 'is not in the blob store' : `has ${stored} bytes there, not ${bytes}`;
      throw registryErrors['missing-artifact'](`artifact '${path}' (${digest}) ${what}`);
    }
  }

  /** Adds the evidence that the version does not have yet. */
  async #appendEvidence(
    tx: Tx,
    context: Context,
    key: VersionKey,
    drafts: readonly Pick<Evidence, 'kind' | 'passed' | 'data'>[],
  ): Promise<void> {
    for (const draft of drafts) {
      const id = this.#deps.system.ids.next('ev');
      await appendEvidence(tx, key, { ...draft, id, by: context.actor.id }, { unlessKnown: true });
    }
  }
}

/** Takes the next version number of a model, which is made if there is none. Numbers are never given twice. */
async function nextVersion(tx: Tx, context: Context, name: string): Promise<number> {
  const known = await models.findModel(tx.db, name);
  if (!known) {
    const created = { createdAt: tx.now, createdBy: context.actor.id };
    await models.insertModel(tx.db, { name, protectedAliases: PROTECTED_ALIASES, ...created });
  }
  const number = (known?.lastVersion ?? 0) + 1;
  await models.updateModel(tx.db, name, { lastVersion: number });
  return number;
}

/** One item more than the page was read: when it is there, there is a next page. */
function page<T>(items: T[], limit: number, cursorOf: (last: T) => string): Page<T> {
  if (items.length <= limit) return { items };
  const shown = items.slice(0, limit);
  return { items: shown, next: cursorOf(shown[limit - 1] as T) };
}

function numberCursor(after: string | undefined): number | undefined {
  if (after === undefined) return undefined;
  if (/^\d{1,15}$/.test(after)) return Number(after);
  throw registryErrors['invalid-cursor'](`after: '${after.slice(0, 100)}' is not the 'next' of a page before`);
}
