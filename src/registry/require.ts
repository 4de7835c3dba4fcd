import type { ModelVersion, RegisteredModel } from './contract.ts';
import { registryErrors } from './errors.ts';
import { findModel } from './store/models.ts';
import type { Db, VersionKey } from './store/tables.ts';
import { findVersion } from './store/versions.ts';

export async function requireModel(db: Db, name: string): Promise<RegisteredModel> {
  const model = await findModel(db, name);
  if (!model) throw registryErrors['model-not-found'](`there is no registered model named '${name}'`);
  return model;
}

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
