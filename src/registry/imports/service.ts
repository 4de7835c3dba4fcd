import { KedgeError } from '#core/errors';
import type { Digest } from '#core/hash';
import type { Tx } from '#platform/db';
import type { RequestContext } from '#platform/http';
import { moveFreely } from '../aliases.ts';
import { registryErrors } from '../errors.ts';
import { registrationOf } from '../from-source.ts';
import { arrivalStatus, modelSubject, PROTECTED_STAGE, versionSubject } from '../model.ts';
import { createModel } from '../models.ts';
import { addVersion, type Registration } from '../register.ts';
import { requireLive, requireModel } from '../require.ts';
import type { RegistryDeps } from '../service.ts';
import type { Stage } from '../shapes.ts';
import { moveWithoutGate } from '../stages.ts';
import { findModel, updateModel } from '../store/models.ts';
import { findVersion } from '../store/versions.ts';
import type { ImportedModel, ImportedVersion } from './contract.ts';
import * as store from './store.ts';

export interface ImportState {
  readonly state: 'none' | 'open' | 'finished';
  readonly digest: Digest | null;
}

/** What MLflow's stages are here. */
const STAGE_OF: Readonly<Record<ImportedVersion['stage'], Stage>> = {
  None: 'Development',
  Staging: 'QA',
  Production: 'Production',
  Archived: 'Archived',
};

/**
 * Brings in registered models with the numbers, times and authors that they have elsewhere. Until its import is
 * finished a model gets all that it has there, protected places included, since it was promoted there and not here; the
 * audit log says so. After that a protected place is reached through the gate only. What was made here is not written
 * to.
 */
export class ModelImportService {
  readonly #deps: RegistryDeps;

  constructor(deps: RegistryDeps) {
    this.#deps = deps;
  }

  async state(context: RequestContext, model: string): Promise<ImportState> {
    context.access.requireProject('EDIT');
    const mark = await store.findImport(this.#deps.db.reader, model);
    return mark ? stateOf(mark) : { state: 'none', digest: null };
  }

  /** Errors: `registry/model-exists` for a model of this name that was not brought in. */
  async model(
    context: RequestContext,
    model: string,
    draft: ImportedModel,
  ): Promise<ImportState & { readonly made: boolean }> {
    context.access.requireProject('EDIT');
    return this.#deps.db.react(context, async (tx) => {
      const mark = await store.findImport(tx.db, model);
      const known = await findModel(tx.db, model);
      if (known && !mark) {
        throw registryErrors['model-exists'](`there is a registered model named '${model}', which was not brought in`);
      }
      if (mark) {
        if (known?.deletedAt !== null)
          throw registryErrors['model-exists'](`'${model}' was brought in and deleted here`);
        return { ...stateOf(mark), made: false };
      }
      const { description, tags, author, createdAt, source } = draft;
      await createModel(tx, context, { model, description, tags });
      await updateModel(tx.db, model, { createdAt, author }, tx.now);
      await store.insertImport(tx.db, model, { source, at: tx.now });
      tx.audit(modelSubject(model), { importedFrom: source, author });
      return { state: 'open', digest: null, made: true };
    });
  }

  /** Errors: `registry/not-imported`, `registry/version-exists` for a number that another version has here. */
  async version(
    context: RequestContext,
    model: string,
    draft: ImportedVersion,
  ): Promise<{ readonly made: boolean; readonly held: string[] }> {
    context.access.requireProject('EDIT');
    const { db, system } = this.#deps;
    const key = { model, version: draft.version };
    await this.#requireImported(model);
    const known = await findVersion(db.reader, key);
    if (known?.createdAt === draft.createdAt) return { made: false, held: [] };
    if (known) throw registryErrors['version-exists'](`version ${draft.version} of '${model}' here is another one`);
    const registration = await this.#registrationOf(context, model, draft);
    return db.transact(context, async (tx) => {
      const mark = await this.#requireImported(model, tx);
      const { lastVersion } = await requireModel(tx.db, model);
      if (draft.version <= lastVersion) {
        throw registryErrors['version-exists'](
          `'${model}' is at version ${lastVersion} here: version ${draft.version} cannot be brought in after it`,
        );
      }
      await updateModel(tx.db, model, { lastVersion: draft.version - 1 }, tx.now);
      await addVersion(tx, context, registration, () => system.ids.next('ev'));
      tx.audit(versionSubject(model, draft.version), { importedFrom: mark.source, author: draft.author });
      const stage = STAGE_OF[draft.stage];
      const isHeld = stage === PROTECTED_STAGE && mark.digest !== null;
      if (!isHeld && stage !== 'Development') {
        const target = { ...key, stage, status: arrivalStatus(stage), reason: `imported from ${mark.source}` };
        await moveWithoutGate(tx, context, await requireLive(tx.db, key), target);
      }
      await store.dateVersion(tx.db, key, draft.updatedAt);
      return { made: true, held: isHeld ? [`the stage ${PROTECTED_STAGE}`] : [] };
    });
  }

  /** Errors: `registry/not-imported`, `registry/version-not-found`. */
  async finish(
    context: RequestContext,
    model: string,
    done: { readonly aliases: Readonly<Record<string, number>>; readonly updatedAt: number; readonly digest: Digest },
  ): Promise<ImportState & { readonly held: string[] }> {
    context.access.requireProject('EDIT');
    return this.#deps.db.react(context, async (tx) => {
      const mark = await this.#requireImported(model, tx);
      const held: string[] = [];
      if (mark.digest === done.digest) return { ...stateOf(mark), held };
      const { aliases: before, protectedAliases } = await requireModel(tx.db, model);
      for (const [alias, version] of Object.entries(done.aliases)) {
        if (before[alias] === version) continue;
        if (mark.digest !== null && protectedAliases.includes(alias)) {
          held.push(`the alias '${alias}' on version ${version}`);
          continue;
        }
        await requireLive(tx.db, { model, version });
        await moveFreely(tx, context, { model, alias, version, reason: `imported from ${mark.source}` });
      }
      await store.finishImport(tx.db, model, { digest: done.digest, at: tx.now });
      await store.dateModel(tx.db, model, done.updatedAt);
      tx.audit(modelSubject(model), { importFinished: true, importedFrom: mark.source, held });
      return { state: 'finished', digest: done.digest, held };
    });
  }

  async #requireImported(model: string, tx?: Tx): Promise<store.ModelImport> {
    const mark = await store.findImport(tx?.db ?? this.#deps.db.reader, model);
    if (mark) return mark;
    throw registryErrors['not-imported'](`no registered model '${model}' was brought in from another server`);
  }

  /** What the version is made of here. Files that are not here make a version that says so, as the number is taken. */
  async #registrationOf(context: RequestContext, model: string, draft: ImportedVersion): Promise<Registration> {
    const { from: source, run, modelId, runLink, description, tags } = draft;
    const imported = { author: draft.author, createdAt: draft.createdAt };
    const told = { model, source, runLink, description, tags, run, modelId };
    try {
      return { ...(await registrationOf(this.#deps, context, told)), imported };
    } catch (error) {
      if (!isMissing(error)) throw error;
      const content = { artifacts: [], signature: null, run, external: source };
      const common = { model, source, runLink, description, tags, modelId: modelId ?? null, evidence: [] };
      return { ...common, content, schema: null, failure: `imported without its files: ${error.message}`, imported };
    }
  }
}

/** What was registered from is not on this server. */
function isMissing(error: unknown): error is KedgeError {
  const codes = [
    'registry/source',
    'registry/model-not-found',
    'registry/version-not-found',
    'registry/alias-not-found',
  ];
  return error instanceof KedgeError && [...codes, 'registry/not-ready'].includes(error.code);
}

function stateOf({ digest }: store.ModelImport): ImportState {
  return digest === null ? { state: 'open', digest: null } : { state: 'finished', digest: digest as Digest };
}
