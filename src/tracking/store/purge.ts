import { removeScorersOf } from '../evaluation/store/scorers.ts';
import { removeIssuesOf } from '../issues/store.ts';
import { DEFAULT_PROJECT } from '../project.ts';
import { removeTracesOf } from '../traces/store/traces.ts';
import { type Db, tables } from './tables.ts';

/** Ids of the runs that were deleted before a time, those longest ago first. */
export async function runsDeletedBefore(db: Db, before: number): Promise<string[]> {
  const rows = await tables(db)
    .selectFrom('tracking_run')
    .select('id')
    .where('deleted_at', '<', before)
    .orderBy('deleted_at')
    .orderBy('id')
    .execute();
  return rows.map((row) => row.id);
}

/** Removes a run, with all that it logged, if it is one that was deleted before the time. Tells whether it was. */
export async function removeRunDeletedBefore(db: Db, run: string, before: number): Promise<boolean> {
  const found = await tables(db)
    .selectFrom('tracking_run')
    .select('id')
    .where('id', '=', run)
    .where('deleted_at', '<', before)
    .executeTakeFirst();
  if (!found) return false;
  const series = tables(db).selectFrom('tracking_series').select('id').where('run', '=', run);
  await tables(db).deleteFrom('tracking_point').where('series', 'in', series).execute();
  for (const table of LOGGED) await tables(db).deleteFrom(table).where('run', '=', run).execute();
  await removeImport(db, 'run', run);
  await tables(db).deleteFrom('tracking_run').where('id', '=', run).execute();
  return true;
}

/** Metrics of a logged model stay with the model, also those that a run measured, and traces with the experiment. */
const LOGGED = [
  'tracking_series',
  'tracking_param',
  'tracking_tag',
  'tracking_dataset_input',
  'tracking_model_link',
  'tracking_trace_run',
] as const;

/** Ids of the logged models that were deleted before a time, or whose experiment was. */
export async function modelsDeletedBefore(db: Db, before: number): Promise<string[]> {
  const rows = await tables(db)
    .selectFrom('tracking_model as m')
    .innerJoin('tracking_experiment as e', 'e.id', 'm.experiment')
    .select('m.id')
    .where((w) => w.or([w('m.deleted_at', '<', before), w('e.deleted_at', '<', before)]))
    .orderBy('m.id')
    .execute();
  return rows.map((row) => row.id);
}

/** Removes a logged model, with all that it has, if it is one of {@link modelsDeletedBefore}. Tells whether it was. */
export async function removeModelDeletedBefore(db: Db, model: string, before: number): Promise<boolean> {
  const found = await tables(db)
    .selectFrom('tracking_model as m')
    .innerJoin('tracking_experiment as e', 'e.id', 'm.experiment')
    .select('m.id')
    .where('m.id', '=', model)
    .where((w) => w.or([w('m.deleted_at', '<', before), w('e.deleted_at', '<', before)]))
    .executeTakeFirst();
  if (!found) return false;
  for (const table of OF_MODELS) await tables(db).deleteFrom(table).where('model', '=', model).execute();
  await removeImport(db, 'model', model);
  await tables(db).deleteFrom('tracking_model').where('id', '=', model).execute();
  return true;
}

const OF_MODELS = [
  'tracking_model_param',
  'tracking_model_tag',
  'tracking_model_metric',
  'tracking_model_link',
] as const;

/**
 * Ids of the experiments that were deleted before a time and hold no run that is younger. The experiment `0` is there
 * from the start, and stays.
 */
export async function experimentsDeletedBefore(db: Db, before: number): Promise<string[]> {
  const rows = await tables(db)
    .selectFrom('tracking_experiment as e')
    .select('e.id')
    .where('e.deleted_at', '<', before)
    .where('e.id', '!=', '0')
    .where('e.id', 'not in', withYoungerRuns(db, before))
    .orderBy('e.number')
    .execute();
  return rows.map((row) => row.id);
}

/**
 * Removes an experiment with its tags, data sets, traces, scorers and issues, if it is one of
 * {@link experimentsDeletedBefore} and its runs and logged models are gone. Its number is remembered, so that no other
 * experiment ever gets the same id.
 */
export async function removeExperimentDeletedBefore(db: Db, experiment: string, before: number): Promise<boolean> {
  const found = await tables(db)
    .selectFrom('tracking_experiment')
    .select('number')
    .where('id', '=', experiment)
    .where('deleted_at', '<', before)
    .executeTakeFirst();
  if (!found) return false;
  for (const table of ['tracking_run', 'tracking_model'] as const) {
    const left = tables(db).selectFrom(table).select('id').where('experiment', '=', experiment).limit(1);
    if (await left.executeTakeFirst()) return false;
  }
  await removeTracesOf(db, experiment);
  await removeScorersOf(db, experiment);
  await removeIssuesOf(db, experiment);
  for (const table of ['tracking_experiment_tag', 'tracking_dataset', 'tracking_evaluation_experiment'] as const) {
    await tables(db).deleteFrom(table).where('experiment', '=', experiment).execute();
  }
  await tables(db).deleteFrom('tracking_experiment').where('id', '=', experiment).execute();
  await tables(db).insertInto('tracking_purged_experiment').values({ number: found.number }).execute();
  return true;
}

/** The project of a run, a logged model or an experiment that is there. */
export async function projectOwning(
  db: Db,
  owner: { readonly kind: 'run' | 'model' | 'experiment'; readonly id: string },
): Promise<string> {
  const all = tables(db).selectFrom('tracking_experiment as e').select('e.project');
  const { kind, id } = owner;
  if (kind === 'experiment') return (await all.where('e.id', '=', id).executeTakeFirst())?.project ?? DEFAULT_PROJECT;
  const table = kind === 'run' ? 'tracking_run' : 'tracking_model';
  const ofOwner = tables(db).selectFrom(table).select('experiment').where('id', '=', id);
  return (await all.where('e.id', 'in', ofOwner).executeTakeFirst())?.project ?? DEFAULT_PROJECT;
}

function withYoungerRuns(db: Db, before: number) {
  return tables(db)
    .selectFrom('tracking_run as r')
    .select('r.experiment')
    .where((w) => w.or([w('r.deleted_at', 'is', null), w('r.deleted_at', '>=', before)]));
}

/** What is imported again after it was removed is there again. */
async function removeImport(db: Db, kind: 'run' | 'model', id: string): Promise<void> {
  await tables(db).deleteFrom('tracking_import').where('kind', '=', kind).where('id', '=', id).execute();
}
