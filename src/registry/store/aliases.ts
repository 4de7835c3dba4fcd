import type { AliasMove } from '../shapes.ts';
import { type Db, tables } from './tables.ts';

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
  const last = await tables(db)
    .selectFrom('registry_alias_move')
    .select((e) => e.fn.max('number').as('number'))
    .where('model', '=', model)
    .where('alias', '=', alias)
    .executeTakeFirst();
  await tables(db)
    .insertInto('registry_alias_move')
    .values({
      model,
      alias,
      number: Number(last?.number ?? 0) + 1,
      from_version: move.from,
      to_version: to,
      moved_by: move.by,
      moved_at: move.at,
      reason: move.reason,
      cause: JSON.stringify(move.cause),
    })
    .execute();
}

/** The moves of an alias with their numbers, newest first, of those whose number is below `before`. */
export async function listMoves(
  db: Db,
  of: { readonly model: string; readonly alias: string },
  page: { readonly before?: number | undefined; readonly limit: number },
): Promise<{ readonly number: number; readonly move: AliasMove }[]> {
  let query = tables(db)
    .selectFrom('registry_alias_move')
    .selectAll()
    .where('model', '=', of.model)
    .where('alias', '=', of.alias)
    .orderBy('number', 'desc')
    .limit(page.limit);
  if (page.before !== undefined) query = query.where('number', '<', page.before);
  return (await query.execute()).map((row) => ({
    number: row.number,
    move: {
      model: row.model,
      alias: row.alias,
      from: row.from_version,
      to: row.to_version,
      by: row.moved_by,
      at: row.moved_at,
      reason: row.reason,
      cause: JSON.parse(row.cause),
    },
  }));
}
