import { digestOfJson } from '#core/hash';
import type { Json } from '#core/json';
import { inParallel } from './in-parallel.ts';
import type { ImportReport } from './report.ts';
import {
  type MlflowSource,
  type Pair,
  SourceError,
  type SourceExperiment,
  type SourceLoggedModel,
  type SourceMetric,
  type SourceOwner,
  type SourceRun,
  textsOf,
} from './source.ts';
import { type ImportTarget, sendFile } from './target.ts';
import { importTraces } from './trace-import.ts';

/** As many at once as a control plane takes in one batch. */
const POINTS_MAX = 10_000;
const KEYS_MAX = 1_000;
/** And no more text than this, so that a batch stays below the largest body. */
const TEXT_CHARS_MAX = 2_000_000;
const LINKS_MAX = 500;

export interface ImportPlan {
  readonly source: MlflowSource;
  readonly target: ImportTarget;
  readonly report: ImportReport;
  readonly dryRun: boolean;
  readonly tell: (line: string) => void;
  /** Which runs go at the same time. */
  readonly parallel: number;
}

type Kind = 'run' | 'model';

/** What one batch of an import holds; see the contract of the control plane. */
type Batch = NonNullable<Parameters<ImportTarget['kedge']['tracking']['importBatch']>[0]['body']>;

/** Brings in an experiment with its runs, their histories and files, its logged models and its traces. */
export async function importExperiment(plan: ImportPlan, experiment: SourceExperiment): Promise<void> {
  const { source, report, tell } = plan;
  report.experiments.found += 1;
  const place = await placeOf(plan, experiment);
  let runs = 0;
  await inParallel(source.runs(experiment.experiment_id), plan.parallel, async (run) => {
    report.runs.found += 1;
    await report.attempt(`run ${run.info.run_id}`, () => importRun(plan, place, run));
    runs += 1;
    if (runs % 100 === 0) tell(`experiment '${experiment.name}': ${runs} runs, ${report.points} points so far`);
  });
  for await (const model of source.loggedModels(experiment.experiment_id)) {
    report.loggedModels.found += 1;
    await report.attempt(`logged model ${model.info.model_id}`, () => importLoggedModel(plan, place, model));
  }
  const before = report.traces.found;
  await importTraces(plan, place, experiment);
  const traces = report.traces.found - before;
  tell(`experiment '${experiment.name}': ${runs} runs${traces === 0 ? '' : `, ${traces} traces`}`);
}

/** Where an experiment is here. */
export interface Place {
  readonly id: string;
  /** Where clients write its files, if that is the control plane's proxy. */
  readonly folder: string | undefined;
}

async function placeOf({ source, target, report, dryRun }: ImportPlan, experiment: SourceExperiment): Promise<Place> {
  const { name, tags = [], creation_time: createdAt = 0, last_update_time: updatedAt = createdAt } = experiment;
  if (dryRun) {
    const found = await Promise.all(
      (['active', 'deleted'] as const).map((lifecycle) =>
        target.kedge.tracking.listExperiments({ query: { name, lifecycle } }),
      ),
    );
    if (found.every(({ items }) => items.length === 0)) report.experiments.made += 1;
    return { id: '', folder: undefined };
  }
  const { id, made, artifactLocation } = await target.kedge.tracking.importExperiment({
    body: { source: source.name, name, createdAt, updatedAt, lifecycle: lifecycleOf(experiment), tags: textsOf(tags) },
  });
  if (made) report.experiments.made += 1;
  const [, folder] = /^mlflow-artifacts:\/*(.+)$/.exec(artifactLocation) ?? [];
  return { id, folder };
}

async function importRun(plan: ImportPlan, place: Place, run: SourceRun): Promise<void> {
  const { source, target, report } = plan;
  const { info, data = {} } = run;
  const digest = digestOf(run);
  const state = await stateOf(plan, { kind: 'run', id: info.run_id }, digest);
  if (state === 'same' || plan.dryRun) return;
  await target.kedge.tracking.importRun({
    body: {
      source: source.name,
      id: info.run_id,
      experiment: place.id,
      name: info.run_name ?? '',
      userId: info.user_id ?? '',
      startedAt: info.start_time ?? 0,
    },
  });
  const send = (batch: Batch) =>
    target.kedge.tracking.importBatch({ params: { kind: 'run', id: info.run_id }, body: batch });
  for (const params of pieces(data.params ?? [])) await send({ params: textsOf(params) });
  for (const tags of pieces(data.tags ?? [])) await send({ tags: textsOf(tags) });
  await sendLineage(run, send);
  for (const { key } of data.metrics ?? []) {
    for await (const points of source.history(info.run_id, key)) {
      for (let at = 0; at < points.length; at += POINTS_MAX) {
        const metrics = points.slice(at, at + POINTS_MAX).map(sentPoint);
        await send({ metrics });
        report.points += metrics.length;
      }
    }
  }
  const owner: SourceOwner = { kind: 'run', id: info.run_id, uri: info.artifact_uri ?? '' };
  await sendFiles(plan, owner, place.folder && `${place.folder}/${info.run_id}/artifacts`);
  const status = (info.status ?? 'FINISHED').toLowerCase() as 'finished';
  const endedAt = info.end_time ? { endedAt: info.end_time } : {};
  await target.kedge.tracking.finishImport({
    params: { kind: 'run', id: info.run_id },
    body: { status, ...endedAt, lifecycle: lifecycleOf(info), digest },
  });
}

async function sendLineage({ inputs, outputs }: SourceRun, send: (batch: Batch) => Promise<unknown>): Promise<void> {
  const datasets = (inputs?.dataset_inputs ?? []).map(({ dataset, tags = [] }) => ({
    dataset: {
      name: dataset.name,
      digest: dataset.digest,
      ...(dataset.source_type === undefined ? {} : { sourceType: dataset.source_type }),
      ...(dataset.source === undefined ? {} : { source: dataset.source }),
      ...(dataset.schema === undefined ? {} : { schema: dataset.schema }),
      ...(dataset.profile === undefined ? {} : { profile: dataset.profile }),
    },
    tags: tags.map(({ key, value = '' }) => ({ key, value })),
  }));
  // One at a time: the profile of a data set alone may be as large as a batch.
  for (const dataset of datasets) await send({ datasets: [dataset] });
  const inputModels = (inputs?.model_inputs ?? []).map(({ model_id }) => model_id);
  const outputModels = (outputs?.model_outputs ?? []).map(({ model_id, step = 0 }) => ({ model: model_id, step }));
  for (let at = 0; at < Math.max(inputModels.length, outputModels.length); at += LINKS_MAX) {
    const some = [at, at + LINKS_MAX] as const;
    await send({ inputModels: inputModels.slice(...some), outputModels: outputModels.slice(...some) });
  }
}

async function importLoggedModel(plan: ImportPlan, place: Place, model: SourceLoggedModel): Promise<void> {
  const { source, target, report } = plan;
  const { info, data = {} } = model;
  const digest = digestOf(model);
  const state = await stateOf(plan, { kind: 'model', id: info.model_id }, digest);
  if (state === 'same' || plan.dryRun) return;
  const createdAt = info.creation_timestamp_ms ?? 0;
  const params = { kind: 'model', id: info.model_id } as const;
  await target.kedge.tracking.importLoggedModel({
    body: {
      source: source.name,
      id: info.model_id,
      experiment: place.id,
      name: info.name,
      createdAt,
      ...(info.model_type ? { modelType: info.model_type } : {}),
      ...(info.source_run_id ? { sourceRun: info.source_run_id } : {}),
      ...(info.creator_id ? { author: info.creator_id } : {}),
    },
  });
  const send = (body: Batch) => target.kedge.tracking.importBatch({ params, body });
  for (const some of pieces(data.params ?? [])) await send({ params: textsOf(some) });
  for (const some of pieces(info.tags ?? [])) await send({ tags: textsOf(some) });
  const points = data.metrics ?? [];
  for (let at = 0; at < points.length; at += KEYS_MAX) {
    await send({ metrics: points.slice(at, at + KEYS_MAX).map(sentModelPoint) });
  }
  report.points += points.length;
  const owner: SourceOwner = { kind: 'model', id: info.model_id, uri: info.artifact_uri ?? '' };
  await sendFiles(plan, owner, place.folder && `${place.folder}/models/${info.model_id}/artifacts`);
  const updatedAt = info.last_updated_timestamp_ms ?? createdAt;
  await target.kedge.tracking.finishImport({
    params,
    body: { modelStatus: modelStatusOf(info.status), updatedAt, lifecycle: 'active', digest },
  });
}

/** Counts what is to be done with a run or logged model. */
async function stateOf(
  { target, report }: ImportPlan,
  params: { readonly kind: Kind; readonly id: string },
  digest: string,
): Promise<'made' | 'resumed' | 'same'> {
  const { state, digest: before } = await target.kedge.tracking.getImport({ params });
  const counted = params.kind === 'run' ? report.runs : report.loggedModels;
  const found = state === 'none' ? 'made' : before === digest ? 'same' : 'resumed';
  counted[found] += 1;
  return found;
}

/** Sends the files that are not here yet with as many bytes. */
async function sendFiles(plan: ImportPlan, owner: SourceOwner, folder: string | undefined): Promise<void> {
  const { source, target, report } = plan;
  const { files } = await target.kedge.tracking.getImport({ params: { kind: owner.kind, id: owner.id } });
  const here = new Map(files.map(({ path, bytes }) => [path, bytes]));
  for await (const { path, bytes } of source.files(owner)) {
    if (here.has(path) && (bytes === undefined || here.get(path) === bytes)) continue;
    if (folder === undefined) {
      throw new SourceError('its files stay behind: this control plane has clients keep theirs elsewhere');
    }
    report.files.bytes += await sendFile(target, `${folder}/${path}`, await source.open(owner, path));
    report.files.sent += 1;
  }
}

/** Changes when anything does that the source says. Where its files are is no part of it: that may be told anew. */
function digestOf(said: SourceRun | SourceLoggedModel) {
  return digestOfJson(JSON.parse(JSON.stringify({ ...said, info: { ...said.info, artifact_uri: '' } })) as Json);
}

function sentPoint({ key, value = 0, step = 0, timestamp = 0 }: SourceMetric) {
  return { key, value: sentValue(value), step: Number(step), timestamp: Number(timestamp) };
}

function sentModelPoint(metric: SourceMetric) {
  const { run_id: run, dataset_name: datasetName, dataset_digest: datasetDigest } = metric;
  return {
    ...sentPoint(metric),
    ...(run ? { run } : {}),
    ...(datasetName ? { datasetName } : {}),
    ...(datasetDigest ? { datasetDigest } : {}),
  };
}

function sentValue(value: number | string) {
  return typeof value === 'number' ? value : (value as 'NaN' | 'Infinity' | '-Infinity');
}

const MODEL_STATUSES = ['UNSPECIFIED', 'PENDING', 'READY', 'UPLOAD_FAILED'] as const;

function modelStatusOf(status: string | number | undefined) {
  if (typeof status === 'number') return MODEL_STATUSES[status] ?? 'UNSPECIFIED';
  return MODEL_STATUSES.find((one) => status === `LOGGED_MODEL_${one}`) ?? 'UNSPECIFIED';
}

function lifecycleOf({ lifecycle_stage: stage }: { readonly lifecycle_stage?: string }): 'active' | 'deleted' {
  return stage === 'deleted' ? 'deleted' : 'active';
}

/** In pieces that fit a batch. */
function* pieces(pairs: readonly Pair[]): Iterable<readonly Pair[]> {
  let piece: Pair[] = [];
  let chars = 0;
  for (const pair of pairs) {
    const more = pair.key.length + (pair.value?.length ?? 0);
    if (piece.length === KEYS_MAX || (piece.length > 0 && chars + more > TEXT_CHARS_MAX)) {
      yield piece;
      [piece, chars] = [[], 0];
    }
    piece.push(pair);
    chars += more;
  }
  if (piece.length > 0) yield piece;
}
