import type { Db } from './tables.ts';

type Columns = Readonly<Record<string, string | number | null>>;

/** A history of moves, numbered from 1 for each key: of an alias between versions, or of a version between stages. */
export interface MoveLog<Key, Move extends Key, Row> {
  readonly table: string;
  /** Whose history a move belongs to, by the columns that say so. */
  keyOf(of: Key): Columns;
  /** The columns beside those of the key and the number. */
  columnsOf(move: Move): Columns;
  moveOf(row: Row): Move;
}

/** Appends a move under the next number of its key. */
export async function appendMove<Key, Move extends Key, Row>(
  db: Db,
  log: MoveLog<Key, Move, Row>,
  move: Move,
): Promise<void> {
  const key = log.keyOf(move);
  let query = db.selectFrom(log.table).select((e) => e.fn.max('number').as('number'));
  for (const [column, value] of Object.entries(key)) query = query.where(column, '=', value);
  const last = await query.executeTakeFirst();
  const number = Number(last?.number ?? 0) + 1;
  await db
    .insertInto(log.table)
    .values({ ...key, ...log.columnsOf(move), number })
    .execute();
}

/** The moves of a key with their numbers, newest first, of those whose number is below `before`. */
export async function listMoves<Key, Move extends Key, Row>(
  db: Db,
  log: MoveLog<Key, Move, Row>,
  { of, before, limit }: { readonly of: Key; readonly before?: number | undefined; readonly limit: number },
): Promise<{ readonly number: number; readonly move: Move }[]> {
  let query = db.selectFrom(log.table).selectAll().orderBy('number', 'desc').limit(limit);
  for (const [column, value] of Object.entries(log.keyOf(of))) query = query.where(column, '=', value);
  if (before !== undefined) query = query.where('number', '<', before);
  const rows = await query.execute();
  return rows.map((row) => ({ number: Number(row['number']), move: log.moveOf(row as Row) }));
}
