import type { Experiment } from '../contract.ts';
import { type Db, type ExperimentTable, tables } from './tables.ts';

export async function findExperiment(
  db: Db,
  by: { readonly id: string } | { readonly name: string },
): Promise<Experiment | undefined> {
  const query = tables(db).selectFrom('tracking_experiment').selectAll();
  const row = await ('id' in by ? query.where('id', '=', by.id) : query.where('name', '=', by.name)).executeTakeFirst();
  return row && experimentOf(row);
}

/** Newest first, of those whose number is below `before`. */
export async function listExperiments(
  db: Db,
  filter: { readonly lifecycle: 'active' | 'deleted'; readonly before: number | undefined; readonly limit: number },
): Promise<Experiment[]> {
  let query = tables(db)
    .selectFrom('tracking_experiment')
    .selectAll()
    .where('deleted_at', filter.lifecycle === 'active' ? 'is' : 'is not', null)
    .orderBy('number', 'desc')
    .limit(filter.limit);
  if (filter.before !== undefined) query = query.where('number', '<', filter.before);
  return (await query.execute()).map(experimentOf);
}

export async function insertExperiment(
  db: Db,
  draft: { readonly name: string; readonly createdAt: number; readonly createdBy: string },
): Promise<Experiment> {
  const last = await tables(db)
    .selectFrom('tracking_experiment')
    .select((e) => e.fn.max('number').as('number'))
    .executeTakeFirst();
  const number = Number(last?.number ?? 0) + 1;
  const row = {
    id: String(number),
    number,
    name: draft.name,
    created_at: draft.createdAt,
    created_by: draft.createdBy,
    deleted_at: null,
  };
  await tables(db).insertInto('tracking_experiment').values(row).execute();
  return experimentOf(row);
}

/** Marks an experiment, and its runs that are active, as deleted. */
export async function deleteExperiment(db: Db, id: string, at: number): Promise<void> {
  await tables(db).updateTable('tracking_experiment').set({ deleted_at: at }).where('id', '=', id).execute();
  await tables(db)
    .updateTable('tracking_run')
    .set({ deleted_at: at, deleted_with_experiment: 1 })
    .where('experiment', '=', id)
    .where('deleted_at', 'is', null)
    .execute();
}

/** Takes back {@link deleteExperiment}: runs that had been deleted before it stay deleted. */
export async function restoreExperiment(db: Db, id: string): Promise<void> {
  await tables(db).updateTable('tracking_experiment').set({ deleted_at: null }).where('id', '=', id).execute();
  await tables(db)
    .updateTable('tracking_run')
    .set({ deleted_at: null, deleted_with_experiment: 0 })
    .where('experiment', '=', id)
    .where('deleted_with_experiment', '=', 1)
    .execute();
}

function experimentOf(row: ExperimentTable): Experiment {
  return {
    id: row.id,
    name: row.name,
    lifecycle: row.deleted_at === null ? 'active' : 'deleted',
    createdAt: row.created_at,
    createdBy: row.created_by,
  };
}
