import type { StepAddress } from './steps.ts';
import { type Db, tables } from './tables.ts';

/** Takes the steps of a run out of every queue, or puts them back. */
export async function pauseSteps(db: Db, run: string, paused: boolean): Promise<void> {
  const [from, to] = paused ? (['class', 'class_paused'] as const) : (['class_paused', 'class'] as const);
  await tables(db)
    .updateTable('pipeline_step')
    .set((e) => ({ [to]: e.ref(from), [from]: null }))
    .where('run', '=', run)
    .where(from, 'is not', null)
    .where('status', 'in', ['queued', 'running', 'waiting'])
    .execute();
}

/** Queued steps whose time for all their attempts is over. */
export async function overdueSteps(db: Db, now: number, limit: number): Promise<StepAddress[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .select(['run', 'name'])
    .where('status', '=', 'queued')
    .where('deadline_at', '<=', now)
    .limit(limit)
    .execute();
  return rows.map((row) => ({ run: row.run, step: row.name }));
}

/** Waiting steps whose time has come. */
export async function elapsedSteps(db: Db, now: number, limit: number): Promise<StepAddress[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .select(['run', 'name'])
    .where('status', '=', 'waiting')
    .where('ready_at', '<=', now)
    .orderBy('ready_at')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ run: row.run, step: row.name }));
}
