import { type Expression, type SqlBool, sql } from 'kysely';
import type { SqlDialect } from '#ports/sql';
import type { Comparison, Field, Filter } from '../search/index.ts';
import { comparisonOf, compileFilter, type KeyKind, type OrderTerm } from './filter/index.ts';
import { column, type FoundPage, findPage, lifecycleCondition, nullableTerms } from './found.ts';
import type { Db } from './tables.ts';

export interface DatasetFilter {
  readonly name?: string | undefined;
  readonly digest?: string | undefined;
}

export interface ModelOrder {
  readonly field: Field;
  readonly descending: boolean;
  /** Order by what was measured on this data set. */
  readonly dataset: DatasetFilter;
}

export interface ModelSearch {
  readonly experiments: readonly string[];
  readonly filter: Filter | undefined;
  /** Comparisons of metrics are of what was measured on one of these, unless there are none. */
  readonly datasets: readonly DatasetFilter[];
  readonly order: readonly ModelOrder[];
  readonly limit: number;
  readonly token: string | undefined;
}

const ID = column<string>('l.id');

interface Attribute {
  readonly expression: Expression<unknown>;
  readonly kind: KeyKind;
  readonly nullable?: boolean;
}

const ATTRIBUTES: Readonly<Record<string, Attribute>> = {
  name: { expression: column('l.name'), kind: 'text' },
  model_id: { expression: ID, kind: 'text' },
  model_type: { expression: column('l.model_type'), kind: 'text', nullable: true },
  status: { expression: column('l.status'), kind: 'text' },
  source_run_id: { expression: column('l.source_run'), kind: 'text', nullable: true },
  experiment_id: { expression: column('l.experiment'), kind: 'text' },
  creation_timestamp: { expression: column('l.created_at'), kind: 'integer' },
  last_updated_timestamp: { expression: column('l.updated_at'), kind: 'integer' },
};

/** The ids of a page of logged models that are not deleted: the newest first, unless ordered otherwise. */
export async function searchModels(db: Db, dialect: SqlDialect, search: ModelSearch): Promise<FoundPage<string>> {
  const { experiments, filter, datasets, order, limit, token } = search;
  const compare = (comparison: Comparison) => compareModel(comparison, datasets, dialect);
  const ordered = (key: string) => order.some(({ field }) => field.entity === 'attributes' && field.key === key);
  const terms: OrderTerm[] = [
    ...order.flatMap(termsOf),
    ...(ordered('creation_timestamp')
      ? []
      : [{ expression: column('l.created_at'), kind: 'integer', descending: true } as const]),
    { expression: ID, kind: 'text', descending: true },
  ];
  const where = [
    sql<SqlBool>`l.experiment in (${sql.join(experiments.map((id) => sql`${id}`))})`,
    ...lifecycleCondition(column('l.deleted_at'), 'active'),
    ...(filter ? [compileFilter(filter, compare)] : []),
  ];
  const bound = { models: [...experiments].sort(), filter: filter ?? null, datasets, order };
  return findPage(db, { from: sql`tracking_model l`, id: ID, where, terms }, { limit, token, bound });
}

function termsOf({ field, descending, dataset }: ModelOrder): OrderTerm[] {
  if (field.entity === 'attributes') {
    const { expression, kind, nullable } = attributeOf(field.key);
    return nullable ? nullableTerms(expression, { kind, descending }) : [{ expression, kind, descending }];
  }
  const newest = sql`(select m.value from tracking_model_metric m
    where m.model = l.id and m.key = ${field.key} and ${measuredOn(dataset)}
    order by m.timestamp desc, m.step desc, m.run limit 1)`;
  return nullableTerms(newest, { kind: 'double', descending });
}

function attributeOf(key: string): Attribute {
  const attribute = ATTRIBUTES[key];
  if (!attribute) throw new Error(`the model attribute '${key}' is in the vocabulary and in no column`);
  return attribute;
}

function measuredOn({ name, digest }: DatasetFilter): Expression<SqlBool> {
  const conditions = [
    ...(name === undefined ? [] : [sql`m.dataset_name = ${name}`]),
    ...(digest === undefined ? [] : [sql`m.dataset_digest = ${digest}`]),
  ];
  return conditions.length === 0 ? sql<SqlBool>`1 = 1` : sql<SqlBool>`${sql.join(conditions, sql` and `)}`;
}

function compareModel(
  comparison: Comparison,
  datasets: readonly DatasetFilter[],
  dialect: SqlDialect,
): Expression<SqlBool> {
  const { field, operator } = comparison;
  if (field.entity === 'attributes') {
    const { expression, nullable } = attributeOf(field.key);
    const compared = comparisonOf(expression, comparison, dialect);
    return nullable ? sql<SqlBool>`${expression} is not null and ${compared}` : compared;
  }
  if (field.entity === 'metrics') return compareMetric(comparison, datasets, dialect);
  const table = sql.table(field.entity === 'params' ? 'tracking_model_param' : 'tracking_model_tag');
  const of = sql`select 1 from ${table} as c where c.model = l.id and c.key = ${field.key}`;
  if (operator === 'IS NULL') return sql<SqlBool>`not exists (${of})`;
  if (operator === 'IS NOT NULL') return sql<SqlBool>`exists (${of})`;
  return sql<SqlBool>`exists (${of} and ${comparisonOf(column('c.value'), comparison, dialect)})`;
}

function compareMetric(
  comparison: Comparison,
  datasets: readonly DatasetFilter[],
  dialect: SqlDialect,
): Expression<SqlBool> {
  const on =
    datasets.length === 0
      ? sql`1 = 1`
      : sql.join(
          datasets.map((dataset) => sql`(${measuredOn(dataset)})`),
          sql` or `,
        );
  const { key } = comparison.field;
  const of = sql`select 1 from tracking_model_metric m where m.model = l.id and m.key = ${key} and (${on})`;
  if (comparison.operator === 'IS NULL') return sql<SqlBool>`not exists (${of})`;
  if (comparison.operator === 'IS NOT NULL') return sql<SqlBool>`exists (${of})`;
  const compared = comparisonOf(column('m.value'), comparison, dialect);
  if (comparison.operator === '!=') return sql<SqlBool>`exists (${of} and (m.special = 'NaN' or ${compared}))`;
  return sql<SqlBool>`exists (${of} and m.special <> 'NaN' and ${compared})`;
}
