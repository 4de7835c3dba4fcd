import type { AliasMove } from '../shapes.ts';
import { appendMove, type MoveLog } from './moves.ts';
import { type AliasMoveTable, type Db, tables } from './tables.ts';

export async function findAlias(db: Db, model: string, alias: string): Promise<number | undefined> {
  const row = await tables(db)
    .selectFrom('registry_alias')
    .select('version')
    .where('model', '=', model)
    .where('alias', '=', alias)
    .executeTakeFirst();
  return row?.version;
}

/** Points an alias to a version, or removes it with `to: null`, and appends the move to its history. */
export async function moveAlias(db: Db, move: AliasMove): Promise<void> {
  const { model, alias, to } = move;
  if (to === null) {
    await tables(db).deleteFrom('registry_alias').where('model', '=', model).where('alias', '=', alias).execute();
  } else {
    await tables(db)
      .insertInto('registry_alias')
      .values({ model, alias, version: to })
      .onConflict((c) => c.columns(['model', 'alias']).doUpdateSet({ version: to }))
      .execute();
  }
  await appendMove(db, aliasMoves, move);
}

/** Which versions aliases have pointed to. */
export const aliasMoves: MoveLog<Pick<AliasMove, 'model' | 'alias'>, AliasMove, AliasMoveTable> = {
  table: 'registry_alias_move',
  keyOf: ({ model, alias }) => ({ model, alias }),
  columnsOf: ({ from, to, by, at, reason, cause }) => ({
    from_version: from,
    to_version: to,
    moved_by: by,
    moved_at: at,
    reason,
    cause: JSON.stringify(cause),
  }),
  moveOf: (row) => ({
    model: row.model,
    alias: row.alias,
    from: row.from_version,
    to: row.to_version,
    by: row.moved_by,
    at: row.moved_at,
    reason: row.reason,
    cause: JSON.parse(row.cause),
  }),
};
