import { registryErrors } from './errors.ts';
import type { ModelVersion, RegisteredModel } from './shapes.ts';
import { findModel } from './store/models.ts';
import type { Db, VersionKey } from './store/tables.ts';
import { findVersion } from './store/versions.ts';

/** The model, if it is not deleted. */
export async function requireModel(db: Db, name: string): Promise<RegisteredModel> {
  const model = await findModel(db, name);
  if (model?.deletedAt !== null) {
    throw registryErrors['model-not-found'](`there is no registered model named '${name}'`);
  }
  return model;
}

/** The version, deleted or not, also of a model that is deleted. */
export async function requireVersion(db: Db, key: VersionKey): Promise<ModelVersion> {
  const version = await findVersion(db, key);
  if (version) return version;
  await requireModel(db, key.model);
  throw registryErrors['version-not-found'](`model '${key.model}' has no version ${key.version}`);
}

export async function requireLive(db: Db, key: VersionKey): Promise<ModelVersion> {
  const version = await requireVersion(db, key);
  if (version.deletedAt === null) return version;
  throw registryErrors['version-deleted'](`version ${key.version} of '${key.model}' is deleted`);
}

/** A version that protected places may hold: it is not deleted, and there is a model in it. */
export async function requireReady(db: Db, key: VersionKey): Promise<ModelVersion> {
  const version = await requireLive(db, key);
  if (version.status === 'ready') return version;
  throw registryErrors['not-ready'](
    `version ${key.version} of '${key.model}' was not registered: ${version.statusMessage}`,
  );
}
