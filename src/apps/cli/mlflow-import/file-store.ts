import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { messageOf } from '#core/errors';
import { metricLine } from './metric-line.ts';
import {
  type MlflowSource,
  type Pair,
  type SourceAssessment,
  SourceError,
  type SourceExperiment,
  type SourceFile,
  type SourceLoggedModel,
  type SourceMetric,
  type SourceOwner,
  type SourceRegisteredModel,
  type SourceRun,
  type SourceTrace,
  type SourceVersion,
  textsOf,
  traceOfV2,
} from './source.ts';

const META = 'meta.yaml';
const TRASH = '.trash';
const RUN_STATUSES = ['', 'RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'];
const POINTS_AT_ONCE = 10_000;

type Meta = Readonly<Record<string, unknown>>;

/** A folder `mlruns` as MLflow's file store keeps it, of 2.x and 3.x, read without MLflow. */
export class FileStoreSource implements MlflowSource {
  readonly name: string;
  readonly #root: string;
  readonly #folders = new Map<string, string>();

  private constructor(root: string) {
    this.#root = root;
    this.name = `file:${root}`;
  }

  /** Errors: {@link SourceError} for a folder that is no file store. */
  static async open(path: string): Promise<FileStoreSource> {
    const root = resolve(path.startsWith('file://') ? fileURLToPath(path) : path.replace(/^file:/, ''));
    const found = await stat(root).catch(() => undefined);
    if (!found?.isDirectory()) throw new SourceError(`${root} is no folder`);
    const store = new FileStoreSource(root);
    for await (const _ of store.experiments()) return store;
    throw new SourceError(`${root} is no file store of MLflow: no folder in it has a ${META}`);
  }

  async *experiments(): AsyncIterable<SourceExperiment> {
    for (const parent of [this.#root, join(this.#root, TRASH)]) {
      for (const id of await foldersIn(parent)) {
        const folder = join(parent, id);
        const meta = /^\d+$/.test(id) ? await metaOf(folder) : undefined;
        if (!meta) continue;
        this.#folders.set(id, folder);
        yield {
          experiment_id: id,
          name: textOf(meta['name']) ?? id,
          lifecycle_stage: parent === this.#root ? 'active' : 'deleted',
          ...defined({ creation_time: numberOf(meta['creation_time']) }),
          ...defined({ last_update_time: numberOf(meta['last_update_time']) }),
          tags: await pairsIn(join(folder, 'tags')),
        };
      }
    }
  }

  async *runs(experiment: string): AsyncIterable<SourceRun> {
    const parent = this.#folderOf(experiment);
    for (const id of await foldersIn(parent)) {
      const folder = join(parent, id);
      const meta = id === 'models' || id === 'datasets' || id === 'traces' ? undefined : await metaOf(folder);
      if (!meta) continue;
      this.#folders.set(id, folder);
      yield {
        info: {
          run_id: id,
          experiment_id: experiment,
          ...defined({ run_name: textOf(meta['run_name']), user_id: textOf(meta['user_id']) }),
          ...defined({ start_time: numberOf(meta['start_time']), end_time: numberOf(meta['end_time']) }),
          status: RUN_STATUSES[numberOf(meta['status']) ?? 0] || 'FINISHED',
          artifact_uri: textOf(meta['artifact_uri']) ?? '',
          lifecycle_stage: textOf(meta['lifecycle_stage']) ?? 'active',
        },
        data: {
          params: await pairsIn(join(folder, 'params')),
          tags: await pairsIn(join(folder, 'tags')),
          metrics: await latestIn(join(folder, 'metrics')),
        },
        inputs: {
          dataset_inputs: await datasetsOf(parent, folder),
          model_inputs: await modelsOf(join(folder, 'inputs')),
        },
        outputs: { model_outputs: await modelsOf(join(folder, 'outputs')) },
      };
    }
  }

  async *history(run: string, key: string): AsyncIterable<readonly SourceMetric[]> {
    const points = await pointsIn(join(this.#folderOf(run), 'metrics', key), key);
    for (let at = 0; at < points.length; at += POINTS_AT_ONCE) yield points.slice(at, at + POINTS_AT_ONCE);
  }

  async *loggedModels(experiment: string): AsyncIterable<SourceLoggedModel> {
    const parent = join(this.#folderOf(experiment), 'models');
    for (const id of await foldersIn(parent)) {
      const folder = join(parent, id);
      const meta = await metaOf(folder);
      if (!meta || meta['lifecycle_stage'] === 'deleted') continue;
      const metrics = (await filesIn(join(folder, 'metrics'))).map(({ path }) => path);
      yield {
        info: {
          model_id: id,
          experiment_id: experiment,
          name: textOf(meta['name']) ?? id,
          ...defined({ creation_timestamp_ms: numberOf(meta['creation_timestamp']) }),
          ...defined({ last_updated_timestamp_ms: numberOf(meta['last_updated_timestamp']) }),
          artifact_uri: textOf(meta['artifact_location']) ?? '',
          ...defined({ status: numberOf(meta['status']), model_type: textOf(meta['model_type']) }),
          ...defined({ source_run_id: textOf(meta['source_run_id']) }),
          tags: await pairsIn(join(folder, 'tags')),
        },
        data: {
          params: await pairsIn(join(folder, 'params')),
          metrics: (
            await Promise.all(metrics.map((key) => pointsIn(join(folder, 'metrics', key), key, 'model')))
          ).flat(),
        },
      };
    }
  }

  async *traces(experiment: string): AsyncIterable<SourceTrace> {
    const parent = join(this.#folderOf(experiment), 'traces');
    for (const id of await foldersIn(parent)) {
      const trace = await traceIn(join(parent, id));
      if (!trace) continue;
      this.#folders.set(trace.trace_id, join(parent, id));
      yield trace;
    }
  }

  async spans(trace: string): Promise<string | undefined> {
    const path = join(this.#folderOf(trace), 'artifacts', 'traces.json');
    return readFile(path, 'utf8').catch(() => undefined);
  }

  async users(): Promise<undefined> {}

  webhooks(): undefined {
    return undefined;
  }

  async *registeredModels(): AsyncIterable<SourceRegisteredModel> {
    const parent = join(this.#root, 'models');
    for (const name of await foldersIn(parent)) {
      const folder = join(parent, name);
      const meta = await metaOf(folder);
      if (!meta) continue;
      const aliases = await pairsIn(join(folder, 'aliases'));
      yield {
        name: textOf(meta['name']) ?? name,
        ...stampsOf(meta),
        ...defined({ description: textOf(meta['description']) }),
        tags: await pairsIn(join(folder, 'tags')),
        aliases: aliases.map(({ key, value = '' }) => ({ alias: key, version: value.trim() })),
      };
    }
  }

  async versions(model: SourceRegisteredModel): Promise<readonly SourceVersion[]> {
    const parent = join(this.#root, 'models', model.name);
    const versions: SourceVersion[] = [];
    for (const name of await foldersIn(parent)) {
      const folder = join(parent, name);
      const meta = name.startsWith('version-') ? await metaOf(folder) : undefined;
      // A version that was deleted stays as a folder whose stage says so.
      if (!meta || meta['current_stage'] === 'Deleted_Internal') continue;
      const part = (field: string) => defined({ [field]: textOf(meta[field]) });
      versions.push({
        name: model.name,
        version: String(meta['version']),
        ...stampsOf(meta),
        ...part('current_stage'),
        ...part('description'),
        ...part('source'),
        ...part('run_id'),
        ...part('run_link'),
        ...part('status'),
        ...part('status_message'),
        ...part('model_id'),
        tags: await pairsIn(join(folder, 'tags')),
      });
    }
    return versions.sort((a, b) => Number(a.version) - Number(b.version));
  }

  async *files(owner: SourceOwner): AsyncIterable<SourceFile> {
    yield* await filesIn(this.#artifactsOf(owner));
  }

  async open(owner: SourceOwner, path: string): Promise<Readable> {
    return createReadStream(join(this.#artifactsOf(owner), path));
  }

  /** The files lie with their owner, also when the folder was moved since, and else where the owner says. */
  #artifactsOf({ kind, id, uri }: SourceOwner): string {
    const own = this.#folders.get(id);
    if (kind === 'run' && own !== undefined) return join(own, 'artifacts');
    const experiment = /\/(\d+)\/models\/[^/]+\/artifacts\/?$/.exec(uri)?.[1];
    const folder = experiment === undefined ? undefined : this.#folders.get(experiment);
    if (folder !== undefined) return join(folder, 'models', id, 'artifacts');
    if (uri.startsWith('file://')) return fileURLToPath(uri);
    if (uri.startsWith('/')) return uri;
    throw new SourceError(`the files of ${kind} ${id} are at ${uri || 'no place'}, which is not on this machine`);
  }

  #folderOf(id: string): string {
    return this.#folders.get(id) ?? join(this.#root, id);
  }
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
}

async function metaOf(folder: string, name = META): Promise<Meta | undefined> {
  const path = join(folder, name);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return parse(text) as Meta;
  } catch (error) {
    throw new SourceError(`${path} is no YAML: ${messageOf(error)}`);
  }
}

/** A trace, in the words of the version of MLflow that wrote it. */
async function traceIn(folder: string): Promise<SourceTrace | undefined> {
  const info = await metaOf(folder, 'trace_info.yaml');
  if (!info) return undefined;
  const tags = await pairsIn(join(folder, 'tags'));
  const metadata = await pairsIn(join(folder, 'request_metadata'));
  if (info['trace_id'] === undefined) {
    const times = {
      timestamp_ms: numberOf(info['timestamp_ms']),
      execution_time_ms: numberOf(info['execution_time_ms']),
    };
    const request_id = String(info['request_id']);
    const told = { request_id, ...defined(times), ...defined({ status: textOf(info['status']) }) };
    return traceOfV2({ ...told, tags, request_metadata: metadata });
  }
  const assessments: SourceAssessment[] = [];
  for (const { path } of await filesIn(join(folder, 'assessments'))) {
    const said = await metaOf(join(folder, 'assessments'), path);
    if (said) assessments.push(present<SourceAssessment>(said));
  }
  assessments.sort((a, b) => (a.create_time ?? '').localeCompare(b.create_time ?? ''));
  return { ...present<SourceTrace>(info), tags: textsOf(tags), trace_metadata: textsOf(metadata), assessments };
}

/** A message without the fields that say nothing. */
function present<T extends object>(meta: Meta): T {
  return Object.fromEntries(Object.entries(meta).filter(([, value]) => value !== null)) as T;
}

/** Files below a folder with their paths from there, by path. What is a link is left out: it may lead anywhere. */
async function filesIn(folder: string, below = ''): Promise<SourceFile[]> {
  const entries = await readdir(join(folder, below), { withFileTypes: true }).catch(() => []);
  const files: SourceFile[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) files.push(...(await filesIn(folder, path)));
    else if (entry.isFile()) files.push({ path, bytes: (await stat(join(folder, path))).size });
  }
  return files;
}

/** Params and tags: a file each, whose path is the key and whose text is the value. */
async function pairsIn(folder: string): Promise<Pair[]> {
  const files = await filesIn(folder);
  return Promise.all(files.map(async ({ path }) => ({ key: path, value: await readFile(join(folder, path), 'utf8') })));
}

async function pointsIn(path: string, key: string, of: 'run' | 'model' = 'run'): Promise<SourceMetric[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => {
    const point = metricLine(key, line, of);
    if (!point) throw new SourceError(`${path}: '${line.slice(0, 100)}' is no point of a metric`);
    return point;
  });
}

/** Of each metric the last line, which tells whether there is more than before. */
async function latestIn(folder: string): Promise<SourceMetric[]> {
  const latest: SourceMetric[] = [];
  for (const { path } of await filesIn(folder)) {
    const points = await pointsIn(join(folder, path), path);
    latest.push(...points.slice(-1));
  }
  return latest;
}

async function datasetsOf(experiment: string, run: string) {
  const found = [];
  for (const input of await foldersIn(join(run, 'inputs'))) {
    const meta = await metaOf(join(run, 'inputs', input));
    if (meta?.['source_type'] !== 'DATASET') continue;
    const dataset = await metaOf(join(experiment, 'datasets', String(meta['source_id'])));
    if (!dataset) continue;
    const part = (field: string) => defined({ [field]: textOf(dataset[field]) });
    const tags = Object.entries((meta['tags'] ?? {}) as Record<string, unknown>);
    found.push({
      tags: tags.map(([key, value]) => ({ key, value: String(value) })),
      dataset: {
        name: String(dataset['name']),
        digest: String(dataset['digest']),
        ...part('source_type'),
        ...part('source'),
        ...part('schema'),
        ...part('profile'),
      },
    });
  }
  return found;
}

/** The logged models among what a run was given or left. */
async function modelsOf(folder: string): Promise<{ readonly model_id: string; readonly step: number }[]> {
  const found = [];
  for (const name of await foldersIn(folder)) {
    const meta = await metaOf(join(folder, name));
    const kind = meta?.['destination_type'];
    if (kind !== 'MODEL_OUTPUT' && kind !== 'MODEL_INPUT') continue;
    const id = kind === 'MODEL_OUTPUT' ? meta?.['destination_id'] : meta?.['source_id'];
    found.push({ model_id: String(id), step: numberOf(meta?.['step']) ?? 0 });
  }
  return found;
}

function stampsOf(meta: Meta) {
  return {
    ...defined({ creation_timestamp: numberOf(meta['creation_timestamp']) }),
    ...defined({ last_updated_timestamp: numberOf(meta['last_updated_timestamp']) }),
    ...defined({ user_id: textOf(meta['user_id']) }),
  };
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function textOf(value: unknown): string | undefined {
  return value === null || value === undefined || value === '' ? undefined : String(value);
}

/** Without the fields that are not there. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
