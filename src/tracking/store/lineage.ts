import type { InferResult } from 'kysely';
import { together } from '#platform/db';
import { isAmong, padded } from './bulk.ts';
import { type DatasetTable, type Db, tables } from './tables.ts';

export interface Dataset {
  readonly name: string;
  readonly digest: string;
  readonly sourceType: string;
  readonly source: string;
  readonly schema?: string | undefined;
  readonly profile?: string | undefined;
}

export interface Tag {
  readonly key: string;
  readonly value: string;
}

export interface DatasetInput {
  readonly dataset: Dataset;
  readonly tags: readonly Tag[];
}

export interface ModelLink {
  readonly model: string;
  readonly step: number;
}

/** What a run read and made. */
export interface RunLineage {
  readonly datasets: readonly DatasetInput[];
  readonly inputModels: readonly ModelLink[];
  readonly outputModels: readonly ModelLink[];
}

export const DATASET_CONTEXT_TAG = 'mlflow.data.context';

/** Records the data set once an experiment; the first of the same name and digest stands. Returns its id. */
export async function putDataset(
  db: Db,
  experiment: string,
  draft: { readonly id: string; readonly dataset: Dataset },
): Promise<string> {
  const { id, dataset } = draft;
  await tables(db)
    .insertInto('tracking_dataset')
    .values({
      id,
      experiment,
      name: dataset.name,
      digest: dataset.digest,
      source_type: dataset.sourceType,
      source: dataset.source,
      schema: dataset.schema ?? null,
      profile: dataset.profile ?? null,
    })
    .onConflict((c) => c.columns(['experiment', 'name', 'digest']).doNothing())
    .execute();
  const row = await tables(db)
    .selectFrom('tracking_dataset')
    .select('id')
    .where('experiment', '=', experiment)
    .where('name', '=', dataset.name)
    .where('digest', '=', dataset.digest)
    .executeTakeFirstOrThrow();
  return row.id;
}

/** Says that a run read a data set. Saying it again keeps the tags of the first time. */
export async function putDatasetInput(
  db: Db,
  run: string,
  input: { readonly dataset: string; readonly tags: readonly Tag[] },
): Promise<void> {
  const last = await tables(db)
    .selectFrom('tracking_dataset_input')
    .select((e) => e.fn.max('position').as('position'))
    .where('run', '=', run)
    .executeTakeFirst();
  await tables(db)
    .insertInto('tracking_dataset_input')
    .values({
      run,
      dataset: input.dataset,
      position: Number(last?.position ?? 0) + 1,
      context: input.tags.find(({ key }) => key === DATASET_CONTEXT_TAG)?.value ?? null,
      tags: JSON.stringify(input.tags),
    })
    .onConflict((c) => c.columns(['run', 'dataset']).doNothing())
    .execute();
}

export async function countDatasetInputs(db: Db, run: string): Promise<number> {
  const row = await tables(db)
    .selectFrom('tracking_dataset_input')
    .select((e) => e.fn.countAll().as('count'))
    .where('run', '=', run)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

export async function putModelLinks(
  db: Db,
  of: { readonly run: string; readonly direction: 'input' | 'output' },
  links: readonly ModelLink[],
): Promise<void> {
  for (const { model, step } of links) {
    await tables(db)
      .insertInto('tracking_model_link')
      .values({ ...of, model, step })
      .onConflict((c) => c.columns(['run', 'direction', 'model']).doUpdateSet({ step }))
      .execute();
  }
}

/** The data sets that runs read. */
export function datasetInputRows(db: Db, runs: readonly string[]) {
  return tables(db)
    .selectFrom('tracking_dataset_input as i')
    .innerJoin('tracking_dataset as d', 'd.id', 'i.dataset')
    .selectAll('d')
    .select(['i.run', 'i.tags'])
    .where(isAmong(db, 'i.run', runs))
    .orderBy('i.position');
}

/** The logged models that runs read and made. */
export function modelLinkRows(db: Db, runs: readonly string[]) {
  return tables(db)
    .selectFrom('tracking_model_link')
    .selectAll()
    .where(isAmong(db, 'run', runs))
    .orderBy('step')
    .orderBy('model');
}

export async function lineageOf(db: Db, runs: readonly string[]): Promise<Map<string, RunLineage>> {
  if (runs.length === 0) return new Map();
  return lineageFrom(...(await together(db, [datasetInputRows(db, runs), modelLinkRows(db, runs)])));
}

/** The lineage of runs by their ids. */
export function lineageFrom(
  inputs: readonly InferResult<ReturnType<typeof datasetInputRows>>[number][],
  links: readonly InferResult<ReturnType<typeof modelLinkRows>>[number][],
): Map<string, RunLineage> {
  const found = new Map<string, { datasets: DatasetInput[]; inputModels: ModelLink[]; outputModels: ModelLink[] }>();
  const of = (run: string) => {
    const known = found.get(run) ?? { datasets: [], inputModels: [], outputModels: [] };
    found.set(run, known);
    return known;
  };
  for (const row of inputs) of(row.run).datasets.push({ dataset: datasetOf(row), tags: JSON.parse(row.tags) as Tag[] });
  for (const { run, direction, model, step } of links) {
    const lineage = of(run);
    (direction === 'input' ? lineage.inputModels : lineage.outputModels).push({ model, step });
  }
  return found;
}

export interface DatasetSummary {
  readonly experiment: string;
  readonly name: string;
  readonly digest: string;
  readonly context: string | undefined;
}

/** The data sets that runs of these experiments read, each once for every context. */
export async function datasetSummaries(
  db: Db,
  experiments: readonly string[],
  limit: number,
): Promise<DatasetSummary[]> {
  const rows = await tables(db)
    .selectFrom('tracking_dataset as d')
    .innerJoin('tracking_dataset_input as i', 'i.dataset', 'd.id')
    .select(['d.experiment', 'd.name', 'd.digest', 'i.context'])
    .distinct()
    .where('d.experiment', 'in', padded(experiments))
    .orderBy('d.name')
    .orderBy('d.digest')
    .orderBy('i.context')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ ...row, context: row.context ?? undefined }));
}

function datasetOf(row: Omit<DatasetTable, 'id'>): Dataset {
  return {
    name: row.name,
    digest: row.digest,
    sourceType: row.source_type,
    source: row.source,
    schema: row.schema ?? undefined,
    profile: row.profile ?? undefined,
  };
}
