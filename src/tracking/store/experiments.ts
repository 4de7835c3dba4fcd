import { statement } from '#platform/db';
import type { Experiment } from '../contract.ts';
import { padded } from './bulk.ts';
import { type Db, type ExperimentTable, tables } from './tables.ts';

export async function findExperiment(
  db: Db,
  by: { readonly id: string } | { readonly project: string; readonly name: string },
): Promise<Experiment | undefined> {
  const [row] = 'id' in by ? await selectById(db, by) : await selectByName(db, by);
  return row && experimentOf(row);
}

const selectById = statement(['id'], (db, { id }) =>
  tables(db)
    .selectFrom('tracking_experiment')
    .selectAll()
    .where('id', '=', id as never),
);

const selectByName = statement(['project', 'name'], (db, { project, name }) =>
  tables(db)
    .selectFrom('tracking_experiment')
    .selectAll()
    .where('name', '=', name as never)
    .where('project', '=', project as never),
);

/** Newest first, of those whose number is below `before`. */
export async function listExperiments(
  db: Db,
  filter: {
    readonly lifecycle: 'active' | 'deleted';
    readonly project: string | undefined;
    /** Only these. */
    readonly ids?: readonly string[] | undefined;
    readonly before: number | undefined;
    readonly limit: number;
  },
): Promise<Experiment[]> {
  let query = tables(db)
    .selectFrom('tracking_experiment')
    .selectAll()
    .where('deleted_at', filter.lifecycle === 'active' ? 'is' : 'is not', null)
    .orderBy('number', 'desc')
    .limit(filter.limit);
  if (filter.project !== undefined) query = query.where('project', '=', filter.project);
  if (filter.ids !== undefined) query = query.where('id', 'in', padded(filter.ids));
  if (filter.before !== undefined) query = query.where('number', '<', filter.before);
  return (await query.execute()).map(experimentOf);
}

/** The experiments of these ids, in their order. */
export async function experimentsOf(db: Db, ids: readonly string[]): Promise<Experiment[]> {
  if (ids.length === 0) return [];
  const rows = await tables(db).selectFrom('tracking_experiment').selectAll().where('id', 'in', padded(ids)).execute();
  const byId = new Map(rows.map((row) => [row.id, experimentOf(row)]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

/** Sets where an experiment keeps its files, unless it has runs. */
export async function placeUnusedExperiment(db: Db, id: string, artifactLocation: string): Promise<void> {
  await tables(db)
    .updateTable('tracking_experiment')
    .set({ artifact_location: artifactLocation })
    .where('id', '=', id)
    .where('artifact_location', '!=', artifactLocation)
    .where((e) => e.not(e.exists(e.selectFrom('tracking_run').select('id').where('experiment', '=', id))))
    .execute();
}

export interface NewExperiment {
  readonly name: string;
  readonly project: string;
  readonly createdAt: number;
  readonly createdBy: string;
  /** Where its files go, given the id that it gets. */
  artifactLocation(id: string): string;
}

export async function insertExperiment(db: Db, draft: NewExperiment): Promise<Experiment> {
  const last = await tables(db)
    .selectFrom('tracking_experiment')
    .select((e) => e.fn.max('number').as('number'))
    .executeTakeFirst();
  const purged = await tables(db)
    .selectFrom('tracking_purged_experiment')
    .select((e) => e.fn.max('number').as('number'))
    .executeTakeFirst();
  const number = Math.max(Number(last?.number ?? 0), Number(purged?.number ?? 0)) + 1;
  const id = String(number);
  const row = {
    id,
    number,
    name: draft.name,
    created_at: draft.createdAt,
    created_by: draft.createdBy,
    deleted_at: null,
    project: draft.project,
    artifact_location: draft.artifactLocation(id),
    updated_at: draft.createdAt,
  };
  await tables(db).insertInto('tracking_experiment').values(row).execute();
  return experimentOf(row);
}

export async function renameExperiment(db: Db, id: string, name: string, at: number): Promise<void> {
  await tables(db).updateTable('tracking_experiment').set({ name, updated_at: at }).where('id', '=', id).execute();
}

/** Marks an experiment, and its runs that are active, as deleted. */
export async function deleteExperiment(db: Db, id: string, at: number): Promise<void> {
  await tables(db)
    .updateTable('tracking_experiment')
    .set({ deleted_at: at, updated_at: at })
    .where('id', '=', id)
    .execute();
  await tables(db)
    .updateTable('tracking_run')
    .set({ deleted_at: at, deleted_with_experiment: 1 })
    .where('experiment', '=', id)
    .where('deleted_at', 'is', null)
    .execute();
}

/** Takes back {@link deleteExperiment}: runs that had been deleted before it stay deleted. */
export async function restoreExperiment(db: Db, id: string, at: number): Promise<void> {
  await tables(db)
    .updateTable('tracking_experiment')
    .set({ deleted_at: null, updated_at: at })
    .where('id', '=', id)
    .execute();
  await tables(db)
    .updateTable('tracking_run')
    .set({ deleted_at: null, deleted_with_experiment: 0 })
    .where('experiment', '=', id)
    .where('deleted_with_experiment', '=', 1)
    .execute();
}

/** The tags of experiments by id. */
export async function experimentTags(db: Db, ids: readonly string[]): Promise<Map<string, Map<string, string>>> {
  const byId = new Map(ids.map((id) => [id, new Map<string, string>()]));
  if (ids.length === 0) return byId;
  const rows = await tables(db)
    .selectFrom('tracking_experiment_tag')
    .selectAll()
    .where('experiment', 'in', padded(ids))
    .orderBy('key')
    .execute();
  for (const { experiment, key, value } of rows) byId.get(experiment)?.set(key, value);
  return byId;
}

export async function putExperimentTag(
  db: Db,
  experiment: string,
  { key, value }: { readonly key: string; readonly value: string },
): Promise<void> {
  await tables(db)
    .insertInto('tracking_experiment_tag')
    .values({ experiment, key, value })
    .onConflict((c) => c.columns(['experiment', 'key']).doUpdateSet({ value }))
    .execute();
}

/** Whether there was such a tag. */
export async function dropExperimentTag(db: Db, experiment: string, key: string): Promise<boolean> {
  const { numDeletedRows } = await tables(db)
    .deleteFrom('tracking_experiment_tag')
    .where('experiment', '=', experiment)
    .where('key', '=', key)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

function experimentOf(row: ExperimentTable): Experiment {
  return {
    id: row.id,
    name: row.name,
    lifecycle: row.deleted_at === null ? 'active' : 'deleted',
    createdAt: row.created_at,
    createdBy: row.created_by,
    updatedAt: row.updated_at,
    project: row.project,
    artifactLocation: row.artifact_location,
  };
}
