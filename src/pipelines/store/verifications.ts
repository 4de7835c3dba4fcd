import type { Digest } from '#core/hash';
import type { Verification } from '../contract.ts';
import { type Db, type Tables, tables } from './tables.ts';

export interface StoredVerification extends Verification {
  readonly key: Digest;
}

export async function insertVerification(db: Db, { key, of, ...found }: StoredVerification): Promise<void> {
  const { run, step, at } = found;
  const differences = JSON.stringify(found.differences);
  await tables(db)
    .insertInto('pipeline_verification')
    .values({ run, step, cache_key: key, of_run: of.run, of_step: of.step, at, differences })
    .execute();
}

/** The latest that was found out about a key. */
export async function lastVerification(db: Db, key: Digest): Promise<Verification | null> {
  const row = await tables(db)
    .selectFrom('pipeline_verification')
    .selectAll()
    .where('cache_key', '=', key)
    .orderBy('at', 'desc')
    .orderBy('run', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row ? verificationOf(row) : null;
}

/**
 * By step of a run, the latest that was found out about its key, by whichever run; of a run that verifies, what its
 * own step has found.
 */
export async function verificationsOfRun(db: Db, run: string): Promise<Map<string, Verification>> {
  const own = await tables(db).selectFrom('pipeline_verification').selectAll().where('run', '=', run).execute();
  const ofKeys = await tables(db)
    .selectFrom('pipeline_verification as v')
    .innerJoin('pipeline_step as s', 's.cache_key', 'v.cache_key')
    .selectAll('v')
    .select('s.name')
    .where('s.run', '=', run)
    .where('s.parent', 'is', null)
    .orderBy('v.at')
    .orderBy('v.run')
    .execute();
  return new Map([
    ...ofKeys.map((row) => [row.name, verificationOf(row)] as const),
    ...own.map((row) => [row.step, verificationOf(row)] as const),
  ]);
}

function verificationOf(row: Tables['pipeline_verification']): Verification {
  const { run, step, at } = row;
  const differences: string[] = JSON.parse(row.differences);
  return { run, step, of: { run: row.of_run, step: row.of_step }, at, equal: differences.length === 0, differences };
}
