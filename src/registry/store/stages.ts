import type { StageMove } from '../shapes.ts';
import { type Db, tables, type VersionKey } from './tables.ts';

/** Appends a move to the history of a version. */
export async function appendStageMove(db: Db, move: StageMove): Promise<void> {
  const { model, version } = move;
  const last = await tables(db)
    .selectFrom('registry_stage_move')
    .select((e) => e.fn.max('number').as('number'))
    .where('model', '=', model)
    .where('version', '=', version)
    .executeTakeFirst();
  await tables(db)
    .insertInto('registry_stage_move')
    .values({
      model,
      version,
      number: Number(last?.number ?? 0) + 1,
      from_stage: move.from.stage,
      from_status: move.from.status,
      to_stage: move.to.stage,
      to_status: move.to.status,
      moved_by: move.by,
      moved_at: move.at,
      reason: move.reason,
    })
    .execute();
}

/** The moves of a version with their numbers, newest first, of those whose number is below `before`. */
export async function listStageMoves(
  db: Db,
  key: VersionKey,
  page: { readonly before?: number | undefined; readonly limit: number },
): Promise<{ readonly number: number; readonly move: StageMove }[]> {
  let query = tables(db)
    .selectFrom('registry_stage_move')
    .selectAll()
    .where('model', '=', key.model)
    .where('version', '=', key.version)
    .orderBy('number', 'desc')
    .limit(page.limit);
  if (page.before !== undefined) query = query.where('number', '<', page.before);
  return (await query.execute()).map((row) => ({
    number: row.number,
    move: {
      model: row.model,
      version: row.version,
      from: { stage: row.from_stage, status: row.from_status } as StageMove['from'],
      to: { stage: row.to_stage, status: row.to_status } as StageMove['to'],
      by: row.moved_by,
      at: row.moved_at,
      reason: row.reason,
    },
  }));
}
