import { type Expression, type SqlBool, sql } from 'kysely';
import type { SqlDialect } from '#ports/sql';
import type { Comparison, Filter, Order } from '../search/index.ts';
import { comparisonOf, compileFilter, type KeyKind, type OrderTerm } from './filter/index.ts';
import {
  column,
  countFound,
  type FoundPage,
  findPage,
  type LifecycleView,
  lifecycleCondition,
  nullableTerms,
  type Selection,
} from './found.ts';
import type { Db } from './tables.ts';

export interface RunQuery {
  readonly experiments: readonly string[];
  readonly filter: Filter | undefined;
  readonly order: readonly Order[];
  readonly lifecycle: LifecycleView;
  readonly limit: number;
  readonly token: string | undefined;
}

/** The ids of a page of runs. */
export async function searchRunIds(db: Db, dialect: SqlDialect, query: RunQuery): Promise<FoundPage<string>> {
  const { experiments, filter, order, lifecycle, limit, token } = query;
  const bound = { runs: [...experiments].sort(), filter: filter ?? null, order, lifecycle };
  return findPage(db, selectionOf(query, dialect), { limit, token, bound });
}

export async function countRuns(
  db: Db,
  dialect: SqlDialect,
  query: Pick<RunQuery, 'experiments' | 'filter' | 'lifecycle'>,
): Promise<number> {
  return countFound(db, selectionOf({ ...query, order: [] }, dialect));
}

const ID = column<string>('r.id');

function selectionOf(query: Omit<RunQuery, 'limit' | 'token'>, dialect: SqlDialect): Selection {
  const driven = drivingMetric(query);
  const joined = query.order.map((order, i) => joinOf(order, i, driven));
  const run = driven ? column<string>('o0.run') : ID;
  const compare = (comparison: Comparison) => compareRun(comparison, run, dialect);
  const rest = driven ? driven.rest : query.filter;
  const where = [
    inList(column('r.experiment'), query.experiments),
    ...lifecycleCondition(column('r.deleted_at'), query.lifecycle),
    ...(rest ? [compileFilter(rest, compare)] : []),
    ...(driven ? drivingConditions(driven, query.experiments, dialect) : []),
  ];
  const byStart = query.order.some(({ field }) => field.entity === 'attributes' && field.key === 'start_time');
  const terms: OrderTerm[] = [
    ...joined.flatMap((join) => join.terms),
    ...(byStart ? [] : [{ expression: column('r.started_at'), kind: 'integer', descending: true } as const]),
    { expression: ID, kind: 'text', descending: false },
  ];
  const tables = sql.join(
    joined.map((join) => join.table),
    sql` `,
  );
  const from = driven ? sql`tracking_series o0 cross join tracking_run r ${tables}` : sql`tracking_run r ${tables}`;
  return { from, id: ID, where, terms };
}

function inList(what: Expression<unknown>, values: readonly string[]): Expression<SqlBool> {
  if (values.length === 1) return sql<SqlBool>`${what} = ${values[0]}`;
  return sql<SqlBool>`${what} in (${sql.join(values.map((value) => sql`${value}`))})`;
}

interface DrivingMetric {
  readonly order: Order;
  /** Comparisons that hold of every result and that only a run with this metric, other than NaN, can meet. */
  readonly comparisons: readonly Comparison[];
  /** What the filter demands besides. */
  readonly rest: Filter | undefined;
}

/**
 * Runs of one experiment that are ordered by a metric which the filter demands anyway are read off the index on that
 * metric in their order, so that a page costs what a page holds and not what the experiment holds.
 */
function drivingMetric({ experiments, filter, order }: Omit<RunQuery, 'limit' | 'token'>): DrivingMetric | undefined {
  const [first] = order;
  if (!first || !filter || experiments.length !== 1 || first.field.entity !== 'metrics') return undefined;
  const demanded = filter.kind === 'and' ? filter.of : [filter];
  const comparisons = demanded.filter(
    (part): part is Comparison =>
      part.kind === 'compare' &&
      part.field.entity === 'metrics' &&
      part.field.key === first.field.key &&
      ['=', '>', '>=', '<', '<='].includes(part.operator),
  );
  if (comparisons.length === 0) return undefined;
  const others = demanded.filter((part) => !comparisons.some((comparison) => comparison === part));
  return { order: first, comparisons, rest: others.length > 0 ? { kind: 'and', of: others } : undefined };
}

function drivingConditions(
  { order, comparisons }: DrivingMetric,
  experiments: readonly string[],
  dialect: SqlDialect,
): Expression<SqlBool>[] {
  return [
    // PostgreSQL takes `r.id = o0.run` to say that either may stand for the other, looks at runs first, and only then
    // at the params of each. What looks different leaves the runs for last, when the filter has dropped most of them.
    sql<SqlBool>`r.id = o0.run || ''`,
    inList(column('o0.experiment'), experiments),
    sql<SqlBool>`o0.key = ${order.field.key}`,
    sql<SqlBool>`o0.special <> 'NaN'`,
    ...comparisons.map((comparison) => comparisonOf(column('o0.value'), comparison, dialect)),
  ];
}

interface Join {
  readonly table: Expression<unknown>;
  readonly terms: readonly OrderTerm[];
}

const TABLES: Readonly<Record<string, string>> = {
  metrics: 'tracking_series',
  params: 'tracking_param',
  tags: 'tracking_tag',
};

function joinOf({ field, descending }: Order, i: number, driven: DrivingMetric | undefined): Join {
  if (field.entity === 'attributes') return { table: sql``, terms: attributeTerms(field.key, descending) };
  const alias = `o${i}`;
  const value = column(`${alias}.value`);
  if (driven && i === 0) return { table: sql``, terms: [{ expression: value, kind: 'double', descending }] };
  const table = sql`left join ${sql.table(TABLES[field.entity] ?? '')} as ${sql.ref(alias)}
    on ${column(`${alias}.run`)} = r.id and ${column(`${alias}.key`)} = ${field.key}`;
  if (field.entity !== 'metrics') return { table, terms: nullableTerms(value, { kind: 'text', descending }) };
  // First what has a value, then NaN, then what has none, whichever the direction.
  const rank = sql`case when ${value} is null then 2 when ${column(`${alias}.special`)} = 'NaN' then 1 else 0 end`;
  return {
    table,
    terms: [
      { expression: rank, kind: 'integer', descending: false },
      { expression: sql`coalesce(${value}, 0)`, kind: 'double', descending },
    ],
  };
}

interface Attribute {
  readonly expression: Expression<unknown>;
  readonly kind: KeyKind;
  readonly nullable?: boolean;
}

const ATTRIBUTES: Readonly<Record<string, Attribute>> = {
  run_id: { expression: ID, kind: 'text' },
  run_name: { expression: column('r.name'), kind: 'text' },
  user_id: { expression: column('r.user_id'), kind: 'text' },
  status: { expression: sql`upper(r.status)`, kind: 'text' },
  artifact_uri: { expression: column('r.artifact_uri'), kind: 'text' },
  start_time: { expression: column('r.started_at'), kind: 'integer' },
  end_time: { expression: column('r.ended_at'), kind: 'integer', nullable: true },
};

function attributeTerms(key: string, descending: boolean): OrderTerm[] {
  const { expression, kind, nullable } = attributeOf(key);
  return nullable ? nullableTerms(expression, { kind, descending }) : [{ expression, kind, descending }];
}

function attributeOf(key: string): Attribute {
  const attribute = ATTRIBUTES[key];
  if (!attribute) throw new Error(`the run attribute '${key}' is in the vocabulary and in no column`);
  return attribute;
}

/** One comparison, true or false: what a run does not have meets no comparison but IS NULL. */
function compareRun(comparison: Comparison, run: Expression<string>, dialect: SqlDialect): Expression<SqlBool> {
  const { field, operator } = comparison;
  if (field.entity === 'attributes') {
    const { expression, nullable } = attributeOf(field.key);
    const compared = comparisonOf(expression, comparison, dialect);
    return nullable ? sql<SqlBool>`${expression} is not null and ${compared}` : compared;
  }
  if (field.entity === 'datasets') return compareDataset(comparison, run, dialect);
  const table = sql.table(TABLES[field.entity] ?? '');
  const of = sql`select 1 from ${table} as c where c.run = ${run} and c.key = ${field.key}`;
  if (operator === 'IS NULL') return sql<SqlBool>`not exists (${of})`;
  if (operator === 'IS NOT NULL') return sql<SqlBool>`exists (${of})`;
  const compared = comparisonOf(column('c.value'), comparison, dialect);
  if (field.entity !== 'metrics') return sql<SqlBool>`exists (${of} and ${compared})`;
  // NaN is unequal to every number, and neither smaller nor larger than any.
  if (operator === '!=') return sql<SqlBool>`exists (${of} and (c.special = 'NaN' or ${compared}))`;
  return sql<SqlBool>`exists (${of} and c.special <> 'NaN' and ${compared})`;
}

function compareDataset(comparison: Comparison, run: Expression<string>, dialect: SqlDialect): Expression<SqlBool> {
  const what = comparison.field.key === 'context' ? column('i.context') : column(`d.${comparison.field.key}`);
  const compared = comparisonOf(what, comparison, dialect);
  return sql<SqlBool>`exists (
    select 1 from tracking_dataset_input i join tracking_dataset d on d.id = i.dataset
    where i.run = ${run} and ${what} is not null and ${compared})`;
}
