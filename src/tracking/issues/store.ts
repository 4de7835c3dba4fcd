import { type Expression, type SqlBool, sql } from 'kysely';
import type { SqlDialect } from '#ports/sql';
import type { Comparison, Filter } from '../search/index.ts';
import { padded } from '../store/bulk.ts';
import { comparisonOf, compileFilter, type OrderTerm } from '../store/filter/index.ts';
import { column, type FoundPage, findPage } from '../store/found.ts';
import { type Db, tables } from '../store/tables.ts';
import { ISSUE_SEVERITIES, type Issue, type IssueSeverity, type IssueStatus } from './model.ts';

export interface IssueTable {
  id: string;
  experiment: string;
  name: string;
  description: string;
  status: string;
  severity: string | null;
  /** JSON: a list of texts. */
  root_causes: string;
  /** JSON: a list of texts. */
  categories: string;
  source_run: string | null;
  named_by: string | null;
  /** Who was authenticated when it was made. */
  created_by: string;
  created_at: number;
  updated_at: number;
}

export async function insertIssue(db: Db, issue: Issue, by: string): Promise<void> {
  const { rootCauses, categories, sourceRun, namedBy, createdAt, updatedAt, severity, ...same } = issue;
  await tables(db)
    .insertInto('tracking_issue')
    .values({
      ...same,
      severity: severity ?? null,
      root_causes: JSON.stringify(rootCauses),
      categories: JSON.stringify(categories),
      source_run: sourceRun ?? null,
      named_by: namedBy ?? null,
      created_by: by,
      created_at: createdAt,
      updated_at: updatedAt,
    })
    .execute();
}

export async function updateIssue(db: Db, issue: Issue): Promise<void> {
  const { name, description, status, severity = null, updatedAt } = issue;
  await tables(db)
    .updateTable('tracking_issue')
    .set({ name, description, status, severity, updated_at: updatedAt })
    .where('id', '=', issue.id)
    .execute();
}

export async function countIssues(db: Db, experiment: string): Promise<number> {
  const row = await tables(db)
    .selectFrom('tracking_issue')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('experiment', '=', experiment)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** The issues of these ids, in their order. */
export async function issuesOf(db: Db, ids: readonly string[]): Promise<Issue[]> {
  if (ids.length === 0) return [];
  const rows = await tables(db).selectFrom('tracking_issue').selectAll().where('id', 'in', padded(ids)).execute();
  const byId = new Map(rows.map((row) => [row.id, issueOf(row)]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

export async function removeIssuesOf(db: Db, experiment: string): Promise<void> {
  await tables(db).deleteFrom('tracking_issue').where('experiment', '=', experiment).execute();
}

export interface IssueSearch {
  readonly project: string;
  /** Only those of these experiments, unless left out. */
  readonly experiments: readonly string[] | undefined;
  readonly filter: Filter | undefined;
  /** Whether those that more traces show come first among those that are equally severe. */
  readonly byTraces: boolean;
  readonly limit: number;
  readonly token: string | undefined;
}

const ID = column<string>('i.id');

const RANKS = sql.join(
  ISSUE_SEVERITIES.map((severity, rank) => sql`when ${severity} then ${sql.lit(rank)}`),
  sql` `,
);
const RANK = sql`case i.severity ${RANKS} else -1 end`;

/** Traces of the issue's own project: its id is nobody else's, but anybody may name an assessment after it. */
const TRACES = sql`(select count(distinct a.trace) from tracking_assessment a
  join tracking_trace t on t.key = a.trace and t.experiment = i.experiment
  where a.kind = 'issue' and a.name = i.id and a.valid = 1)`;

/** The ids of a page of issues, the most severe first, and then the newest. */
export async function searchIssues(db: Db, dialect: SqlDialect, search: IssueSearch): Promise<FoundPage<string>> {
  const { project, experiments, filter, byTraces, limit, token } = search;
  const terms: OrderTerm[] = [
    { expression: RANK, kind: 'integer', descending: true },
    ...(byTraces ? [{ expression: TRACES, kind: 'integer', descending: true } as const] : []),
    { expression: column('i.created_at'), kind: 'integer', descending: true },
    { expression: ID, kind: 'text', descending: true },
  ];
  const where = [
    sql<SqlBool>`i.experiment in (select e.id from tracking_experiment e where e.project = ${project})`,
    ...(experiments === undefined ? [] : [sql<SqlBool>`i.experiment in (${sql.join(experiments)})`]),
    ...(filter ? [compileFilter(filter, (comparison) => compareIssue(comparison, dialect))] : []),
  ];
  const bound = { issues: project, experiments: experiments ?? null, filter: filter ?? null, byTraces };
  return findPage(db, { from: sql`tracking_issue i`, id: ID, where, terms }, { limit, token, bound });
}

/** One comparison, true or false: an issue that no run found meets none of its run. */
function compareIssue(comparison: Comparison, dialect: SqlDialect): Expression<SqlBool> {
  if (comparison.field.key === 'status') return comparisonOf(column('i.status'), comparison, dialect);
  const compared = comparisonOf(column('i.source_run'), comparison, dialect);
  return sql<SqlBool>`i.source_run is not null and ${compared}`;
}

/** How many traces show each of the issues. */
export async function tracesShowing(db: Db, ids: readonly string[]): Promise<Map<string, number>> {
  if (ids.length === 0) return new Map();
  const list = sql.join(padded(ids).map((id) => sql`${id}`));
  const { rows } = await sql<{ id: string; count: number }>`
    select i.id as id, ${TRACES} as count from tracking_issue i where i.id in (${list})`.execute(db);
  return new Map(rows.map(({ id, count }) => [id, Number(count)]));
}

function issueOf(row: IssueTable): Issue {
  return {
    id: row.id,
    experiment: row.experiment,
    name: row.name,
    description: row.description,
    status: row.status as IssueStatus,
    severity: (row.severity as IssueSeverity | null) ?? undefined,
    rootCauses: JSON.parse(row.root_causes) as string[],
    categories: JSON.parse(row.categories) as string[],
    sourceRun: row.source_run ?? undefined,
    namedBy: row.named_by ?? undefined,
    createdAt: Number(row.created_at),
    updatedAt: Number(row.updated_at),
  };
}
