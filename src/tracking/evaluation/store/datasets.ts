import { type Expression, type SqlBool, sql } from 'kysely';
import type { SqlDialect } from '#ports/sql';
import type { Comparison, Filter, Order } from '../../search/index.ts';
import { padded } from '../../store/bulk.ts';
import { comparisonOf, compileFilter, type KeyKind, type OrderTerm } from '../../store/filter/index.ts';
import { column, type FoundPage, findPage } from '../../store/found.ts';
import { type Db, tables } from '../../store/tables.ts';
import type { EvaluationDataset, RecordSchema } from '../model.ts';
import type { EvaluationDatasetTable } from './tables.ts';

export async function insertDataset(db: Db, row: EvaluationDatasetTable): Promise<void> {
  await tables(db).insertInto('tracking_evaluation_dataset').values(row).execute();
}

export async function updateDataset(
  db: Db,
  id: string,
  change: Partial<Omit<EvaluationDatasetTable, 'id' | 'project'>>,
): Promise<void> {
  await tables(db).updateTable('tracking_evaluation_dataset').set(change).where('id', '=', id).execute();
}

/** Where the next record goes. */
export async function lastPosition(db: Db, id: string): Promise<number> {
  const row = await tables(db)
    .selectFrom('tracking_evaluation_dataset')
    .select('last_position')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  return Number(row.last_position);
}

/** The data sets of these ids that are not deleted, in their order. */
export async function datasetsOf(db: Db, ids: readonly string[]): Promise<EvaluationDataset[]> {
  if (ids.length === 0) return [];
  const wanted = padded(ids);
  const rows = await tables(db)
    .selectFrom('tracking_evaluation_dataset')
    .selectAll()
    .where('id', 'in', wanted)
    .where('deleted_at', 'is', null)
    .execute();
  const tags = await tables(db)
    .selectFrom('tracking_evaluation_tag')
    .selectAll()
    .where('dataset', 'in', wanted)
    .orderBy('key')
    .execute();
  const links = await tables(db)
    .selectFrom('tracking_evaluation_experiment')
    .selectAll()
    .where('dataset', 'in', wanted)
    .orderBy('experiment')
    .execute();
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => {
    const row = byId.get(id);
    if (!row) return [];
    return {
      ...datasetOf(row),
      tags: new Map(tags.filter(({ dataset }) => dataset === id).map(({ key, value }) => [key, value])),
      experiments: links.filter(({ dataset }) => dataset === id).map(({ experiment }) => experiment),
    };
  });
}

function datasetOf(row: EvaluationDatasetTable): Omit<EvaluationDataset, 'tags' | 'experiments'> {
  return {
    id: row.id,
    project: row.project,
    name: row.name,
    owner: row.owner,
    schema: JSON.parse(row.schema) as RecordSchema,
    records: row.records,
    createdBy: row.created_by ?? undefined,
    createdAt: Number(row.created_at),
    updatedBy: row.updated_by ?? undefined,
    updatedAt: Number(row.updated_at),
  };
}

export async function putDatasetTags(db: Db, dataset: string, values: Readonly<Record<string, string>>): Promise<void> {
  const rows = Object.entries(values).map(([key, value]) => ({ dataset, key, value }));
  if (rows.length === 0) return;
  await tables(db)
    .insertInto('tracking_evaluation_tag')
    .values(rows)
    .onConflict((c) => c.columns(['dataset', 'key']).doUpdateSet((e) => ({ value: e.ref('excluded.value') })))
    .execute();
}

/** Whether there was such a tag. */
export async function dropDatasetTag(db: Db, dataset: string, key: string): Promise<boolean> {
  const { numDeletedRows } = await tables(db)
    .deleteFrom('tracking_evaluation_tag')
    .where('dataset', '=', dataset)
    .where('key', '=', key)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

export async function linkExperiments(db: Db, dataset: string, experiments: readonly string[]): Promise<void> {
  if (experiments.length === 0) return;
  await tables(db)
    .insertInto('tracking_evaluation_experiment')
    .values(experiments.map((experiment) => ({ dataset, experiment })))
    .onConflict((c) => c.columns(['dataset', 'experiment']).doNothing())
    .execute();
}

export async function unlinkExperiments(db: Db, dataset: string, experiments: readonly string[]): Promise<void> {
  if (experiments.length === 0) return;
  await tables(db)
    .deleteFrom('tracking_evaluation_experiment')
    .where('dataset', '=', dataset)
    .where('experiment', 'in', padded(experiments))
    .execute();
}

export interface DatasetSearch {
  readonly project: string;
  /** Only those that belong to one of these. */
  readonly experiments: readonly string[] | undefined;
  /** Those that the asker may see: all, or those that belong to one of these experiments. */
  readonly visible: 'all' | ReadonlySet<string>;
  readonly filter: Filter | undefined;
  readonly order: readonly Order[];
  readonly limit: number;
  readonly token: string | undefined;
}

const ID = column<string>('d.id');
const ATTRIBUTES: Readonly<Record<string, { readonly expression: Expression<unknown>; readonly kind: KeyKind }>> = {
  name: { expression: column('d.name'), kind: 'text' },
  dataset_id: { expression: ID, kind: 'text' },
  created_time: { expression: column('d.created_at'), kind: 'integer' },
  last_update_time: { expression: column('d.updated_at'), kind: 'integer' },
  created_by: { expression: sql`coalesce(d.created_by, '')`, kind: 'text' },
  last_updated_by: { expression: sql`coalesce(d.updated_by, '')`, kind: 'text' },
};

/** The ids of a page of data sets that are not deleted: the newest first, unless ordered otherwise. */
export async function searchDatasets(db: Db, dialect: SqlDialect, search: DatasetSearch): Promise<FoundPage<string>> {
  const { project, experiments, visible, filter, order, limit, token } = search;
  const terms: OrderTerm[] = [
    ...order.map(({ field, descending }) => ({ ...attributeOf(field.key), descending })),
    { expression: column('d.created_at'), kind: 'integer', descending: true },
    { expression: ID, kind: 'text', descending: true },
  ];
  const where = [
    sql<SqlBool>`d.project = ${project}`,
    sql<SqlBool>`d.deleted_at is null`,
    ...(experiments === undefined ? [] : [ofExperiments(experiments)]),
    ...(visible === 'all' ? [] : [ofExperiments([...visible])]),
    ...(filter ? [compileFilter(filter, (comparison) => compareDataset(comparison, dialect))] : []),
  ];
  const bound = { datasets: project, experiments: experiments ?? null, filter: filter ?? null, order };
  return findPage(db, { from: sql`tracking_evaluation_dataset d`, id: ID, where, terms }, { limit, token, bound });
}

function ofExperiments(experiments: readonly string[]): Expression<SqlBool> {
  if (experiments.length === 0) return sql<SqlBool>`1 = 0`;
  const list = sql.join(experiments.map((id) => sql`${id}`));
  return sql<SqlBool>`exists (select 1 from tracking_evaluation_experiment l
    where l.dataset = d.id and l.experiment in (${list}))`;
}

function attributeOf(key: string): { readonly expression: Expression<unknown>; readonly kind: KeyKind } {
  const attribute = ATTRIBUTES[key];
  if (!attribute) throw new Error(`the attribute '${key}' is in the vocabulary and in no column`);
  return attribute;
}

function compareDataset(comparison: Comparison, dialect: SqlDialect): Expression<SqlBool> {
  const { field, operator } = comparison;
  if (field.entity === 'attributes') return comparisonOf(attributeOf(field.key).expression, comparison, dialect);
  const of = sql`select 1 from tracking_evaluation_tag g where g.dataset = d.id and g.key = ${field.key}`;
  if (operator === 'IS NULL') return sql<SqlBool>`not exists (${of})`;
  if (operator === 'IS NOT NULL') return sql<SqlBool>`exists (${of})`;
  return sql<SqlBool>`exists (${of} and ${comparisonOf(column('g.value'), comparison, dialect)})`;
}
