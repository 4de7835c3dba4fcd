import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';
import { type Observation, type Outcomes, observation, outcomes } from './observation.ts';

interface Tables {
  readonly serving_observation: {
    rollout: string;
    kind: 'traffic' | 'outcomes';
    source: string;
    start: number;
    observation: string;
  };
  readonly serving_bundle: { rollout: string; endpoint: string; at: number; digest: string; bundle: string };
}

type Db = Kysely<AnyTables>;
const tables = (db: Db): Kysely<Tables> => db;

/** What is kept of a rollout's traffic, and how late a block may come. */
const KEPT_MS = 24 * 3_600_000;

/** A block as it came: what a gateway saw, or the business metric. */
interface Kept {
  readonly rollout: string;
  readonly kind: Tables['serving_observation']['kind'];
  readonly source: string;
  readonly start: number;
}

/**
 * Keeps a block. False when it was kept before, or is so late that this can no longer be told. Blocks of a day are
 * kept.
 */
export async function insertObservation(db: Db, block: Kept): Promise<boolean> {
  const { rollout, kind, source, start } = block;
  const newest = await tables(db)
    .selectFrom('serving_observation')
    .select((e) => e.fn.max('start').as('start'))
    .where('rollout', '=', rollout)
    .executeTakeFirst();
  const oldest = Number(newest?.start ?? 0) - KEPT_MS;
  if (start < oldest) return false;
  await tables(db)
    .deleteFrom('serving_observation')
    .where('rollout', '=', rollout)
    .where('start', '<', Math.max(oldest, start - KEPT_MS))
    .execute();
  const written = await tables(db)
    .insertInto('serving_observation')
    .values({ rollout, kind, source, start, observation: JSON.stringify(block) })
    .onConflict((c) => c.columns(['rollout', 'kind', 'source', 'start']).doNothing())
    .executeTakeFirst();
  return Number(written.numInsertedOrUpdatedRows ?? 0) > 0;
}

/** The newest blocks of a rollout, oldest first. */
export async function listObservations(db: Db, rollout: string, limit: number): Promise<Observation[]> {
  return (await listKept(db, { rollout, kind: 'traffic', limit })).map((kept) => observation.parse(kept));
}

/** The newest blocks of its metric, oldest first. */
export async function listOutcomes(db: Db, rollout: string, limit: number): Promise<Outcomes[]> {
  return (await listKept(db, { rollout, kind: 'outcomes', limit })).map((kept) => outcomes.parse(kept));
}

async function listKept(
  db: Db,
  { rollout, kind, limit }: Pick<Kept, 'rollout' | 'kind'> & { readonly limit: number },
): Promise<object[]> {
  const rows = await tables(db)
    .selectFrom('serving_observation')
    .select('observation')
    .where('rollout', '=', rollout)
    .where('kind', '=', kind)
    .orderBy('start', 'desc')
    .limit(limit)
    .execute();
  // What the row is kept by is in it too, and is no part of a block of the metric.
  return rows.map((row) => withoutKey(JSON.parse(row.observation), kind)).reverse();
}

function withoutKey({ kind: _, rollout, ...block }: Kept, kind: Kept['kind']): object {
  return kind === 'traffic' ? { rollout, ...block } : block;
}

export interface StoredBundle {
  readonly rollout: string;
  readonly endpoint: string;
  readonly at: number;
  readonly digest: string;
  /** JSON. */
  readonly bundle: string;
}

/** A rollout has one bundle: it is rolled back once. */
export async function insertBundle(db: Db, bundle: StoredBundle): Promise<void> {
  await tables(db).insertInto('serving_bundle').values(bundle).execute();
}

export async function findBundle(db: Db, rollout: string): Promise<StoredBundle | undefined> {
  return tables(db).selectFrom('serving_bundle').selectAll().where('rollout', '=', rollout).executeTakeFirst();
}
