import { numberOf, type StoredValue, storedValue } from '../model.ts';
import { padded } from './bulk.ts';
import { type Db, type ModelTable, tables } from './tables.ts';

export type LoggedModelStatus = 'UNSPECIFIED' | 'PENDING' | 'READY' | 'UPLOAD_FAILED';

/** A model as a run left it, before anybody registers it. */
export interface LoggedModel {
  readonly id: string;
  readonly experiment: string;
  readonly name: string;
  readonly artifactUri: string;
  readonly status: LoggedModelStatus;
  readonly statusMessage: string | undefined;
  readonly modelType: string | undefined;
  readonly sourceRun: string | undefined;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly lifecycle: 'active' | 'deleted';
  readonly params: ReadonlyMap<string, string>;
  readonly tags: ReadonlyMap<string, string>;
  readonly metrics: readonly ModelMetric[];
}

export interface ModelMetric {
  readonly model: string;
  readonly run: string;
  readonly key: string;
  readonly value: number;
  readonly step: number;
  readonly timestamp: number;
  readonly datasetName?: string | undefined;
  readonly datasetDigest?: string | undefined;
}

export type NewModel = Omit<LoggedModel, 'lifecycle' | 'params' | 'tags' | 'metrics' | 'updatedAt' | 'statusMessage'>;

export async function insertModel(db: Db, model: NewModel): Promise<void> {
  await tables(db)
    .insertInto('tracking_model')
    .values({
      id: model.id,
      experiment: model.experiment,
      name: model.name,
      artifact_uri: model.artifactUri,
      status: model.status,
      status_message: null,
      model_type: model.modelType ?? null,
      source_run: model.sourceRun ?? null,
      created_by: model.createdBy,
      created_at: model.createdAt,
      updated_at: model.createdAt,
      deleted_at: null,
    })
    .execute();
}

export interface ModelState {
  readonly id: string;
  readonly experiment: string;
  readonly project: string;
  readonly lifecycle: 'active' | 'deleted';
}

export async function findModelState(db: Db, id: string): Promise<ModelState | undefined> {
  const row = await tables(db)
    .selectFrom('tracking_model as m')
    .innerJoin('tracking_experiment as e', 'e.id', 'm.experiment')
    .select(['m.experiment', 'm.deleted_at', 'e.project'])
    .where('m.id', '=', id)
    .executeTakeFirst();
  return (
    row && {
      id,
      experiment: row.experiment,
      project: row.project,
      lifecycle: row.deleted_at === null ? 'active' : 'deleted',
    }
  );
}

export async function updateModel(
  db: Db,
  id: string,
  change: { readonly status?: LoggedModelStatus; readonly deletedAt?: number; readonly at: number },
): Promise<void> {
  await tables(db)
    .updateTable('tracking_model')
    .set({
      updated_at: change.at,
      ...(change.status === undefined ? {} : { status: change.status }),
      ...(change.deletedAt === undefined ? {} : { deleted_at: change.deletedAt }),
    })
    .where('id', '=', id)
    .execute();
}

type KeyedTable = 'tracking_model_param' | 'tracking_model_tag';

export async function putModelKeyed(
  db: Db,
  table: KeyedTable,
  of: { readonly model: string; readonly values: Readonly<Record<string, string>> },
): Promise<void> {
  const rows = Object.entries(of.values).map(([key, value]) => ({ model: of.model, key, value }));
  if (rows.length === 0) return;
  await tables(db)
    .insertInto(table)
    .values(rows)
    .onConflict((c) => c.columns(['model', 'key']).doUpdateSet((e) => ({ value: e.ref('excluded.value') })))
    .execute();
}

export async function modelKeyed(
  db: Db,
  table: KeyedTable,
  models: readonly string[],
): Promise<Map<string, Map<string, string>>> {
  const rows = await tables(db)
    .selectFrom(table)
    .selectAll()
    .where('model', 'in', padded(models))
    .orderBy('key')
    .execute();
  const byModel = new Map(models.map((id) => [id, new Map<string, string>()]));
  for (const { model, key, value } of rows) byModel.get(model)?.set(key, value);
  return byModel;
}

/** Whether there was such a tag. */
export async function dropModelTag(db: Db, model: string, key: string): Promise<boolean> {
  const { numDeletedRows } = await tables(db)
    .deleteFrom('tracking_model_tag')
    .where('model', '=', model)
    .where('key', '=', key)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Of one metric of one model the newest measurement of a run at a step and time counts. */
export async function insertModelMetrics(db: Db, metrics: readonly ModelMetric[]): Promise<void> {
  for (const metric of metrics) {
    const { value, special } = storedValue(metric.value);
    const dataset = { dataset_name: metric.datasetName ?? null, dataset_digest: metric.datasetDigest ?? null };
    const { model, key, timestamp, step, run } = metric;
    await tables(db)
      .insertInto('tracking_model_metric')
      .values({ model, key, timestamp, step, run, value, special, ...dataset })
      .onConflict((c) =>
        c.columns(['model', 'key', 'timestamp', 'step', 'run']).doUpdateSet({ value, special, ...dataset }),
      )
      .execute();
  }
}

/** The models of these ids, in their order. */
export async function modelsOf(db: Db, ids: readonly string[]): Promise<LoggedModel[]> {
  if (ids.length === 0) return [];
  const rows = await tables(db).selectFrom('tracking_model').selectAll().where('id', 'in', padded(ids)).execute();
  const params = await modelKeyed(db, 'tracking_model_param', ids);
  const tags = await modelKeyed(db, 'tracking_model_tag', ids);
  const metrics = await metricsOf(db, ids);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => {
    const row = byId.get(id);
    if (!row) return [];
    const keyed = { params: params.get(id) ?? new Map(), tags: tags.get(id) ?? new Map() };
    return { ...modelOf(row), ...keyed, metrics: metrics.get(id) ?? [] };
  });
}

async function metricsOf(db: Db, models: readonly string[]): Promise<Map<string, ModelMetric[]>> {
  const rows = await tables(db)
    .selectFrom('tracking_model_metric')
    .selectAll()
    .where('model', 'in', padded(models))
    .orderBy('key')
    .orderBy('timestamp')
    .orderBy('step')
    .execute();
  const byModel = new Map<string, ModelMetric[]>();
  for (const row of rows) {
    const { model, run, key, step, timestamp } = row;
    const value = numberOf(row as StoredValue);
    const dataset = { datasetName: row.dataset_name ?? undefined, datasetDigest: row.dataset_digest ?? undefined };
    byModel.set(model, [...(byModel.get(model) ?? []), { model, run, key, value, step, timestamp, ...dataset }]);
  }
  return byModel;
}

function modelOf(row: ModelTable): Omit<LoggedModel, 'params' | 'tags' | 'metrics'> {
  return {
    id: row.id,
    experiment: row.experiment,
    name: row.name,
    artifactUri: row.artifact_uri,
    status: row.status as LoggedModelStatus,
    statusMessage: row.status_message ?? undefined,
    modelType: row.model_type ?? undefined,
    sourceRun: row.source_run ?? undefined,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    lifecycle: row.deleted_at === null ? 'active' : 'deleted',
  };
}
