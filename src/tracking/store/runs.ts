import type { Compilable, InferResult } from 'kysely';
import type { Cause } from '#core/cause';
import { statement, together } from '#platform/db';
import type { RunStatus } from '../contract.ts';
import type { Run } from '../model.ts';
import { isAmong, padded } from './bulk.ts';
import { datasetInputRows, lineageFrom, modelLinkRows, type RunLineage } from './lineage.ts';
import { keyedRows, recordsByRun } from './logged.ts';
import { latestRows, pointOf } from './series.ts';
import { type Db, type RunTable, tables } from './tables.ts';

export interface NewRun {
  readonly id: string;
  readonly experiment: string;
  readonly name: string;
  readonly startedBy: string;
  readonly startedAt: number;
  readonly source: { readonly run: string; readonly step: string } | undefined;
  readonly cause: Cause;
  readonly userId: string;
  readonly artifactUri: string;
}

export async function insertRun(db: Db, run: NewRun): Promise<void> {
  const row: RunTable = {
    id: run.id,
    experiment: run.experiment,
    name: run.name,
    status: 'running',
    started_by: run.startedBy,
    started_at: run.startedAt,
    ended_at: null,
    source_run: run.source?.run ?? null,
    source_step: run.source?.step ?? null,
    cause: JSON.stringify(run.cause),
    deleted_at: null,
    deleted_with_experiment: 0,
    user_id: run.userId,
    artifact_uri: run.artifactUri,
  };
  await insertRow(db, row);
}

const RUN_COLUMNS: readonly (keyof RunTable)[] = [
  ...(['id', 'experiment', 'name', 'status', 'started_by', 'started_at', 'ended_at'] as const),
  ...(['source_run', 'source_step', 'cause', 'deleted_at', 'deleted_with_experiment'] as const),
  ...(['user_id', 'artifact_uri'] as const),
];

const insertRow = statement(RUN_COLUMNS, (db, row) => db.insertInto('tracking_run').values(row));

export interface RunFilter {
  readonly experiment?: string | undefined;
  readonly project?: string | undefined;
  /** Only runs of these experiments. */
  readonly experiments?: readonly string[] | undefined;
  readonly status?: RunStatus | undefined;
  readonly sourceRun?: string | undefined;
  readonly lifecycle: 'active' | 'deleted';
  /** Goes on after this run, in the order of the list. */
  readonly after?: { readonly startedAt: number; readonly id: string } | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function searchRuns(db: Db, filter: RunFilter): Promise<Run[]> {
  let query = rowsOf(db)
    .where('r.deleted_at', filter.lifecycle === 'active' ? 'is' : 'is not', null)
    .orderBy('r.started_at', 'desc')
    .orderBy('r.id', 'desc')
    .limit(filter.limit);
  if (filter.experiment !== undefined) query = query.where('r.experiment', '=', filter.experiment);
  const { project } = filter;
  if (project !== undefined) {
    query = query.where('r.experiment', 'in', (e) =>
      e.selectFrom('tracking_experiment').select('id').where('project', '=', project),
    );
  }
  if (filter.experiments !== undefined) query = query.where('r.experiment', 'in', padded(filter.experiments));
  if (filter.status !== undefined) query = query.where('r.status', '=', filter.status);
  if (filter.sourceRun !== undefined) query = query.where('r.source_run', '=', filter.sourceRun);
  const { after } = filter;
  if (after !== undefined) {
    query = query.where((e) => e(e.refTuple('r.started_at', 'r.id'), '<', e.tuple(after.startedAt, after.id)));
  }
  const rows = await query.execute();
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  return runsFrom(rows, ...(await together(db, loggedRows(db, ids))));
}

export async function findRun(db: Db, id: string): Promise<Run | undefined> {
  const row = rowsOf(db).where('r.id', '=', id);
  const [run] = runsFrom(...(await together(db, [row, ...loggedRows(db, [id])])));
  return run;
}

export interface RunState {
  readonly id: string;
  readonly experiment: string;
  readonly project: string;
  /** Who made the experiment. */
  readonly experimentOwner: string;
  readonly name: string;
  readonly status: RunStatus;
  readonly lifecycle: 'active' | 'deleted';
}

/** What decides whether a run may be written to, without what was logged to it. */
export async function findLifecycle(db: Db, id: string): Promise<RunState | undefined> {
  const [row] = await selectState(db, { id });
  return row && stateOf(row);
}

/** Those of the runs that there are, by their ids. */
export async function findLifecycles(db: Db, ids: readonly string[]): Promise<Map<string, RunState>> {
  const rows = await states(db).where('r.id', 'in', padded(ids)).execute();
  return new Map(rows.map((row) => [row.id, stateOf(row)]));
}

const selectState = statement(['id'], (db, { id }) => states(db).where('r.id', '=', id as never));

function states(db: Db) {
  return tables(db)
    .selectFrom('tracking_run as r')
    .innerJoin('tracking_experiment as e', 'e.id', 'r.experiment')
    .select(['r.id', 'r.experiment', 'e.project', 'e.created_by', 'r.name', 'r.status', 'r.deleted_at']);
}

function stateOf(row: InferResult<ReturnType<typeof states>>[number]): RunState {
  const { created_by: experimentOwner, deleted_at, status, ...rest } = row;
  const lifecycle = deleted_at === null ? 'active' : 'deleted';
  return { ...rest, experimentOwner, status: status as RunStatus, lifecycle };
}

export interface RunUpdate {
  readonly status?: RunStatus | undefined;
  readonly endedAt?: number | undefined;
  readonly name?: string | undefined;
}

export async function updateRun(db: Db, id: string, { status, endedAt, name }: RunUpdate): Promise<void> {
  const set = {
    ...(status === undefined ? {} : { status }),
    ...(endedAt === undefined ? {} : { ended_at: endedAt }),
    ...(name === undefined ? {} : { name }),
  };
  if (Object.keys(set).length === 0) return;
  await tables(db).updateTable('tracking_run').set(set).where('id', '=', id).execute();
}

/** A run with the data sets and logged models that it read and made. */
export interface RunWithLineage extends Run {
  readonly lineage: RunLineage;
}

export const NO_LINEAGE: RunLineage = { datasets: [], inputModels: [], outputModels: [] };

/** The runs of these ids, in their order, with what was logged to them and their lineage. */
export async function runsOf(db: Db, ids: readonly string[]): Promise<RunWithLineage[]> {
  if (ids.length === 0) return [];
  const [rows, params, tags, metrics, inputs, links] = await together(db, [
    // First, so that a run which has ended is shown with all that was logged to it before.
    rowsOf(db).where(isAmong(db, 'r.id', ids)),
    ...loggedRows(db, ids),
    datasetInputRows(db, ids),
    modelLinkRows(db, ids),
  ]);
  const lineage = lineageFrom(inputs, links);
  const found = runsFrom(rows, params, tags, metrics);
  const byId = new Map(found.map((run) => [run.id, { ...run, lineage: lineage.get(run.id) ?? NO_LINEAGE }]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

/** Marks a run as deleted at a time, or as active with null. */
export async function setRunDeleted(db: Db, id: string, at: number | null): Promise<void> {
  await tables(db)
    .updateTable('tracking_run')
    .set({ deleted_at: at, deleted_with_experiment: 0 })
    .where('id', '=', id)
    .execute();
}

/**
 * Rows of runs with the names of their experiments. No join, which takes the index that has runs in their order from a
 * list of them in SQLite.
 */
function rowsOf(db: Db) {
  return tables(db)
    .selectFrom('tracking_run as r')
    .selectAll('r')
    .select((e) =>
      e
        .selectFrom('tracking_experiment as of')
        .select('of.name')
        .whereRef('of.id', '=', 'r.experiment')
        .as('experiment_name'),
    );
}

type Rows<Query extends (...of: never[]) => Compilable> = readonly InferResult<ReturnType<Query>>[number][];

function loggedRows(db: Db, ids: readonly string[]) {
  const [params, tags] = [keyedRows(db, 'tracking_param', ids), keyedRows(db, 'tracking_tag', ids)] as const;
  return [params, tags, latestRows(db, ids)] as const;
}

function runsFrom(
  rows: Rows<typeof rowsOf>,
  ...[paramRows, tagRows, metricRows]: [Rows<typeof keyedRows>, Rows<typeof keyedRows>, Rows<typeof latestRows>]
): Run[] {
  const params = recordsByRun(paramRows, ({ value }) => value);
  const tags = recordsByRun(tagRows, ({ value }) => value);
  const metrics = recordsByRun(metricRows, pointOf);
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    experiment: { id: row.experiment, name: row.experiment_name ?? row.experiment },
    status: row.status as RunStatus,
    lifecycle: row.deleted_at === null ? 'active' : 'deleted',
    startedBy: row.started_by,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    source: row.source_run === null ? null : { run: row.source_run, step: row.source_step ?? '' },
    cause: JSON.parse(row.cause),
    userId: row.user_id,
    artifactUri: row.artifact_uri,
    params: params.get(row.id) ?? {},
    tags: tags.get(row.id) ?? {},
    metrics: metrics.get(row.id) ?? {},
  }));
}
