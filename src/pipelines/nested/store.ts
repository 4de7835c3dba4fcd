import type { PipelineSpec } from '../spec.ts';
import { ACTIVE, runOf, type StoredRun } from '../store/runs.ts';
import { type Db, tables } from '../store/tables.ts';
import { stepOfUnit } from '../units.ts';

/** A pipeline as it was declared under a generation. */
export async function findGeneration(db: Db, name: string, generation: number): Promise<PipelineSpec | undefined> {
  const row = await tables(db)
    .selectFrom('pipeline_generation')
    .select('spec')
    .where('name', '=', name)
    .where('generation', '=', generation)
    .executeTakeFirst();
  return row && JSON.parse(row.spec);
}

/** The runs that are steps of a run and have not ended, in the order in which they were started. */
export async function openChildren(db: Db, run: string): Promise<StoredRun[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_run')
    .selectAll()
    .where('parent_run', '=', run)
    .where('status', 'in', ACTIVE)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
  return rows.map(runOf);
}

/** The runs that are steps of a run, by step; those that are units of one of its steps, by unit. */
export async function childrenOf(db: Db, run: string, divided?: string): Promise<Map<string, string>> {
  const rows = await tables(db)
    .selectFrom('pipeline_run')
    .select(['id', 'parent_step'])
    .where('parent_run', '=', run)
    .where('parent_step', divided === undefined ? 'not like' : 'like', `${divided ?? '%'}:%`)
    .execute();
  // An underscore in a name stands for any character in the query.
  const own = rows.filter((row) => stepOfUnit(row.parent_step ?? '') === divided);
  return new Map(own.map((row) => [row.parent_step ?? '', row.id]));
}

/** A run and all that are steps of it, directly or not, as far as they have not ended. */
export async function openTree(db: Db, run: string): Promise<string[]> {
  const found = [run];
  for (const next of found) found.push(...(await openChildren(db, next)).map((child) => child.run));
  return found;
}
