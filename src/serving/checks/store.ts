import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';
import type { GoldenView } from './golden-request.ts';

interface Tables {
  readonly serving_golden: {
    endpoint: string;
    name: string;
    inputs: string;
    expected: number;
    /** Of a model of tensors; `inputs` and `expected` say nothing then. */
    tensors: string | null;
    source: GoldenView['source'];
    revision: string | null;
    recorded_at: number;
  };
}

type Db = Kysely<AnyTables>;
const tables = (db: Db): Kysely<Tables> => db;

/** By name; there are at most `GOLDEN_MAX`. */
export async function listGolden(db: Db, endpoint: string): Promise<GoldenView[]> {
  const rows = await tables(db)
    .selectFrom('serving_golden')
    .selectAll()
    .where('endpoint', '=', endpoint)
    .orderBy('name')
    .execute();
  return rows.map(({ name, inputs, expected, tensors: ofTensors, source, revision, recorded_at: recordedAt }) => ({
    ...{ name, source, revision, recordedAt },
    expected: ofTensors === null ? Number(expected) : null,
    inputs: JSON.parse(inputs),
    ...(ofTensors === null ? {} : { tensors: JSON.parse(ofTensors) }),
  }));
}

/** Writes one; it takes the place of one of the same name. */
export async function saveGolden(db: Db, endpoint: string, golden: GoldenView): Promise<void> {
  const { name, inputs, expected, tensors: ofTensors, source, revision, recordedAt } = golden;
  const row = {
    ...{ inputs: JSON.stringify(inputs), expected: expected ?? 0, source, revision, recorded_at: recordedAt },
    tensors: ofTensors ? JSON.stringify(ofTensors) : null,
  };
  await tables(db)
    .insertInto('serving_golden')
    .values({ endpoint, name, ...row })
    .onConflict((c) => c.columns(['endpoint', 'name']).doUpdateSet(row))
    .execute();
}

export async function deleteGolden(db: Db, endpoint: string, name?: string): Promise<void> {
  const query = tables(db).deleteFrom('serving_golden').where('endpoint', '=', endpoint);
  await (name === undefined ? query : query.where('name', '=', name)).execute();
}
