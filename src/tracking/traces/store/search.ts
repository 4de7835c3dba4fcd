import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely';
import type { SqlDialect } from '#ports/sql';
import type { Comparison, Filter, Order } from '../../search/index.ts';
import { type Condition, comparisonOf, type KeyKind, type OrderTerm } from '../../store/filter/index.ts';
import { column, countFound, type FoundPage, findPage, nullableTerms, type Selection } from '../../store/found.ts';
import type { Db } from '../../store/tables.ts';
import { NAMES } from '../model.ts';
import { spanAttribute } from '../vocabulary.ts';

export interface TraceQuery {
  readonly experiments: readonly string[];
  readonly filter: Filter | undefined;
  readonly order: readonly Order[];
  readonly limit: number;
  readonly token: string | undefined;
}

const KEY = column<string>('t.key');

/** The keys of a page of traces that are not deleted: the newest first, unless ordered otherwise. */
export async function searchTraces(db: Db, dialect: SqlDialect, query: TraceQuery): Promise<FoundPage<string>> {
  const { experiments, filter, order, limit, token } = query;
  const bound = { traces: [...experiments].sort(), filter: filter ?? null, order };
  return findPage(db, selectionOf(query, dialect), { limit, token, bound });
}

export async function countTraces(
  db: Db,
  dialect: SqlDialect,
  query: Pick<TraceQuery, 'experiments' | 'filter'>,
): Promise<number> {
  return countFound(db, selectionOf({ ...query, order: [] }, dialect));
}

/** How many traces meet `base`, and of these how many meet each filter and both. A filter left out is met by all. */
export async function countJointly(
  db: Db,
  dialect: SqlDialect,
  asked: {
    readonly experiments: readonly string[];
    readonly first: Filter | undefined;
    readonly second: Filter | undefined;
    readonly base: Filter | undefined;
  },
): Promise<{ total: number; first: number; second: number; both: number }> {
  const { from, where } = selectionOf({ experiments: asked.experiments, filter: asked.base, order: [] }, dialect);
  const met = (filter: Filter | undefined) =>
    filter ? sql`case when ${compiled(filter, dialect)} then 1 else 0 end` : sql`1`;
  const { rows } = await sql<Record<'total' | 'first' | 'second' | 'both', number | null>>`
    with met as (select ${met(asked.first)} as x, ${met(asked.second)} as y from ${from}
      where ${sql.join(where, sql` and `)})
    select count(*) as "total", sum(x) as "first", sum(y) as "second", sum(x * y) as "both" from met`.execute(db);
  const [row] = rows;
  return {
    total: Number(row?.total ?? 0),
    first: Number(row?.first ?? 0),
    second: Number(row?.second ?? 0),
    both: Number(row?.both ?? 0),
  };
}

function selectionOf(
  { experiments, filter, order }: Pick<TraceQuery, 'experiments' | 'filter' | 'order'>,
  dialect: SqlDialect,
): Selection {
  const ordered = (key: string) => order.some(({ field }) => field.entity === 'attributes' && field.key === key);
  const byTime: OrderTerm = { expression: column('t.requested_at'), kind: 'integer', descending: true };
  const terms: OrderTerm[] = [
    ...order.flatMap(termsOf),
    ...(ordered('timestamp_ms') ? [] : [byTime]),
    { expression: column('t.id'), kind: 'text', descending: false },
    { expression: KEY, kind: 'text', descending: false },
  ];
  const where = [
    sql<SqlBool>`t.experiment in (${sql.join(experiments.map((id) => sql`${id}`))})`,
    sql<SqlBool>`t.deleted_at is null`,
    ...(filter ? [compiled(filter, dialect)] : []),
  ];
  return { from: sql`tracking_trace t`, id: KEY, where, terms };
}

/** A filter as a condition. What is compared of spans side by side with AND is looked for in one span. */
function compiled(filter: Filter, dialect: SqlDialect): Condition {
  if (filter.kind === 'compare') return compareTrace(filter, dialect);
  if (filter.kind === 'not') return sql<SqlBool>`not (${compiled(filter.of, dialect)})`;
  if (filter.kind === 'or')
    return joined(
      filter.of.map((part) => compiled(part, dialect)),
      'or',
    );
  const ofSpan = filter.of.filter((part): part is Comparison => part.kind === 'compare' && isOfSpan(part));
  const rest = filter.of.filter((part) => part.kind !== 'compare' || !isOfSpan(part));
  const parts = rest.map((part) => compiled(part, dialect));
  return joined(ofSpan.length === 0 ? parts : [...parts, someSpan(ofSpan, dialect)], 'and');
}

function joined(parts: readonly Condition[], word: 'and' | 'or'): Condition {
  const bracketed = parts.map((part) => sql`(${part})`);
  return sql<SqlBool>`${sql.join(bracketed, word === 'and' ? sql` and ` : sql` or `)}`;
}

function isOfSpan({ field }: Comparison): boolean {
  return field.entity === 'span' || (field.entity === 'attributes' && field.key === 'text');
}

function someSpan(comparisons: readonly Comparison[], dialect: SqlDialect): Condition {
  const conditions = comparisons.map((comparison) => compareSpan(comparison, dialect));
  return sql<SqlBool>`exists (select 1 from tracking_span s where s.trace = t.key and ${joined(conditions, 'and')})`;
}

/** A comparison of one span, `s`. */
export function compareSpan(comparison: Comparison, dialect: SqlDialect): Condition {
  const { key } = comparison.field;
  const attribute = comparison.field.entity === 'span' ? spanAttribute(key) : undefined;
  if (attribute === undefined) {
    const of = key === 'content' || key === 'text' ? 'content' : key;
    return comparisonOf(column(`s.${of}`), comparison, dialect);
  }
  const value = attributeText(attribute, dialect);
  const compared = comparisonOf(value, comparison, dialect);
  const isAboutAbsence = comparison.operator === 'IS NULL' || comparison.operator === 'IS NOT NULL';
  return isAboutAbsence ? compared : sql<SqlBool>`${value} is not null and ${compared}`;
}

/** An attribute of the span `s` as text, as far as it is kept for searches. */
export function attributeText(name: string, dialect: SqlDialect): RawBuilder<unknown> {
  if (dialect === 'sqlite') return sql`(select j.value from json_each(s.attributes) j where j.key = ${name})`;
  return sql`(s.attributes::jsonb ->> ${name})`;
}

interface Attribute {
  readonly expression: Expression<unknown>;
  readonly kind: KeyKind;
  readonly nullable?: boolean;
}

const SOURCE_RUN = sql`(select m.value from tracking_trace_metadata m
  where m.trace = t.key and m.key = ${NAMES.sourceRun})`;

const ATTRIBUTES: Readonly<Record<string, Attribute>> = {
  trace_id: { expression: column('t.id'), kind: 'text' },
  timestamp_ms: { expression: column('t.requested_at'), kind: 'integer' },
  execution_time_ms: { expression: column('t.duration'), kind: 'integer', nullable: true },
  end_time_ms: { expression: sql`(t.requested_at + coalesce(t.duration, 0))`, kind: 'integer' },
  status: { expression: column('t.state'), kind: 'text' },
  name: { expression: column('t.name'), kind: 'text', nullable: true },
  run_id: { expression: SOURCE_RUN, kind: 'text', nullable: true },
  client_request_id: { expression: column('t.client_request_id'), kind: 'text', nullable: true },
  experiment_id: { expression: column('t.experiment'), kind: 'text' },
};

function attributeOf(key: string): Attribute {
  const attribute = ATTRIBUTES[key];
  if (!attribute) throw new Error(`the trace attribute '${key}' is in the vocabulary and in no column`);
  return attribute;
}

function termsOf({ field, descending }: Order): OrderTerm[] {
  if (field.entity !== 'attributes') {
    if (isName(field)) return nullableTerms(column('t.name'), { kind: 'text', descending });
    const table = keyedTable(field.entity);
    const value = sql`(select c.value from ${table} c where c.trace = t.key and c.key = ${field.key})`;
    return nullableTerms(value, { kind: 'text', descending });
  }
  const { expression, kind, nullable } = attributeOf(field.key);
  return nullable ? nullableTerms(expression, { kind, descending }) : [{ expression, kind, descending }];
}

function isName({ entity, key }: Comparison['field']): boolean {
  return entity === 'tags' && key === NAMES.name;
}

function keyedTable(entity: string): Expression<unknown> {
  return sql.table(entity === 'tags' ? 'tracking_trace_tag' : 'tracking_trace_metadata');
}

/** One comparison, true or false: what a trace does not have meets no comparison but IS NULL. */
export function compareTrace(comparison: Comparison, dialect: SqlDialect): Condition {
  const { field, operator } = comparison;
  if (isOfSpan(comparison)) return someSpan([comparison], dialect);
  switch (field.entity) {
    case 'feedback':
    case 'expectation':
    case 'issue':
      return compareAssessment(comparison, dialect);
    case 'attributes':
      if (field.key === 'prompt') return comparePrompt(comparison);
      if (field.key === 'run_id') return compareRun(comparison, dialect);
      return compareAttribute(attributeOf(field.key), comparison, dialect);
    default: {
      if (isName(field)) return compareAttribute(attributeOf('name'), comparison, dialect);
      const of = sql`select 1 from ${keyedTable(field.entity)} c where c.trace = t.key and c.key = ${field.key}`;
      if (operator === 'IS NULL') return sql<SqlBool>`not exists (${of})`;
      if (operator === 'IS NOT NULL') return sql<SqlBool>`exists (${of})`;
      return sql<SqlBool>`exists (${of} and ${comparisonOf(column('c.value'), comparison, dialect)})`;
    }
  }
}

function compareAttribute({ expression, nullable }: Attribute, comparison: Comparison, dialect: SqlDialect): Condition {
  const compared = comparisonOf(expression, comparison, dialect);
  const isAboutAbsence = comparison.operator === 'IS NULL' || comparison.operator === 'IS NOT NULL';
  return nullable && !isAboutAbsence ? sql<SqlBool>`${expression} is not null and ${compared}` : compared;
}

/** A trace is of the run that it was recorded in, and of those that it was linked to. */
function compareRun(comparison: Comparison, dialect: SqlDialect): Condition {
  const { operator } = comparison;
  const own = compareAttribute(attributeOf('run_id'), comparison, dialect);
  const links = sql`select 1 from tracking_trace_run l where l.trace = t.key`;
  if (operator === 'IS NULL') return sql<SqlBool>`(${own}) and not exists (${links})`;
  if (operator === 'IS NOT NULL') return sql<SqlBool>`(${own}) or exists (${links})`;
  return sql<SqlBool>`(${own}) or exists (${links} and ${comparisonOf(column('l.run'), comparison, dialect)})`;
}

/** A version of a prompt is written as `name/version`. */
function comparePrompt({ value }: Comparison): Condition {
  const [, name = '', version = ''] = /^(.*)\/([^/]*)$/s.exec(String(value)) ?? [];
  return sql<SqlBool>`exists (select 1 from tracking_trace_prompt p
    where p.trace = t.key and p.name = ${name} and p.version = ${version})`;
}

function compareAssessment(comparison: Comparison, dialect: SqlDialect): Condition {
  const { field, operator, value } = comparison;
  const name = field.entity === 'issue' ? value : field.key;
  const of = sql`select 1 from tracking_assessment a
    where a.trace = t.key and a.kind = ${field.entity} and a.name = ${name} and a.valid = 1`;
  if (field.entity === 'issue' || operator === 'IS NOT NULL') return sql<SqlBool>`exists (${of})`;
  if (operator === 'IS NULL') return sql<SqlBool>`not exists (${of})`;
  const isNumber = typeof value === 'number';
  const compared = comparisonOf(column(isNumber ? 'a.number' : 'a.text'), comparison, dialect);
  if (!isNumber) return sql<SqlBool>`exists (${of} and ${compared})`;
  return sql<SqlBool>`exists (${of} and a.number is not null and ${compared})`;
}
