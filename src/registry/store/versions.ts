import type { Cause } from '#core/cause';
import type { Digest } from '#core/hash';
import { modelFileOf, OWN_TAGS } from '../model.ts';
import { formatSemanticVersion, type SemanticVersion } from '../semantic-version.ts';
import {
  type ModelSchema,
  type ModelSignature,
  type ModelVersion,
  type Stage,
  type StageStatus,
  UNKNOWN_SIGNATURE,
  type VersionArtifact,
} from '../shapes.ts';
import { type Db, tables, type VersionKey, type VersionTable } from './tables.ts';

export async function findVersion(db: Db, key: VersionKey): Promise<ModelVersion | undefined> {
  const row = await tables(db)
    .selectFrom('registry_version')
    .selectAll()
    .where('model', '=', key.model)
    .where('version', '=', key.version)
    .executeTakeFirst();
  return row && (await assembleVersions(db, [row]))[0];
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
    readonly stage?: Stage | undefined;
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
  if (filter.stage !== undefined) query = query.where('stage', '=', filter.stage);
  if (filter.before !== undefined) query = query.where('version', '<', filter.before);
  return assembleVersions(db, await query.execute());
}

/** Of each model and stage the version with the highest number, without those that were deleted. */
export async function latestVersions(db: Db, models: readonly string[]): Promise<ModelVersion[]> {
  if (models.length === 0) return [];
  const latest = tables(db)
    .selectFrom('registry_version')
    .select((e) => ['model', 'stage', e.fn.max('version').as('version')])
    .where('model', 'in', models)
    .where('deleted_at', 'is', null)
    .groupBy(['model', 'stage'])
    .as('latest');
  const rows = await tables(db)
    .selectFrom('registry_version')
    .innerJoin(latest, (join) =>
      join
        .onRef('latest.model', '=', 'registry_version.model')
        .onRef('latest.version', '=', 'registry_version.version'),
    )
    .selectAll('registry_version')
    .orderBy('registry_version.model')
    .orderBy('registry_version.version')
    .execute();
  return assembleVersions(db, rows);
}

/** The highest semantic version that a model has given, also to versions that were deleted, with its schema. */
export async function lastSemantic(
  db: Db,
  model: string,
): Promise<{ readonly semantic: SemanticVersion; readonly schema: ModelSchema | null } | undefined> {
  const row = await tables(db)
    .selectFrom('registry_version')
    .select(['major', 'minor', 'patch', 'schema'])
    .where('model', '=', model)
    .orderBy('major', 'desc')
    .orderBy('minor', 'desc')
    .orderBy('patch', 'desc')
    .executeTakeFirst();
  if (!row) return undefined;
  const { schema, ...semantic } = row;
  return { semantic, schema: JSON.parse(schema) };
}

export async function hasSemantic(db: Db, model: string, wanted: SemanticVersion): Promise<boolean> {
  const row = await tables(db)
    .selectFrom('registry_version')
    .select('version')
    .where('model', '=', model)
    .where('major', '=', wanted.major)
    .where('minor', '=', wanted.minor)
    .where('patch', '=', wanted.patch)
    .executeTakeFirst();
  return row !== undefined;
}

export interface NewVersion extends VersionKey {
  readonly digest: Digest;
  readonly run: string | null;
  readonly modelId: string | null;
  readonly source: string;
  readonly runLink: string;
  readonly cause: Cause;
  readonly artifacts: readonly VersionArtifact[];
  readonly signature: ModelSignature | null;
  readonly schema: ModelSchema | null;
  readonly status: ModelVersion['status'];
  readonly statusMessage: string;
  readonly semantic: SemanticVersion;
  readonly description: string;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly author?: string | undefined;
}

export async function insertVersion(db: Db, version: NewVersion): Promise<void> {
  const { model, version: number } = version;
  await tables(db)
    .insertInto('registry_version')
    .values({
      model,
      version: number,
      digest: version.digest,
      run: version.run,
      logged_model: version.modelId,
      source: version.source,
      run_link: version.runLink,
      cause: JSON.stringify(version.cause),
      artifacts: JSON.stringify(version.artifacts),
      signature: JSON.stringify(version.signature),
      schema: JSON.stringify(version.schema),
      status: version.status,
      status_message: version.statusMessage,
      stage: 'Development',
      stage_status: 'InProgress',
      ...version.semantic,
      description: version.description,
      created_at: version.createdAt,
      created_by: version.createdBy,
      author: version.author ?? null,
      updated_at: version.createdAt,
      deleted_at: null,
    })
    .execute();
  const digests = [...new Set(version.artifacts.map((artifact) => artifact.digest))];
  const held = digests.map((digest) => ({ digest, model, version: number }));
  if (held.length > 0) await tables(db).insertInto('registry_held_content').values(held).execute();
}

/** Which of these contents some version relies on, deleted ones included: their evidence is about that content. */
export async function heldAmong(db: Db, digests: readonly Digest[]): Promise<Digest[]> {
  if (digests.length === 0) return [];
  const rows = await tables(db)
    .selectFrom('registry_held_content')
    .select('digest')
    .distinct()
    .where('digest', 'in', digests)
    .execute();
  return rows.map((row) => row.digest as Digest);
}

/** Versions with files, not deleted, of a run or logged model: which, and where they were registered from. */
export async function registeredFrom(
  db: Db,
  owner: { readonly kind: 'run' | 'logged-model'; readonly id: string },
): Promise<(VersionKey & { readonly source: string })[]> {
  return tables(db)
    .selectFrom('registry_version')
    .select(['model', 'version', 'source'])
    .where(owner.kind === 'run' ? 'run' : 'logged_model', '=', owner.id)
    .where('status', '=', 'ready')
    .where('deleted_at', 'is', null)
    .orderBy('version')
    .execute();
}

/** Changes what is not part of the content, and says when that was. */
export async function updateVersion(
  db: Db,
  key: VersionKey,
  change: {
    readonly description?: string | undefined;
    readonly deletedAt?: number;
    readonly stage?: { readonly stage: Stage; readonly status: StageStatus };
  },
  now: number,
): Promise<void> {
  const { description, deletedAt, stage } = change;
  await tables(db)
    .updateTable('registry_version')
    .set({
      updated_at: now,
      ...(description === undefined ? {} : { description }),
      ...(deletedAt === undefined ? {} : { deleted_at: deletedAt }),
      ...(stage === undefined ? {} : { stage: stage.stage, stage_status: stage.status }),
    })
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

/** The versions of these rows, which may be of several models, in their order. */
export async function assembleVersions(db: Db, rows: readonly VersionTable[]): Promise<ModelVersion[]> {
  const of = (row: VersionKey): string => `${row.version} ${row.model}`;
  const models = [...new Set(rows.map((row) => row.model))];
  const numbers = [...new Set(rows.map((row) => row.version))];
  if (rows.length === 0) return [];
  const tags = await tables(db)
    .selectFrom('registry_version_tag')
    .selectAll()
    .where('model', 'in', models)
    .where('version', 'in', numbers)
    .orderBy('key')
    .execute();
  const aliases = await tables(db)
    .selectFrom('registry_alias')
    .selectAll()
    .where('model', 'in', models)
    .where('version', 'in', numbers)
    .orderBy('alias')
    .execute();
  const tagsOf = Map.groupBy(tags, of);
  const aliasesOf = Map.groupBy(aliases, of);
  return rows.map((row) => {
    const shown = (tagsOf.get(of(row)) ?? []).filter((tag) => !tag.key.startsWith(OWN_TAGS));
    return {
      ...contentOf(row),
      tags: Object.fromEntries(shown.map((tag) => [tag.key, tag.value])),
      aliases: (aliasesOf.get(of(row)) ?? []).map((alias) => alias.alias),
    };
  });
}

function contentOf(row: VersionTable): Omit<ModelVersion, 'tags' | 'aliases'> {
  const artifacts: VersionArtifact[] = JSON.parse(row.artifacts);
  return {
    model: row.model,
    version: row.version,
    semanticVersion: formatSemanticVersion(row),
    digest: row.digest as Digest,
    runId: row.run,
    modelId: row.logged_model,
    source: row.source,
    runLink: row.run_link,
    cause: JSON.parse(row.cause),
    artifacts,
    modelFile: modelFileOf(artifacts) ?? { path: '', digest: row.digest as Digest, bytes: 0 },
    signature: JSON.parse(row.signature) ?? UNKNOWN_SIGNATURE,
    schema: JSON.parse(row.schema),
    status: row.status as ModelVersion['status'],
    statusMessage: row.status_message,
    stage: row.stage as Stage,
    stageStatus: row.stage_status as StageStatus,
    description: row.description,
    createdAt: row.created_at,
    createdBy: row.created_by,
    author: row.author,
    updatedAt: row.updated_at,
    deletedAt: row.deleted_at,
  };
}
