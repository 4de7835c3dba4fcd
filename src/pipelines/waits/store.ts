import type { StepAddress } from '../store/steps.ts';
import { type Db, tables } from '../store/tables.ts';

/** The types of events that any step waits for at present. */
export async function awaitedTypes(db: Db): Promise<string[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .select('awaits')
    .distinct()
    .where('awaits', 'is not', null)
    .where('status', '=', 'waiting')
    .execute();
  return rows.flatMap(({ awaits }) => awaits ?? []);
}

/** The steps that wait for events of a type, the longest waiting first. */
export async function stepsAwaiting(db: Db, type: string): Promise<StepAddress[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .select(['run', 'name'])
    .where('awaits', '=', type)
    .where('status', '=', 'waiting')
    .orderBy('started_at')
    .orderBy('run')
    .orderBy('position')
    .execute();
  return rows.map(({ run, name }) => ({ run, step: name }));
}
