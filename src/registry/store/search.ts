import { type Expression, type SqlBool, sql } from 'kysely';
import type { SqlDialect } from '#ports/sql';
import {
  afterRow,
  type Comparison,
  type Condition,
  closedEntity,
  comparisonOf,
  compileFilter,
  type Filter,
  type KeyKind,
  type KeyValue,
  keyValuesOf,
  type Order,
  type OrderTerm,
  openEntity,
  orderOf,
  pageToken,
  parseFilter,
  parseOrder,
  type Vocabulary,
} from '#tracking/mlflow';
import type { ModelVersion, RegisteredModel } from '../shapes.ts';
import { assembleModels } from './models.ts';
import { type Db, type ModelTable, tables, type VersionTable } from './tables.ts';
import { assembleVersions } from './versions.ts';

export interface Search {
  /** In MLflow's grammar, extended by OR, NOT and parentheses. */
  readonly filter: string;
  readonly orderBy: readonly string[];
  readonly limit: number;
  readonly token?: string | undefined;
}

export interface Found<T> {
  readonly items: readonly T[];
  readonly next?: string | undefined;
}

/** Where a search is made: prompts are models too, and are left out unless the filter asks for them. */
interface Scope {
  readonly db: Db;
  readonly dialect: SqlDialect;
  readonly project: string;
}

export const PROMPT_TAG = 'mlflow.prompt.is_prompt';
/** Rows whose tags and aliases are read at once. */
const ASSEMBLED_MAX = 1_000;

const tag = openEntity({ name: 'tags', type: 'text', orders: false });
const timestamps = { creation_timestamp: 'number', last_updated_timestamp: 'number' } as const;
const timestamp = { timestamp: 'last_updated_timestamp' };
const model = closedEntity('attributes', { name: 'text', ...timestamps }, { aliases: timestamp });
const version = closedEntity(
  'attributes',
  {
    name: 'text',
    version_number: 'number',
    run_id: 'text',
    source_path: 'text',
    stage: 'text',
    semantic_version: 'text',
    ...timestamps,
  },
  { aliases: timestamp, orders: ['name', 'version_number', ...Object.keys(timestamps)] },
);

const vocabularyOf = (attributes: typeof model): Vocabulary => ({
  bare: 'attribute',
  entities: { attribute: attributes, attributes, tag, tags: tag },
});
const MODELS = vocabularyOf(model);
const VERSIONS = vocabularyOf(version);

/** Errors: `search/invalid-filter`, `search/invalid-order`, `search/invalid-page-token`. */
export async function searchModels(scope: Scope, search: Search): Promise<Found<RegisteredModel>> {
  const { db, dialect, project } = scope;
  const terms = termsOf(search.orderBy, MODELS, { columns: MODEL_COLUMNS, last: [{ key: 'name', descending: false }] });
  const compare = (comparison: Comparison): Condition =>
    comparison.field.entity === 'tags'
      ? tagged(sql`registry_model_tag where model = m.name`, comparison, dialect)
      : comparisonOf(columnOf(MODEL_COLUMNS, comparison.field.key), comparison, dialect);
  const where = [
    sql<SqlBool>`m.project = ${project} and m.deleted_at is null`,
    ...filtered(parseFilter(search.filter, MODELS), compare, sql`m.name`),
  ];
  const rows = await page<ModelTable>(db, { from: sql`registry_model as m`, all: sql`m.*`, where, terms, search });
  const items = await assembleModels(db, rows.items);
  return { items, next: rows.next };
}

/** Errors: `search/invalid-filter`, `search/invalid-order`, `search/invalid-page-token`. */
export async function searchVersions(scope: Scope, search: Search): Promise<Found<ModelVersion>> {
  const { db, dialect, project } = scope;
  const orderBy = search.orderBy.length > 0 ? search.orderBy : ['last_updated_timestamp DESC'];
  const last = [
    { key: 'name', descending: false },
    { key: 'version_number', descending: true },
  ];
  const terms = termsOf(orderBy, VERSIONS, { columns: VERSION_COLUMNS, last });
  const compare = (comparison: Comparison): Condition =>
    comparison.field.entity === 'tags'
      ? tagged(sql`registry_version_tag where model = v.model and version = v.version`, comparison, dialect)
      : comparisonOf(columnOf(VERSION_COLUMNS, comparison.field.key), comparison, dialect);
  const where = [
    sql<SqlBool>`m.project = ${project} and m.deleted_at is null and v.deleted_at is null`,
    ...filtered(parseFilter(search.filter, VERSIONS), compare, sql`v.model`),
  ];
  const from = sql`registry_version as v inner join registry_model as m on m.name = v.model`;
  const rows = await page<VersionTable>(db, { from, all: sql`v.*`, where, terms, search });
  const items: ModelVersion[] = [];
  for (let at = 0; at < rows.items.length; at += ASSEMBLED_MAX) {
    items.push(...(await assembleVersions(db, rows.items.slice(at, at + ASSEMBLED_MAX))));
  }
  return { items, next: rows.next };
}

interface Column {
  readonly expression: Expression<unknown>;
  readonly kind: KeyKind;
}
type Columns = Readonly<Record<string, Column>>;

const text = (expression: Expression<unknown>): Column => ({ expression, kind: 'text' });
const integer = (expression: Expression<unknown>): Column => ({ expression, kind: 'integer' });

/** A model's name is its key without the project before it. */
const nameIn = (key: Expression<unknown>): Expression<unknown> =>
  sql`case when m.project = 'default' then ${key} else substr(${key}, length(m.project) + 2) end`;

const MODEL_COLUMNS: Columns = {
  name: text(nameIn(sql`m.name`)),
  creation_timestamp: integer(sql`m.created_at`),
  last_updated_timestamp: integer(sql`m.updated_at`),
};
const VERSION_COLUMNS: Columns = {
  name: text(nameIn(sql`v.model`)),
  version_number: integer(sql`v.version`),
  run_id: text(sql`coalesce(v.run, '')`),
  source_path: text(sql`v.source`),
  stage: text(sql`v.stage`),
  semantic_version: text(sql`(v.major || '.' || v.minor || '.' || v.patch)`),
  creation_timestamp: integer(sql`v.created_at`),
  last_updated_timestamp: integer(sql`v.updated_at`),
};

function columnOf(columns: Columns, key: string): Expression<unknown> {
  return (columns[key] as Column).expression;
}

/** A tag is compared where there is one: `!=` does not find what has no such tag, as in MLflow. */
function tagged(of: Expression<unknown>, comparison: Comparison, dialect: SqlDialect): Condition {
  const { field, operator } = comparison;
  if (isPromptTag(comparison) && !asksForPrompts(comparison)) return sql<SqlBool>`1 = 1`;
  const keyed = sql`select 1 from ${of} and key = ${field.key}`;
  if (operator === 'IS NULL') return sql<SqlBool>`not exists (${keyed})`;
  if (operator === 'IS NOT NULL') return sql<SqlBool>`exists (${keyed})`;
  return sql<SqlBool>`exists (${keyed} and ${comparisonOf(sql`value`, comparison, dialect)})`;
}

function filtered(
  filter: Filter | undefined,
  compare: (comparison: Comparison) => Condition,
  key: Expression<unknown>,
): Condition[] {
  const found = filter ? [compileFilter(filter, compare)] : [];
  if (filter && comparisons(filter).some((one) => isPromptTag(one) && asksForPrompts(one))) return found;
  const prompt = sql`select 1 from registry_model_tag where model = ${key} and key = ${PROMPT_TAG} and value = 'true'`;
  return [...found, sql<SqlBool>`not exists (${prompt})`];
}

function isPromptTag({ field, operator }: Comparison): boolean {
  return field.entity === 'tags' && field.key === PROMPT_TAG && (operator === '=' || operator === '!=');
}

function asksForPrompts({ operator, value }: Comparison): boolean {
  return String(value).toLowerCase() === (operator === '=' ? 'true' : 'false');
}

function comparisons(filter: Filter): Comparison[] {
  if (filter.kind === 'compare') return [filter];
  return filter.kind === 'not' ? comparisons(filter.of) : filter.of.flatMap(comparisons);
}

function termsOf(
  orderBy: readonly string[],
  vocabulary: Vocabulary,
  { columns, last }: { columns: Columns; last: readonly { readonly key: string; readonly descending: boolean }[] },
): OrderTerm[] {
  const orders = orderBy.map((clause): Order => parseOrder(clause, vocabulary));
  const asked = orders.map(({ field, descending }) => ({ key: field.key, descending }));
  const unique = [...asked, ...last].filter((one, i, all) => all.findIndex((other) => other.key === one.key) === i);
  return unique.map(({ key, descending }) => ({ ...(columns[key] as Column), descending }));
}

/** Reads one page and the token of the next. One row more than the page: when it is there, there is a next page. */
async function page<Row>(
  db: Db,
  query: {
    readonly from: Expression<unknown>;
    readonly all: Expression<unknown>;
    readonly where: readonly Condition[];
    readonly terms: readonly OrderTerm[];
    readonly search: Search;
  },
): Promise<{ readonly items: Row[]; readonly next?: string | undefined }> {
  const { from, all, terms, search } = query;
  const bound = { filter: search.filter, orderBy: search.orderBy };
  const kinds = terms.map((term) => term.kind);
  const after = search.token ? [afterRow(terms, keyValuesOf(search.token, bound, kinds))] : [];
  const keys = terms.map((term, i) => sql`${term.expression} as ${sql.ref(`key_${i}`)}`);
  const where = sql.join(
    [...query.where, ...after].map((one) => sql`(${one})`),
    sql` and `,
  );
  const { rows } = await sql<Row & Readonly<Record<string, KeyValue>>>`
    select ${all}, ${sql.join(keys)} from ${from} where ${where} order by ${orderOf(terms)} limit ${search.limit + 1}
  `.execute(tables(db));
  const items = rows.slice(0, search.limit);
  const lastRow = items.at(-1);
  if (rows.length <= search.limit || !lastRow) return { items };
  return {
    items,
    next: pageToken(
      bound,
      keys.map((_, i) => lastRow[`key_${i}`] as KeyValue),
    ),
  };
}
