import { type Expression, type RawBuilder, sql } from 'kysely';
import type { SqlDialect } from '#ports/sql';
import type { Comparison, Filter } from '../../search/index.ts';
import { type Condition, comparisonOf, compileFilter } from '../../store/filter/index.ts';
import { column } from '../../store/found.ts';
import type { Db } from '../../store/tables.ts';
import { NAMES } from '../model.ts';
import { attributeText, compareSpan, compareTrace } from '../store/search.ts';
import { type Aggregation, aggregationName, type MetricPoint, type MetricQuestion, type MetricView } from './model.ts';

type Sql = Expression<unknown>;

const FROM: Readonly<Record<MetricView, Sql>> = {
  TRACES: sql`tracking_trace t`,
  SPANS: sql`tracking_trace t join tracking_span s on s.trace = t.key`,
  ASSESSMENTS: sql`tracking_trace t join tracking_assessment a on a.trace = t.key and a.valid = 1`,
};

const MILLIS = sql`t.requested_at`;
const SPAN_MICROS = sql`s.started_us`;
const BUCKET = 'time_bucket';

/**
 * The figures of each group. First one row for each trace, span or assessment, with its value and its dimensions; those
 * that lack one are left out. Where percentiles are asked for, each row also has its rank in its group, as SQLite knows
 * no percentiles. Columns of groups are named, so that no bound value stands in the grouping.
 */
export async function queryMetrics(
  db: Db,
  dialect: SqlDialect,
  question: MetricQuestion & { readonly filter: Filter | undefined },
): Promise<MetricPoint[]> {
  const named = [
    ...(question.intervalSeconds === undefined ? [] : [[BUCKET, bucketOf(question)] as const]),
    ...question.dimensions.map((dimension) => [dimension, dimensionOf(dimension, dialect)] as const),
  ];
  const columns = named.map((_, i) => sql.ref(`d${i}`));
  const rows = sql`select ${sql.join([
    ...named.map(([, expression], i) => sql`${expression} as ${sql.ref(`d${i}`)}`),
    sql`${measuredOf(question, dialect)} as v`,
  ])} from ${FROM[question.view]} where ${sql.join(conditionsOf(question, dialect), sql` and `)}`;
  const partition = columns.length === 0 ? sql`` : sql`partition by ${sql.join(columns)}`;
  const isRanked = question.aggregations.some(({ type }) => type === 'PERCENTILE');
  const ranks = isRanked
    ? sql`, row_number() over (${partition} order by v) - 1 as rank, count(*) over (${partition}) as total`
    : sql``;
  const present = [...columns, sql.ref('v')].map((one) => sql`${one} is not null`);
  const aggregates = question.aggregations.map((one, i) => {
    return sql`${aggregateOf(one, question.metric, dialect)} as ${sql.ref(`a${i}`)}`;
  });
  const grouped = columns.length === 0 ? sql`` : sql`group by ${sql.join(columns)} order by ${sql.join(columns)}`;
  const query = sql<Record<string, string | number | null>>`
    with measured as (${rows}),
    ranked as (select measured.*${ranks} from measured where ${sql.join(present, sql` and `)})
    select ${sql.join([...columns, ...aggregates])} from ranked ${grouped} limit ${question.limit}`;
  const found = await query.execute(db);
  return found.rows.flatMap((row) => pointOf(row, named, question.aggregations));
}

function pointOf(
  row: Readonly<Record<string, string | number | null>>,
  named: readonly (readonly [string, unknown])[],
  aggregations: readonly Aggregation[],
): MetricPoint[] {
  const dimensions = named.map(([name], i) => {
    const value = row[`d${i}`];
    return [name, name === BUCKET ? isoTime(Number(value)) : String(value)] as const;
  });
  const values = aggregations.flatMap((aggregation, i) => {
    const value = row[`a${i}`];
    return value === null || value === undefined ? [] : [[aggregationName(aggregation), Number(value)] as const];
  });
  if (values.length === 0) return [];
  return [{ dimensions: Object.fromEntries(dimensions), values: Object.fromEntries(values) }];
}

/** As Python writes a time, which MLflow's clients take apart. */
function isoTime(millis: number): string {
  return new Date(millis).toISOString().replace(/(?:\.000)?Z$/, '+00:00');
}

function isCost({ view, metric }: MetricQuestion): boolean {
  return view === 'SPANS' && metric.endsWith('_cost');
}

/** Spans are put where they began, all else where its trace did. */
function bucketOf({ view, intervalSeconds = 1 }: MetricQuestion): Sql {
  const millis = view === 'SPANS' ? sql`(${SPAN_MICROS} / 1000)` : MILLIS;
  const size = sql.lit(intervalSeconds * 1000);
  return sql`(${millis} - ${millis} % ${size})`;
}

function conditionsOf(question: MetricQuestion & { readonly filter: Filter | undefined }, dialect: SqlDialect): Sql[] {
  const { experiments, from, to, filter } = question;
  // MLflow chooses what was paid by when its span began, and everything else by when its trace did.
  const time = isCost(question) ? sql`(${SPAN_MICROS} / 1000)` : MILLIS;
  return [
    sql`t.experiment in (${sql.join(experiments)})`,
    sql`t.deleted_at is null`,
    ...(from === undefined ? [] : [sql`${time} >= ${from}`]),
    ...(to === undefined ? [] : [sql`${time} <= ${to}`]),
    ...(filter ? [sql`(${compileFilter(filter, (comparison) => compared(comparison, dialect))})`] : []),
  ];
}

function compared(comparison: Comparison, dialect: SqlDialect): Condition {
  const { entity, key } = comparison.field;
  if (entity === 'span') return compareSpan(comparison, dialect);
  if (entity === 'assessment') {
    return comparisonOf(column(key === 'type' ? 'a.kind' : 'a.name'), comparison, dialect);
  }
  return compareTrace({ ...comparison, field: fieldOf(key) }, dialect);
}

/** A key of `trace` as searches of traces name it. A trace is also of the runs that it was linked to. */
function fieldOf(key: string): Comparison['field'] {
  if (key === 'status') return { entity: 'attributes', key };
  const dot = key.indexOf('.');
  const name = key.slice(dot + 1);
  if (key.slice(0, dot) === 'tag') return { entity: 'tags', key: name };
  return name === NAMES.sourceRun ? { entity: 'attributes', key: 'run_id' } : { entity: 'metadata', key: name };
}

function dimensionOf(name: string, dialect: SqlDialect): Sql {
  switch (name) {
    case 'trace_name':
      return sql`t.name`;
    case 'trace_status':
      return sql`t.state`;
    case 'span_name':
      return sql`s.name`;
    case 'span_type':
      return sql`s.type`;
    case 'span_status':
      return sql`s.status`;
    case 'span_model_name':
      return unquoted(attributeText(NAMES.spanModel, dialect));
    case 'span_model_provider':
      return unquoted(attributeText(NAMES.spanProvider, dialect));
    case 'assessment_name':
      return sql`a.name`;
    default:
      return sql`a.value`;
  }
}

/** MLflow's exporters write texts of attributes as JSON. */
function unquoted(text: RawBuilder<unknown>): Sql {
  return sql`case when ${text} like '"%"' then trim(${text}, '"') else ${text} end`;
}

function measuredOf({ view, metric }: MetricQuestion, dialect: SqlDialect): Sql {
  if (metric.endsWith('_count')) return metric === 'session_count' ? metadata(NAMES.session) : sql`1`;
  if (view === 'ASSESSMENTS') return ASSESSED;
  if (metric === 'latency') return view === 'TRACES' ? sql`t.duration` : sql`((s.ended_us - s.started_us) / 1000)`;
  if (view === 'TRACES') return numberIn(metadata(NAMES.tokenUsage), metric, dialect);
  return numberIn(attributeText(NAMES.spanCost, dialect), metric, dialect);
}

/** Numbers as they are; true and yes count as 1, false and no as 0, as in MLflow. */
const ASSESSED = sql`case
  when a.number is not null then a.number
  when a.value = 'true' or lower(trim(a.text)) = 'yes' then 1
  when a.value = 'false' or lower(trim(a.text)) = 'no' then 0 end`;

function metadata(key: string): RawBuilder<unknown> {
  return sql`(select m.value from tracking_trace_metadata m where m.trace = t.key and m.key = ${key})`;
}

/** A number under a key of JSON that clients sent, which may as well be no JSON: then there is none. */
function numberIn(json: RawBuilder<unknown>, key: string, dialect: SqlDialect): Sql {
  if (dialect === 'sqlite') {
    const path = `$.${key}`;
    return sql`case when json_valid(${json}) then
      case when json_type(${json}, ${path}) in ('integer', 'real') then json_extract(${json}, ${path}) end end`;
  }
  const pattern = `"${key}"\\s*:\\s*(-?[0-9]{1,200}(?:\\.[0-9]+)?(?:[eE]-?[0-9]{1,2})?)`;
  return sql`cast(substring(${json} from ${sql.lit(pattern)}) as double precision)`;
}

function aggregateOf({ type, percentile = 0 }: Aggregation, metric: string, dialect: SqlDialect): Sql {
  switch (type) {
    case 'COUNT':
      return metric === 'session_count' ? sql`count(distinct v)` : sql`count(v)`;
    case 'SUM':
      return sql`sum(v)`;
    case 'AVG':
      return sql`avg(v)`;
    case 'MIN':
      return sql`min(v)`;
    case 'MAX':
      return sql`max(v)`;
    case 'PERCENTILE':
      return percentileOf(percentile / 100, dialect);
  }
}

/**
 * The quantile by linear interpolation between the two values around it (Hyndman and Fan 1996, definition 7), which is
 * PostgreSQL's percentile_cont and NumPy's default.
 */
function percentileOf(fraction: number, dialect: SqlDialect): Sql {
  const place = (total: Sql) => sql`(cast(${sql.lit(fraction)} as double precision) * (${total} - 1))`;
  const whole = (value: Sql) => (dialect === 'sqlite' ? sql`cast(${value} as integer)` : sql`floor(${value})`);
  const at = (more: number) =>
    sql`coalesce(max(case when rank = ${whole(place(sql`total`))} + ${sql.lit(more)} then v end), 0)`;
  const beyond = sql`(${place(sql`max(total)`)} - ${whole(place(sql`max(total)`))})`;
  return sql`case when count(v) > 0 then ${at(0)} * (1 - ${beyond}) + ${at(1)} * ${beyond} end`;
}
