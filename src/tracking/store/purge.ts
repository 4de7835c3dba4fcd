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
