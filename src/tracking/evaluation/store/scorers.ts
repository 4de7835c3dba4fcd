import { type Db, tables } from '../../store/tables.ts';

/** One version of a scorer, as its client wrote it. */
export interface ScorerVersion {
  readonly scorer: string;
  readonly experiment: string;
  readonly name: string;
  readonly version: number;
  readonly content: string;
  readonly createdAt: number;
}

export async function findScorer(
  db: Db,
  of: { readonly experiment: string; readonly name: string },
): Promise<string | undefined> {
  const row = await tables(db)
    .selectFrom('tracking_scorer')
    .select('id')
    .where('experiment', '=', of.experiment)
    .where('name', '=', of.name)
    .executeTakeFirst();
  return row?.id;
}

export async function insertScorer(
  db: Db,
  scorer: { readonly id: string; readonly experiment: string; readonly name: string },
): Promise<void> {
  await tables(db).insertInto('tracking_scorer').values(scorer).execute();
}

export async function countScorers(db: Db, experiment: string): Promise<number> {
  const row = await tables(db)
    .selectFrom('tracking_scorer')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('experiment', '=', experiment)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** The number of the newest version, also where it is deleted: numbers are not used again. */
export async function lastVersion(db: Db, scorer: string): Promise<number> {
  const row = await tables(db)
    .selectFrom('tracking_scorer_version')
    .select((e) => e.fn.max('version').as('last'))
    .where('scorer', '=', scorer)
    .executeTakeFirst();
  return Number(row?.last ?? 0);
}

export async function insertScorerVersion(
  db: Db,
  row: {
    readonly scorer: string;
    readonly version: number;
    readonly content: string;
    readonly created_by: string;
    readonly created_at: number;
  },
): Promise<void> {
  await tables(db)
    .insertInto('tracking_scorer_version')
    .values({ ...row, deleted_at: null })
    .execute();
}

/** Versions that are not deleted, of one scorer or of all in the experiments, by name and version. */
export async function scorerVersions(
  db: Db,
  of: { readonly experiments: readonly string[]; readonly name?: string | undefined },
): Promise<ScorerVersion[]> {
  if (of.experiments.length === 0) return [];
  let query = tables(db)
    .selectFrom('tracking_scorer_version as v')
    .innerJoin('tracking_scorer as s', 's.id', 'v.scorer')
    .select(['v.scorer', 's.experiment', 's.name', 'v.version', 'v.content', 'v.created_at'])
    .where('s.experiment', 'in', of.experiments)
    .where('v.deleted_at', 'is', null)
    .orderBy('s.experiment')
    .orderBy('s.name')
    .orderBy('v.version');
  if (of.name !== undefined) query = query.where('s.name', '=', of.name);
  const rows = await query.execute();
  return rows.map(({ created_at, ...row }) => ({ ...row, createdAt: Number(created_at) }));
}

/** Removes the scorers of an experiment with all their versions. */
export async function removeScorersOf(db: Db, experiment: string): Promise<void> {
  const scorers = tables(db).selectFrom('tracking_scorer').select('id').where('experiment', '=', experiment);
  await tables(db).deleteFrom('tracking_scorer_version').where('scorer', 'in', scorers).execute();
  await tables(db).deleteFrom('tracking_scorer').where('experiment', '=', experiment).execute();
}

export async function deleteScorerVersions(
  db: Db,
  of: { readonly scorer: string; readonly versions: readonly number[]; readonly at: number },
): Promise<void> {
  await tables(db)
    .updateTable('tracking_scorer_version')
    .set({ deleted_at: of.at })
    .where('scorer', '=', of.scorer)
    .where('version', 'in', of.versions)
    .execute();
}
