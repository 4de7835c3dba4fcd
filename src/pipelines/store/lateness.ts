import { type Db, tables } from './tables.ts';

/** Runs that go on although they should have ended, and of which nobody was told. */
export async function lateRuns(db: Db, now: number, limit: number): Promise<string[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_run')
    .select('id')
    .where('status', 'in', ['queued', 'running', 'cancelling'])
    .where('late_at', '<=', now)
    .where('late_since', 'is', null)
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

export async function markLate(db: Db, run: string, since: number): Promise<void> {
  await tables(db).updateTable('pipeline_run').set({ late_since: since }).where('id', '=', run).execute();
}

/** How long the steps of the last runs of a pipeline that succeeded took, by step, and how many runs those were. */
export async function earlierDurations(
  db: Db,
  of: { readonly pipeline: string; readonly runs: number },
): Promise<{ readonly runs: number; readonly durations: Map<string, number[]> }> {
  const last = await tables(db)
    .selectFrom('pipeline_run')
    .select('id')
    .where('pipeline', '=', of.pipeline)
    .where('status', '=', 'succeeded')
    .orderBy('created_at', 'desc')
    .limit(of.runs)
    .execute();
  if (last.length === 0) return { runs: 0, durations: new Map() };
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .select(['name', 'started_at', 'finished_at'])
    .where(
      'run',
      'in',
      last.map(({ id }) => id),
    )
    .where('parent', 'is', null)
    .where('status', '=', 'succeeded')
    .execute();
  const durations = new Map<string, number[]>();
  for (const { name, started_at: from, finished_at: to } of rows) {
    if (from !== null && to !== null) durations.set(name, [...(durations.get(name) ?? []), Math.max(0, to - from)]);
  }
  return { runs: last.length, durations };
}
