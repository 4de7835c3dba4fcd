import type { Cause } from '#core/cause';
import type { Digest } from '#core/hash';
import type { ModelSignature, ModelVersion, VersionArtifact } from '../contract.ts';
import { modelFileOf } from '../model.ts';
import { type Db, tables, type VersionKey, type VersionTable } from './tables.ts';

export async function findVersion(db: Db, key: VersionKey): Promise<ModelVersion | undefined> {
  const row = await tables(db)
    .selectFrom('registry_version')
    .selectAll()
    .where('model', '=', key.model)
    .where('version', '=', key.version)
    .executeTakeFirst();
  return row && (await assemble(db, key.model, [row]))[0];
}

/** The number of the version of this content that is not deleted. */
export async function findByDigest(db: Db, model: string, digest: Digest): Promise<number | undefined> {
  const row = await tables(db)
    .selectFrom('registry_version')
    .select('version')
    .where('model', '=', model)
    .where('digest', '=', digest)
    .where('deleted_at', 'is', null)
    .orderBy('version')
    .executeTakeFirst();
  return row?.version;
}

/** Newest first, of those whose number is below `before`. */
export async function listVersions(
  db: Db,
  model: string,
  filter: {
    readonly run?: string | undefined;
    readonly deleted: boolean;
    readonly before?: number | undefined;
    readonly limit: number;
  },
): Promise<ModelVersion[]> {
  let query = tables(db)
    .selectFrom('registry_version')
    .selectAll()
    .where('model', '=', model)
    .where('deleted_at', filter.deleted ? 'is not' : 'is', null)
    .orderBy('version', 'desc')
    .limit(filter.limit);
  if (filter.run !== undefined) query = query.where('run', '=', filter.run);
  if (filter.before !== undefined) query = query.where('version', '<', filter.before);
  return assemble(db, model, await query.execute());
}

export interface NewVersion extends VersionKey {
  readonly digest: Digest;
  readonly run: string | undefined;
  readonly cause: Cause;
  readonly artifacts: readonly VersionArtifact[];
  readonly signature: ModelSignature;
  readonly description: string;
  readonly createdAt: number;
  readonly createdBy: string;
}

export async function insertVersion(db: Db, version: NewVersion): Promise<void> {
  await tables(db)
    .insertInto('registry_version')
    .values({
      model: version.model,
      version: version.version,
      digest: version.digest,
      run: version.run ?? null,
      cause: JSON.stringify(version.cause),
      artifacts: JSON.stringify(version.artifacts),
      signature: JSON.stringify(version.signature),
      description: version.description,
      created_at: version.createdAt,
      created_by: version.createdBy,
      deleted_at: null,
    })
    .execute();
}

/** Changes what is not part of the content: the description, or that the version is deleted. */
export async function updateVersion(
  db: Db,
  key: VersionKey,
  change: { readonly description: string } | { readonly deletedAt: number },
): Promise<void> {
  await tables(db)
    .updateTable('registry_version')
    .set('description' in change ? { description: change.description } : { deleted_at: change.deletedAt })
    .where('model', '=', key.model)
    .where('version', '=', key.version)
    .execute();
}

/** Sets tags, and removes those whose value is null. */
export async function putTags(db: Db, key: VersionKey, tags: Readonly<Record<string, string | null>>): Promise<void> {
  const names = Object.keys(tags);
  if (names.length === 0) return;
  await tables(db)
    .deleteFrom('registry_version_tag')
    .where('model', '=', key.model)
    .where('version', '=', key.version)
    .where('key', 'in', names)
    .execute();
  const rows = Object.entries(tags).flatMap(([name, value]) =>
    value === null ? [] : [{ model: key.model, version: key.version, key: name, value }],
  );
  if (rows.length > 0) await tables(db).insertInto('registry_version_tag').values(rows).execute();
}

async function assemble(db: Db, model: string, rows: readonly VersionTable[]): Promise<ModelVersion[]> {
  if (rows.length === 0) return [];
  const numbers = rows.map((row) => row.version);
  const tags = await tables(db)
    .selectFrom('registry_version_tag')
    .selectAll()
    .where('model', '=', model)
    .where('version', 'in', numbers)
    .orderBy('key')
    .execute();
  const aliases = await tables(db)
    .selectFrom('registry_alias')
    .selectAll()
    .where('model', '=', model)
    .where('version', 'in', numbers)
    .orderBy('alias')
    .execute();
  return rows.map((row) => {
    const artifacts: VersionArtifact[] = JSON.parse(row.artifacts);
    return {
      model,
      version: row.version,
      digest: row.digest as Digest,
      runId: row.run,
      cause: JSON.parse(row.cause),
      artifacts,
      modelFile: modelFileOf(artifacts),
      signature: JSON.parse(row.signature),
      description: row.description,
      tags: Object.fromEntries(tags.filter((tag) => tag.version === row.version).map((tag) => [tag.key, tag.value])),
      aliases: aliases.filter((alias) => alias.version === row.version).map((alias) => alias.alias),
      createdAt: row.created_at,
      createdBy: row.created_by,
      deletedAt: row.deleted_at,
    };
  });
}
