import { AuditLog } from '#platform/audit';
import type { Page } from '#platform/contract';
import type { AuditEntry, Context } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import type { RequestContext } from '#platform/http';
import type { BlobStore } from '#ports/blob-store';
import { type AliasTarget, moveThroughGate, removeAlias } from './aliases.ts';
import { appendApproval } from './approve.ts';
import { checked, registryErrors } from './errors.ts';
import { appendEvidence } from './evidence.ts';
import { type FromSource, registrationOf } from './from-source.ts';
import type { RegistryGate } from './gate.ts';
import { historyOf } from './history.ts';
import { modelSubject, versionDigest } from './model.ts';
import { createModel, deleteModel, describeModel, type ModelDraft, renameModel } from './models.ts';
import { requireOrigin } from './origin.ts';
import { numberCursor, type PageQuery, page } from './pages.ts';
import { addEvidence, addVersion } from './register.ts';
import { requireLive, requireModel, requireReady, requireVersion } from './require.ts';
import { schemaOfSignature } from './semantic-version.ts';
import {
  type AliasMove,
  type Evidence,
  type EvidenceDraft,
  evidenceDraft,
  type ModelVersion,
  type RegisteredModel,
  type StageMove,
  type VersionArtifact,
  type VersionDraft,
  versionDraft,
} from './shapes.ts';
import type { ModelSources } from './sources.ts';
import { moveToStage, type StageTarget } from './stages.ts';
import * as aliases from './store/aliases.ts';
import * as evidence from './store/evidence.ts';
import * as models from './store/models.ts';
import { listMoves } from './store/moves.ts';
import { type Found, type Search, searchModels, searchVersions } from './store/search.ts';
import { stageMoves } from './store/stages.ts';
import type { Db, VersionKey } from './store/tables.ts';
import * as versions from './store/versions.ts';
import { type Doomed, deleteVersion, describeVersion, type VersionChange } from './versions.ts';

export interface RegistryDeps extends DomainDeps {
  readonly gate: RegistryGate;
  /** With it, a version whose artifacts are not stored is refused when it is registered, not when it is scored with. */
  readonly blobs?: Pick<BlobStore, 'has' | 'size' | 'read' | 'retain'>;
  /** Without it, versions are registered by their artifacts only. */
  readonly sources?: ModelSources | undefined;
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
    const nextId = () => this.#deps.system.ids.next('ev');
    const version = await this.#deps.db.react(context, async (tx) => {
      const known = await versions.findByDigest(tx.db, model, digest);
      if (known !== undefined) {
        await addEvidence(tx, context, { model, version: known }, { drafts: draft.evidence, nextId });
        return known;
      }
      const { run, description, tags, cause, semanticVersion } = draft;
      const content = { artifacts: draft.artifacts, signature: draft.signature, run };
      const schema = draft.signature && schemaOfSignature(draft.signature);
      const registration = { model, content, schema, description, tags, cause, semanticVersion };
      return (await addVersion(tx, context, { ...registration, evidence: draft.evidence }, nextId)).version;
    });
    return this.getVersion(model, version);
  }

  /** {@link registerVersion} for a caller who is only let register what they may read; see {@link requireOrigin}. */
  async registerSent(context: RequestContext, input: VersionDraft): Promise<ModelVersion> {
    const draft = checked(versionDraft, input, 'version');
    if (this.#deps.sources) await requireOrigin(this.#deps.sources, context, draft);
    return this.registerVersion(context, input);
  }

  /**
   * Registers what is at a source now as a new version, whether or not the same content is registered already. The
   * model must be there. Errors: those of {@link registrationOf}.
   */
  async registerFromSource(context: RequestContext, draft: FromSource): Promise<ModelVersion> {
    const { db, system } = this.#deps;
    await requireModel(db.reader, draft.model);
    const registration = await registrationOf(this.#deps, context, draft);
    const key = await db.transact(context, async (tx) => {
      await requireModel(tx.db, draft.model);
      return addVersion(tx, context, registration, () => system.ids.next('ev'));
    });
    return this.getVersion(key.model, key.version);
  }

  /** See {@link createModel}. */
  async createModel(context: Context, draft: ModelDraft): Promise<RegisteredModel> {
    await this.#deps.db.transact(context, (tx) => createModel(tx, context, draft));
    return this.getModel(draft.model);
  }

  /** See {@link deleteModel}. */
  async deleteModel(context: Context, model: string, reason: string): Promise<void> {
    await this.#deps.db.transact(context, (tx) => deleteModel(tx, context, model, reason));
  }

  /** See {@link renameModel}. `name` is the new name within the model's project. */
  async renameModel(context: Context, model: string, name: string): Promise<RegisteredModel> {
    return this.getModel(await renameModel(this.#deps, context, model, name));
  }

  /** The model, deleted or not. */
  findModel(model: string): Promise<RegisteredModel | undefined> {
    return models.findModel(this.#deps.db.reader, model);
  }

  async getModel(model: string): Promise<RegisteredModel> {
    return requireModel(this.#deps.db.reader, model);
  }

  /** Of a project, by name. */
  async listModels(project: string, query: PageQuery): Promise<Page<RegisteredModel>> {
    const { reader } = this.#deps.db;
    const found = await models.listModels(reader, project, { after: query.after, limit: query.limit + 1 });
    return page(found, query.limit, (model) => model.name);
  }

  /** See {@link searchModels}. */
  searchModels(project: string, search: Search): Promise<Found<RegisteredModel>> {
    const { db } = this.#deps;
    return searchModels({ db: db.reader, dialect: db.dialect, project }, search);
  }

  /** See {@link searchVersions}. */
  searchVersions(project: string, search: Search): Promise<Found<ModelVersion>> {
    const { db } = this.#deps;
    return searchVersions({ db: db.reader, dialect: db.dialect, project }, search);
  }

  /** Of each model the newest version in each stage. */
  latestVersions(models: readonly string[]): Promise<ModelVersion[]> {
    return versions.latestVersions(this.#deps.db.reader, models);
  }

  /** Changes the description or the tags; a tag whose value is null is removed. */
  async describeModel(
    context: Context,
    model: string,
    change: Parameters<typeof describeModel>[2],
  ): Promise<RegisteredModel> {
    await this.#deps.db.transact(context, (tx) => describeModel(tx, model, change));
    return this.getModel(model);
  }

  /** Says which aliases of the model move only through the gate. Replaces what was said before. */
  async protectAliases(context: Context, model: string, names: readonly string[]): Promise<RegisteredModel> {
    const wanted = [...new Set(names)].sort();
    await this.#deps.db.transact(context, async (tx) => {
      const { protectedAliases } = await requireModel(tx.db, model);
      await models.updateModel(tx.db, model, { protectedAliases: wanted }, tx.now);
      tx.audit(modelSubject(model), { protectedAliases: wanted, before: protectedAliases });
    });
    return this.getModel(model);
  }

  /** The version, deleted or not. `db` is the transaction of a caller that is in one. */
  async getVersion(model: string, version: number, db: Db = this.#deps.db.reader): Promise<ModelVersion> {
    return requireVersion(db, { model, version });
  }

  /** Errors: `registry/model-not-found`, `registry/version-not-found`, `registry/version-deleted`. */
  async requireLive(model: string, version: number): Promise<void> {
    await requireLive(this.#deps.db.reader, { model, version });
  }

  /**
   * A version with a model file, for scoring. Errors: `registry/version-deleted`, `registry/not-ready`,
   * `registry/not-servable`.
   */
  async versionWithFile(model: string, version: number): Promise<ModelVersion> {
    const found = await requireReady(this.#deps.db.reader, { model, version });
    if (found.modelFile.path !== '') return found;
    throw registryErrors['not-servable'](`version ${version} of '${model}' has no model file`);
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

  /** See {@link describeVersion}. */
  async describeVersion(context: Context, key: VersionKey, change: VersionChange): Promise<ModelVersion> {
    await this.#deps.db.transact(context, (tx) => describeVersion(tx, key, change));
    return this.getVersion(key.model, key.version);
  }

  /** See {@link deleteVersion}. */
  async deleteVersion(context: Context, target: Doomed, reason: string): Promise<ModelVersion> {
    await this.#deps.db.react(context, (tx) => deleteVersion(tx, context, target, reason));
    return this.getVersion(target.model, target.version);
  }

  /** See {@link moveToStage}. */
  setStage(context: Context, target: StageTarget): Promise<ModelVersion> {
    return moveToStage(this.#deps, context, target);
  }

  /** The stages a version has been in, newest first. */
  async stageHistory(key: VersionKey, query: PageQuery): Promise<Page<StageMove>> {
    const { reader } = this.#deps.db;
    await requireVersion(reader, key);
    const before = numberCursor(query.after);
    return movesPage(await listMoves(reader, stageMoves, { of: key, before, limit: query.limit + 1 }), query.limit);
  }

  /** Which of these contents versions rely on, deleted ones included; what nobody relies on may be removed. */
  heldAmong(digests: Parameters<typeof versions.heldAmong>[1]): ReturnType<typeof versions.heldAmong> {
    return versions.heldAmong(this.#deps.db.reader, digests);
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
    const id = this.#deps.system.ids.next('ev');
    return this.#deps.db.transact(context, (tx) => appendApproval(tx, context, key, { id, ...given }));
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
    const of = { model, alias };
    const found = await listMoves(reader, aliases.aliasMoves, { of, before, limit: query.limit + 1 });
    return movesPage(found, query.limit);
  }

  /** What was done to the model, from the audit log, newest first. */
  async modelHistory(model: string, query: PageQuery): Promise<Page<AuditEntry>> {
    if (!(await models.findModel(this.#deps.db.reader, model))) await requireModel(this.#deps.db.reader, model);
    return historyOf(this.#audit, { model }, query);
  }

  /** What was done to the version, and what the gate decided about it, from the audit log, newest first. */
  async versionHistory(model: string, version: number, query: PageQuery): Promise<Page<AuditEntry>> {
    await this.getVersion(model, version);
    return historyOf(this.#audit, { model, version }, query);
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
}

function movesPage<Move>(
  found: { readonly number: number; readonly move: Move }[],
  limit: number,
): { items: Move[]; next?: string | undefined } {
  const { items, next } = page(found, limit, (entry) => String(entry.number));
  return { items: items.map((entry) => entry.move), next };
}
