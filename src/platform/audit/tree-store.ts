import type { Kysely } from 'kysely';
import type { AuditEntry } from '#platform/db';
import type { AnyTables } from '#ports/sql';
import type { GrownTile } from './tlog/edge.ts';

/** How far a log has grown, and what it last signed. */
export interface TreeRow {
  readonly size: number;
  /** The hash in the chain of entry number `size`. */
  readonly head: string;
  /** The signed checkpoint over the first `size` entries. */
  readonly checkpoint: string;
}

export async function findTree(db: Kysely<AnyTables>, log: string): Promise<TreeRow | undefined> {
  const row = await db.selectFrom('audit_tree').selectAll().where('log', '=', log).executeTakeFirst();
  return row && { size: row['size'], head: row['head'], checkpoint: row['checkpoint'] };
}

/** Starts a log, unless it was started in the meantime. */
export async function insertTree(db: Kysely<AnyTables>, log: string, tree: TreeRow): Promise<void> {
  await db
    .insertInto('audit_tree')
    .values({ log, ...tree })
    .onConflict((conflict) => conflict.column('log').doNothing())
    .execute();
}

/** Moves the log from `former` entries on. Answers whether that many were what it had. */
export async function advanceTree(
  db: Kysely<AnyTables>,
  log: string,
  { former, tree }: { readonly former: number; readonly tree: TreeRow },
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('audit_tree')
    .set(tree)
    .where('log', '=', log)
    .where('size', '=', former)
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

export async function putTiles(db: Kysely<AnyTables>, log: string, tiles: readonly GrownTile[]): Promise<void> {
  const rows = tiles.map(({ level, index, hashes }) => ({ log, level, tile: index, hashes }));
  await db
    .insertInto('audit_tile')
    .values(rows)
    .onConflict((conflict) =>
      conflict.columns(['log', 'level', 'tile']).doUpdateSet((row) => ({ hashes: row.ref('excluded.hashes') })),
    )
    .execute();
}

/** The hashes of a tile as far as it has grown. */
export async function findTile(
  db: Kysely<AnyTables>,
  log: string,
  { level, index }: Pick<GrownTile, 'level' | 'index'>,
): Promise<Uint8Array | undefined> {
  const row = await db
    .selectFrom('audit_tile')
    .select('hashes')
    .where('log', '=', log)
    .where('level', '=', level)
    .where('tile', '=', index)
    .executeTakeFirst();
  return row?.['hashes'];
}

/** Remembers which entries concern a part of something, such as one version of a model. */
export async function putParts(db: Kysely<AnyTables>, entries: readonly AuditEntry[]): Promise<void> {
  const rows = entries.flatMap(({ seq, subject }) => {
    const whole = wholeOf(subject);
    return whole === undefined ? [] : [{ whole, seq }];
  });
  if (rows.length === 0) return;
  await db
    .insertInto('audit_part')
    .values(rows)
    .onConflict((conflict) => conflict.columns(['whole', 'seq']).doNothing())
    .execute();
}

/** The numbers of entries about parts of `whole`, in order. */
export async function listParts(
  db: Kysely<AnyTables>,
  whole: string,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<number[]> {
  const rows = await db
    .selectFrom('audit_part')
    .select('seq')
    .where('whole', '=', whole)
    .where('seq', '>', after)
    .orderBy('seq')
    .limit(limit)
    .execute();
  return rows.map((row) => row['seq']);
}

/** `model-version/churn@3` is part of `model/churn`. */
function wholeOf(subject: string): string | undefined {
  const [, kind, name] = /^([a-z-]+)-version\/(.+)@[^@]*$/.exec(subject) ?? [];
  return kind === undefined ? undefined : `${kind}/${name}`;
}
