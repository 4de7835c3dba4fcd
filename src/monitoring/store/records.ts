import { sql } from 'kysely';
import type { Label, PredictionRecord } from '../contract.ts';
import type { ScoredRow, TimeRange } from '../model.ts';
import { decodeNumeric, encodeNumeric, type InputRow } from '../numeric-inputs.ts';
import { type Db, type PredictionTable, partsOf, tables } from './tables.ts';

/** Small statements are faster here: what a statement costs beside its rows is less than what its size costs. */
const INSERT_ROWS = 40;
const IDS = 500;
const DAY_MS = 86_400_000;

/** Inserts records whose id is not known, and tells how many that were. */
export async function insertPredictions(db: Db, records: readonly PredictionRecord[]): Promise<number> {
  let inserted = 0;
  for (const part of partsOf(records, INSERT_ROWS)) {
    const result = await tables(db)
      .insertInto('prediction')
      .values(part.map(rowOf))
      .onConflict((c) => c.column('id').doNothing())
      .executeTakeFirst();
    inserted += Number(result.numInsertedOrUpdatedRows ?? 0);
  }
  return inserted;
}

/** Inserts labels of predictions that have none, and tells which those were. */
export async function insertLabels(db: Db, labels: readonly Label[]): Promise<string[]> {
  const inserted: string[] = [];
  for (const part of partsOf(labels, INSERT_ROWS)) {
    const rows = await tables(db)
      .insertInto('prediction_label')
      .values(
        part.map((label) => ({
          prediction: label.prediction,
          value: label.value,
          at: label.at ?? null,
          known_at: label.knownAt,
        })),
      )
      .onConflict((c) => c.column('prediction').doNothing())
      .returning('prediction')
      .execute();
    for (const row of rows) inserted.push(row.prediction);
  }
  return inserted;
}

export async function eventTimesOf(db: Db, ids: readonly string[]): Promise<{ endpoint: string; at: number }[]> {
  const found: { endpoint: string; at: number }[] = [];
  for (const part of partsOf(ids, IDS)) {
    found.push(
      ...(await tables(db).selectFrom('prediction').select(['endpoint', 'at']).where('id', 'in', part).execute()),
    );
  }
  return found;
}

/** Event time of the first prediction at or after `from`. */
export async function firstAt(db: Db, endpoint: string, from: number): Promise<number | undefined> {
  const row = await tables(db)
    .selectFrom('prediction')
    .select('at')
    .where('endpoint', '=', endpoint)
    .where('at', '>=', from)
    .orderBy('at')
    .limit(1)
    .executeTakeFirst();
  return row?.at;
}

export async function firstAtOfRollout(db: Db, rollout: string, from: number): Promise<number | undefined> {
  const row = await tables(db)
    .selectFrom('prediction')
    .select('at')
    .where('rollout', '=', rollout)
    .where('at', '>=', from)
    .orderBy('at')
    .limit(1)
    .executeTakeFirst();
  return row?.at;
}

const scoredColumns = [
  'prediction.id',
  'prediction.at',
  'prediction.revision',
  'prediction.arm',
  'prediction.score',
  'prediction.shadow_revision',
  'prediction.shadow_score',
  'prediction.fallback',
  'prediction_label.value as label',
] as const;

/** Scores of an endpoint's predictions in `[from, to)` with their labels, in event order. */
export async function scoredRows(db: Db, endpoint: string, { from, to }: TimeRange): Promise<ScoredRow[]> {
  const rows = await tables(db)
    .selectFrom('prediction')
    .leftJoin('prediction_label', 'prediction_label.prediction', 'prediction.id')
    .select(scoredColumns)
    .where('endpoint', '=', endpoint)
    .where('prediction.at', '>=', from)
    .where('prediction.at', '<', to)
    .orderBy('prediction.at')
    .orderBy('prediction.id')
    .execute();
  return rows.map(scoredOf);
}

/** As {@link scoredRows}, of a rollout: those whose arm was drawn, as who names an arm is nobody's sample. */
export async function rolloutRows(db: Db, rollout: string, { from, to }: TimeRange): Promise<ScoredRow[]> {
  const rows = await tables(db)
    .selectFrom('prediction')
    .leftJoin('prediction_label', 'prediction_label.prediction', 'prediction.id')
    .select(scoredColumns)
    .where('rollout', '=', rollout)
    .where('chosen_by', 'is', null)
    .where('prediction.at', '>=', from)
    .where('prediction.at', '<', to)
    .orderBy('prediction.at')
    .orderBy('prediction.id')
    .execute();
  return rows.map(scoredOf);
}

/** A labelled request of a rollout whose arm was drawn: either could have come. */
export interface DrawnRow {
  readonly at: number;
  readonly arm: string;
  readonly propensity: number;
  readonly score: number;
  readonly shadowScore: number | null;
  readonly revision: string;
  readonly fallback: string | null;
  readonly label: number;
}

/** In event order; at most `limit`. */
export async function drawnRows(db: Db, rollout: string, limit: number): Promise<DrawnRow[]> {
  return tables(db)
    .selectFrom('prediction')
    .innerJoin('prediction_label', 'prediction_label.prediction', 'prediction.id')
    .select(['prediction.at', 'prediction.arm', 'prediction.propensity', 'prediction.score', 'prediction.fallback'])
    .select(['prediction.revision', 'prediction.shadow_score as shadowScore', 'prediction_label.value as label'])
    .where('rollout', '=', rollout)
    .where('propensity', '>', 0)
    .where('propensity', '<', 1)
    .orderBy('prediction.at')
    .orderBy('prediction.id')
    .limit(limit)
    .execute();
}

/** What the revisions got as inputs in `[from, to)`. */
export async function inputRows(db: Db, endpoint: string, { from, to }: TimeRange): Promise<InputRow[]> {
  return tables(db)
    .selectFrom('prediction')
    .select(['revision', 'numeric_inputs as numeric', 'categories'])
    .where('endpoint', '=', endpoint)
    .where('at', '>=', from)
    .where('at', '<', to)
    .execute();
}

export interface StoredPrediction {
  readonly record: PredictionRecord;
  readonly label: { readonly value: number; readonly at: number | null; readonly knownAt: number } | null;
}

export async function findPrediction(db: Db, id: string): Promise<StoredPrediction | undefined> {
  const row = await tables(db).selectFrom('prediction').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row) return undefined;
  const label = await tables(db)
    .selectFrom('prediction_label')
    .selectAll()
    .where('prediction', '=', id)
    .executeTakeFirst();
  return { record: recordOf(row), label: label ? { value: label.value, at: label.at, knownAt: label.known_at } : null };
}

/** The newest predictions that `revision` answered itself, newest first; at most `limit`. */
export async function newestOf(
  db: Db,
  { endpoint, revision, limit }: { readonly endpoint: string; readonly revision: string; readonly limit: number },
): Promise<PredictionRecord[]> {
  const rows = await tables(db)
    .selectFrom('prediction')
    .selectAll()
    .where('endpoint', '=', endpoint)
    .where('revision', '=', revision)
    .where('fallback', 'is', null)
    .orderBy('at', 'desc')
    .limit(limit)
    .execute();
  return rows.map(recordOf);
}

export async function predictionsOf(db: Db, ids: readonly string[]): Promise<PredictionRecord[]> {
  const found: PredictionRecord[] = [];
  for (const part of partsOf(ids, IDS)) {
    const rows = await tables(db).selectFrom('prediction').selectAll().where('id', 'in', part).execute();
    found.push(...rows.map(recordOf));
  }
  return found;
}

/** Ids of predictions in `[from, to)` that carry entities; at most `limit`. */
export async function idsWithEntities(
  db: Db,
  endpoint: string,
  { from, to, limit }: TimeRange & { readonly limit: number },
): Promise<string[]> {
  const rows = await tables(db)
    .selectFrom('prediction')
    .select('id')
    .where('endpoint', '=', endpoint)
    .where('at', '>=', from)
    .where('at', '<', to)
    .where('entities', 'is not', null)
    .limit(limit)
    .execute();
  return rows.map((row) => row.id);
}

export async function countPredictions(db: Db, endpoint: string, { from, to }: TimeRange): Promise<number> {
  const row = await tables(db)
    .selectFrom('prediction')
    .select((e) => e.fn.countAll().as('count'))
    .where('endpoint', '=', endpoint)
    .where('at', '>=', from)
    .where('at', '<', to)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Predictions and labels by day of event time. */
export async function coverageByDay(
  db: Db,
  endpoint: string,
  { from, to }: TimeRange,
): Promise<{ day: number; requests: number; labelled: number }[]> {
  const day = sql<number>`prediction.at - prediction.at % ${sql.lit(DAY_MS)}`;
  const rows = await tables(db)
    .selectFrom('prediction')
    .leftJoin('prediction_label', 'prediction_label.prediction', 'prediction.id')
    .select((e) => [day.as('day'), e.fn.countAll().as('requests'), e.fn.count('prediction_label.value').as('labelled')])
    .where('endpoint', '=', endpoint)
    .where('prediction.at', '>=', from)
    .where('prediction.at', '<', to)
    .groupBy(day)
    .orderBy(day)
    .execute();
  return rows.map((row) => ({ day: row.day, requests: Number(row.requests), labelled: Number(row.labelled) }));
}

export async function totalsOf(
  db: Db,
  endpoint: string,
): Promise<{ total: number; labelled: number; firstAt: number | null; lastAt: number | null }> {
  const row = await tables(db)
    .selectFrom('prediction')
    .leftJoin('prediction_label', 'prediction_label.prediction', 'prediction.id')
    .select((e) => [
      e.fn.countAll().as('total'),
      e.fn.count('prediction_label.value').as('labelled'),
      e.fn.min('prediction.at').as('first'),
      e.fn.max('prediction.at').as('last'),
    ])
    .where('endpoint', '=', endpoint)
    .executeTakeFirstOrThrow();
  return { total: Number(row.total), labelled: Number(row.labelled), firstAt: row.first, lastAt: row.last };
}

function rowOf(record: PredictionRecord): PredictionTable {
  return {
    id: record.id,
    endpoint: record.endpoint,
    at: record.at,
    received_at: record.receivedAt,
    revision: record.revision,
    arm: record.arm,
    score: record.score,
    propensity: record.propensity,
    chosen_by: record.chosenBy ?? null,
    shadow_revision: record.shadow?.revision ?? null,
    shadow_score: record.shadow?.score ?? null,
    shadow_error: record.shadow?.error ?? null,
    fallback: record.fallback ? JSON.stringify(record.fallback) : null,
    cached: record.cached ? 1 : null,
    numeric_inputs: encodeNumeric(record.numeric),
    categories: JSON.stringify(record.categories),
    entities: record.entities ? JSON.stringify(record.entities) : null,
    latency_us: record.latencyUs,
    nodes: record.nodes ? JSON.stringify(record.nodes) : null,
    rollout: record.rollout ?? null,
    tensors: record.tensors ? JSON.stringify({ ...record.tensors, difference: record.shadow?.difference }) : null,
  };
}

type StoredTensors = Partial<NonNullable<PredictionRecord['tensors']>> & {
  readonly difference?: NonNullable<PredictionRecord['shadow']>['difference'];
};

function recordOf(row: PredictionTable): PredictionRecord {
  const { shadow_revision, shadow_score, shadow_error } = row;
  const { difference, ...tensors } = row.tensors === null ? {} : (JSON.parse(row.tensors) as StoredTensors);
  return {
    id: row.id,
    endpoint: row.endpoint,
    at: row.at,
    receivedAt: row.received_at,
    revision: row.revision,
    arm: row.arm as PredictionRecord['arm'],
    score: row.score,
    propensity: row.propensity,
    ...(row.chosen_by === null ? {} : { chosenBy: row.chosen_by }),
    ...(shadow_revision === null
      ? {}
      : {
          shadow: {
            revision: shadow_revision,
            score: shadow_score,
            ...(shadow_error === null ? {} : { error: shadow_error }),
            ...(difference ? { difference } : {}),
          },
        }),
    ...(row.fallback === null ? {} : { fallback: JSON.parse(row.fallback) }),
    ...(row.cached === null ? {} : { cached: true }),
    numeric: Array.from(decodeNumeric(row.numeric_inputs), (value) => (Number.isNaN(value) ? null : value)),
    categories: JSON.parse(row.categories),
    ...(row.entities === null ? {} : { entities: JSON.parse(row.entities) }),
    latencyUs: row.latency_us,
    ...(row.nodes === null ? {} : { nodes: JSON.parse(row.nodes) }),
    ...(row.rollout === null ? {} : { rollout: row.rollout }),
    ...(tensors.inputs && tensors.outputs ? { tensors: { inputs: tensors.inputs, outputs: tensors.outputs } } : {}),
  };
}

type ScoredColumns = Pick<
  PredictionTable,
  'id' | 'at' | 'revision' | 'arm' | 'score' | 'shadow_revision' | 'shadow_score' | 'fallback'
>;

function scoredOf(row: ScoredColumns & { label: number | null }): ScoredRow {
  return {
    id: row.id,
    at: row.at,
    revision: row.revision,
    arm: row.arm as ScoredRow['arm'],
    score: row.score,
    shadowRevision: row.shadow_revision,
    shadowScore: row.shadow_score,
    failedRevision: row.fallback === null ? null : (JSON.parse(row.fallback) as { revision: string }).revision,
    label: row.label,
  };
}
