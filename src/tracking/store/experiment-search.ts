import { type Expression, type SqlBool, sql } from 'kysely';
import type { SqlDialect } from '#ports/sql';
import type { Comparison, Filter, Order } from '../search/index.ts';
import { comparisonOf, compileFilter, type KeyKind, type OrderTerm } from './filter/index.ts';
import { column, type FoundPage, findPage, type LifecycleView, lifecycleCondition, nullableTerms } from './found.ts';
import type { Db } from './tables.ts';

export interface ExperimentSearch {
  readonly project: string;
  /** Only these, unless left out. */
  readonly ids: readonly string[] | undefined;
  readonly filter: Filter | undefined;
  readonly order: readonly Order[];
  readonly lifecycle: LifecycleView;
  readonly limit: number;
  readonly token: string | undefined;
}

const ID = column<string>('e.id');
const ATTRIBUTES: Readonly<Record<string, { readonly expression: Expression<unknown>; readonly kind: KeyKind }>> = {
  name: { expression: column('e.name'), kind: 'text' },
  experiment_id: { expression: ID, kind: 'text' },
  creation_time: { expression: column('e.created_at'), kind: 'integer' },
  last_update_time: { expression: column('e.updated_at'), kind: 'integer' },
};

/** The ids of a page of experiments: the newest first, unless ordered otherwise. */
export async function searchExperiments(
  db: Db,
  dialect: SqlDialect,
  search: ExperimentSearch,
): Promise<FoundPage<string>> {
  const { project, ids, filter, order, lifecycle, limit, token } = search;
  const compare = (comparison: Comparison) => compareExperiment(comparison, dialect);
  const joins = order.map(joinOf);
  const byCreation: OrderTerm = { expression: column('e.created_at'), kind: 'integer', descending: true };
  const terms: OrderTerm[] = [
    ...joins.flatMap((join) => join.terms),
    ...(order.length === 0 ? [byCreation] : []),
    { expression: column('e.number'), kind: 'integer', descending: true },
  ];
  const where = [
    sql<SqlBool>`e.project = ${project}`,
    ...(ids === undefined ? [] : [oneOf(ids)]),
    ...lifecycleCondition(column('e.deleted_at'), lifecycle),
    ...(filter ? [compileFilter(filter, compare)] : []),
  ];
  const from = sql`tracking_experiment e ${sql.join(
    joins.map((join) => join.table),
    sql` `,
  )}`;
  const bound = { experiments: project, filter: filter ?? null, order, lifecycle };
  return findPage(db, { from, id: ID, where, terms }, { limit, token, bound });
}

function oneOf(ids: readonly string[]): Expression<SqlBool> {
  if (ids.length === 0) return sql<SqlBool>`1 = 0`;
  return sql<SqlBool>`e.id in (${sql.join(ids.map((id) => sql`${id}`))})`;
}

function joinOf(
  { field, descending }: Order,
  i: number,
): { readonly table: Expression<unknown>; readonly terms: readonly OrderTerm[] } {
  const attribute = field.entity === 'attribute' ? ATTRIBUTES[field.key] : undefined;
  if (attribute) return { table: sql``, terms: [{ ...attribute, descending }] };
  const alias = `o${i}`;
  const table = sql`left join tracking_experiment_tag as ${sql.ref(alias)}
    on ${column(`${alias}.experiment`)} = e.id and ${column(`${alias}.key`)} = ${field.key}`;
  return { table, terms: nullableTerms(column(`${alias}.value`), { kind: 'text', descending }) };
}

function compareExperiment(comparison: Comparison, dialect: SqlDialect): Expression<SqlBool> {
  const { field, operator } = comparison;
  const attribute = field.entity === 'attribute' ? ATTRIBUTES[field.key] : undefined;
  if (attribute) return comparisonOf(attribute.expression, comparison, dialect);
  const of = sql`select 1 from tracking_experiment_tag t where t.experiment = e.id and t.key = ${field.key}`;
  if (operator === 'IS NULL') return sql<SqlBool>`not exists (${of})`;
  if (operator === 'IS NOT NULL') return sql<SqlBool>`exists (${of})`;
  return sql<SqlBool>`exists (${of} and ${comparisonOf(column('t.value'), comparison, dialect)})`;
}
