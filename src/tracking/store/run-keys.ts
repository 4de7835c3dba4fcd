import { type Db, tables } from './tables.ts';

export interface RunKeys {
  readonly metrics: string[];
  readonly params: string[];
  readonly tags: string[];
}

const KEYED = { metrics: 'tracking_series', params: 'tracking_param', tags: 'tracking_tag' } as const;

/** The keys that the newest runs of an experiment have, up to `limit` of each kind: what it costs has a bound. */
export async function runKeys(
  db: Db,
  experiment: string,
  { newest, limit }: { readonly newest: number; readonly limit: number },
): Promise<RunKeys> {
  const keysIn = async (table: (typeof KEYED)[keyof typeof KEYED]): Promise<string[]> => {
    const runs = tables(db)
      .selectFrom('tracking_run')
      .select('id')
      .where('experiment', '=', experiment)
      .where('deleted_at', 'is', null)
      .orderBy('started_at', 'desc')
      .orderBy('id', 'desc')
      .limit(newest);
    const rows = await tables(db)
      .selectFrom(table)
      .select('key')
      .distinct()
      .where('run', 'in', runs)
      .orderBy('key')
      .limit(limit)
      .execute();
    return rows.map((row) => row.key);
  };
  return {
    metrics: await keysIn(KEYED.metrics),
    params: await keysIn(KEYED.params),
    tags: await keysIn(KEYED.tags),
  };
}
