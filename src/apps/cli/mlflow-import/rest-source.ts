import { Readable } from 'node:stream';
import { sleep, systemClock } from '#core/clock';
import { messageOf } from '#core/errors';
import {
  isPrompt,
  type MlflowSource,
  PROMPT_TAG,
  SourceError,
  type SourceExperiment,
  type SourceFile,
  type SourceLoggedModel,
  type SourceMetric,
  type SourceOwner,
  type SourceRegisteredModel,
  type SourceRun,
  type SourceTrace,
  type SourceTraceV2,
  type SourceUser,
  type SourceVersion,
  type SourceWebhook,
  traceOfV2,
} from './source.ts';

const PAGE = {
  experiments: 1_000,
  runs: 500,
  points: 10_000,
  loggedModels: 50,
  models: 100,
  versions: 1_000,
  traces: 100,
} as const;
const TRIES = 4;
const FIRST_PAUSE_MS = 500;
/** A page of this many runs with thousands of metrics takes a stock server its time. */
const ANSWER_WITHIN_MS = 300_000;

interface Asked {
  /** Of the API; 2 unless told. */
  readonly major?: 3;
  readonly method?: 'GET' | 'POST';
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly json?: Readonly<Record<string, unknown>>;
}

/**
 * A tracking server over MLflow's REST API, as 2.x and 3.x serve it.
 * `authorization` is the whole header, for a server that wants one.
 */
export class RestSource implements MlflowSource {
  readonly name: string;
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: string, authorization: string | undefined) {
    const { username, password, ...parts } = partsOf(url);
    const basic = username === '' ? undefined : `Basic ${btoa(`${username}:${password}`)}`;
    const header = authorization ?? basic;
    this.#url = parts.href;
    this.#headers = header === undefined ? {} : { authorization: header };
    this.name = parts.href;
  }

  async *experiments(): AsyncIterable<SourceExperiment> {
    const json = { max_results: PAGE.experiments, view_type: 'ALL', order_by: ['experiment_id ASC'] };
    yield* this.#paged<SourceExperiment>('experiments/search', 'experiments', { method: 'POST', json });
  }

  async *runs(experiment: string): AsyncIterable<SourceRun> {
    const json = {
      experiment_ids: [experiment],
      run_view_type: 'ALL',
      max_results: PAGE.runs,
      order_by: ['attributes.start_time ASC'],
    };
    yield* this.#paged<SourceRun>('runs/search', 'runs', { method: 'POST', json });
  }

  async *history(run: string, key: string): AsyncIterable<readonly SourceMetric[]> {
    const query = { run_id: run, metric_key: key, max_results: String(PAGE.points) };
    for await (const page of this.#pages('metrics/get-history', { query })) {
      yield (page['metrics'] ?? []) as readonly SourceMetric[];
    }
  }

  async *loggedModels(experiment: string): AsyncIterable<SourceLoggedModel> {
    const json = { experiment_ids: [experiment], max_results: PAGE.loggedModels };
    yield* this.#servedLater<SourceLoggedModel>('logged-models/search', 'models', { method: 'POST', json });
  }

  async *traces(experiment: string): AsyncIterable<SourceTrace> {
    const locations = [{ type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: experiment } }];
    const json = { locations, max_results: PAGE.traces, order_by: ['timestamp_ms ASC'] };
    try {
      yield* this.#paged<SourceTrace>('traces/search', 'traces', { method: 'POST', major: 3, json });
    } catch (error) {
      if (!(error instanceof NotServed)) throw error;
      yield* this.#tracesV2(experiment);
    }
  }

  async *#tracesV2(experiment: string): AsyncIterable<SourceTrace> {
    const query = { experiment_ids: experiment, max_results: String(PAGE.traces), order_by: 'timestamp_ms ASC' };
    for await (const trace of this.#servedLater<SourceTraceV2>('traces', 'traces', { query })) yield traceOfV2(trace);
  }

  async spans(trace: string): Promise<string | undefined> {
    const path = `/ajax-api/2.0/mlflow/get-trace-artifact?${new URLSearchParams({ request_id: trace })}`;
    try {
      return await (await this.#send(path, { method: 'GET' })).text();
    } catch (error) {
      if (error instanceof SourceError && error.message.includes('RESOURCE_DOES_NOT_EXIST')) return undefined;
      throw error;
    }
  }

  async users(): Promise<readonly SourceUser[] | undefined> {
    try {
      return (await this.#ask('users/list', {}))['users'] as readonly SourceUser[] | undefined;
    } catch (error) {
      if (error instanceof NotServed) return undefined;
      throw error;
    }
  }

  async *webhooks(): AsyncIterable<SourceWebhook> {
    yield* this.#servedLater<SourceWebhook>('webhooks', 'webhooks', {});
  }

  /** What earlier servers do not know: they say that there is no such address. */
  async *#servedLater<T>(path: string, field: string, asked: Asked): AsyncIterable<T> {
    try {
      yield* this.#paged<T>(path, field, asked);
    } catch (error) {
      if (!(error instanceof NotServed)) throw error;
    }
  }

  async *registeredModels(): AsyncIterable<SourceRegisteredModel> {
    for (const filter of ['', `tags.\`${PROMPT_TAG}\` = 'true'`]) {
      const query = { max_results: String(PAGE.models), filter: filter || undefined };
      for await (const page of this.#pages('registered-models/search', { query })) {
        const found = (page['registered_models'] ?? []) as readonly SourceRegisteredModel[];
        // A server that knows no prompts answers them among the models.
        yield* found.filter((model) => isPrompt(model) === (filter !== ''));
      }
    }
  }

  async versions(model: SourceRegisteredModel): Promise<readonly SourceVersion[]> {
    const quoted = model.name.includes("'") ? `"${model.name}"` : `'${model.name}'`;
    const prompts = isPrompt(model) ? ` AND tags.\`${PROMPT_TAG}\` = 'true'` : '';
    const query = { filter: `name = ${quoted}${prompts}`, max_results: String(PAGE.versions) };
    const versions: SourceVersion[] = [];
    for await (const one of this.#paged<SourceVersion>('model-versions/search', 'model_versions', { query })) {
      versions.push(one);
    }
    return versions.sort((a, b) => Number(a.version) - Number(b.version));
  }

  async *files(owner: SourceOwner): AsyncIterable<SourceFile> {
    yield* this.#filesBelow(owner, undefined);
  }

  async *#filesBelow(owner: SourceOwner, folder: string | undefined): AsyncIterable<SourceFile> {
    const [path, query] =
      owner.kind === 'run'
        ? (['artifacts/list', { run_id: owner.id, path: folder }] as const)
        : ([
            `logged-models/${encodeURIComponent(owner.id)}/artifacts/directories`,
            { artifact_directory_path: folder },
          ] as const);
    for await (const page of this.#pages(path, { query })) {
      const found = (page['files'] ?? []) as readonly { path: string; is_dir?: boolean; file_size?: number | string }[];
      for (const file of found) {
        if (file.is_dir === true) yield* this.#filesBelow(owner, file.path);
        else yield { path: file.path, bytes: file.file_size === undefined ? undefined : Number(file.file_size) };
      }
    }
  }

  async open(owner: SourceOwner, path: string): Promise<Readable> {
    const where =
      owner.kind === 'run'
        ? `/get-artifact?${new URLSearchParams({ run_uuid: owner.id, path })}`
        : `/ajax-api/2.0/mlflow/logged-models/${encodeURIComponent(owner.id)}/artifacts/files?` +
          `${new URLSearchParams({ artifact_file_path: path })}`;
    const response = await this.#send(where, { method: 'GET' });
    if (!response.body) throw new SourceError(`${this.name} sent nothing for ${path} of ${owner.kind} ${owner.id}`);
    return Readable.fromWeb(response.body);
  }

  async *#paged<T>(path: string, field: string, asked: Asked): AsyncIterable<T> {
    for await (const page of this.#pages(path, asked)) yield* (page[field] ?? []) as readonly T[];
  }

  async *#pages(path: string, asked: Asked): AsyncIterable<Readonly<Record<string, unknown>>> {
    for (let token: string | undefined; ; ) {
      const next = token === undefined ? {} : { page_token: token };
      const page = await this.#ask(path, {
        ...asked,
        ...(asked.json === undefined ? { query: { ...asked.query, ...next } } : { json: { ...asked.json, ...next } }),
      });
      yield page;
      const told = page['next_page_token'];
      if (typeof told !== 'string' || told === '') return;
      token = told;
    }
  }

  async #ask(
    path: string,
    { method = 'GET', major, query = {}, json }: Asked,
  ): Promise<Readonly<Record<string, unknown>>> {
    const sent = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const search = sent.length === 0 ? '' : `?${new URLSearchParams(sent)}`;
    const response = await this.#send(`/api/${major ?? 2}.0/mlflow/${path}${search}`, {
      method,
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      ...(json === undefined ? {} : { body: JSON.stringify(json), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch {
      throw new SourceError(`${this.name} answered ${path} with what is no JSON: ${text.slice(0, 200)}`);
    }
  }

  /** Sends again what failed on the way or on the server's side; a refusal is told at once. */
  async #send(path: string, init: RequestInit & { readonly method: string }) {
    let why = '';
    for (let attempt = 0; attempt < TRIES; attempt++) {
      if (attempt > 0) await sleep(systemClock, FIRST_PAUSE_MS * 2 ** (attempt - 1));
      try {
        const headers = { ...this.#headers, ...(init.headers as Readonly<Record<string, string>>) };
        const response = await fetch(`${this.#url}${path}`, { ...init, headers });
        if (response.ok) return response;
        why = `${response.status} ${wordsOf(await response.text())}`;
        if (response.status === 404 && !why.includes('RESOURCE_DOES_NOT_EXIST')) throw new NotServed(why);
        if (response.status === 401 || response.status === 403) {
          throw new SourceError(`${this.name} lets nobody in like this (${why}): see --source-credentials`);
        }
        if (response.status < 500 && response.status !== 429) throw new SourceError(`${this.name}${path}: ${why}`);
      } catch (error) {
        if (error instanceof SourceError) throw error;
        why = messageOf((error as { cause?: unknown }).cause ?? error);
      }
    }
    throw new SourceError(`${this.name}${path} failed ${TRIES} times: ${why}`);
  }
}

/** The server does not know the address. */
class NotServed extends SourceError {}

function partsOf(text: string): { readonly href: string; readonly username: string; readonly password: string } {
  const url = new URL(text);
  const [username, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  url.username = '';
  url.password = '';
  return { href: url.href.replace(/\/+$/, ''), username, password };
}

function wordsOf(text: string): string {
  try {
    const { error_code: code = '', message = '' } = JSON.parse(text) as { error_code?: string; message?: string };
    return `${code} ${message}`.trim().slice(0, 500);
  } catch {
    return text.slice(0, 200);
  }
}
