import type { Cause } from '#core/cause';
import type { Page } from '#platform/contract';
import type { Context, Tx } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import type { BlobStore } from '#ports/blob-store';
import {
  type Artifact,
  artifactPathSchema,
  type Experiment,
  type FinalStatus,
  type LogBatch,
  logBatch,
  type RunDraft,
  type RunStatus,
  runDraft,
} from './contract.ts';
import { checked, trackingErrors } from './errors.ts';
import { finishing, type Metric, type MetricPoint, RUN_ARTIFACTS_MAX, RUN_KEYS_MAX, type Run } from './model.ts';
import * as artifacts from './store/artifacts.ts';
import * as experiments from './store/experiments.ts';
import * as logged from './store/logged.ts';
import * as runs from './store/runs.ts';

export interface TrackingDeps extends DomainDeps {
  readonly blobs: BlobStore;
}

export interface RunSearch {
  /** The id or the name of an experiment. */
  readonly experiment?: string | undefined;
  readonly status?: RunStatus | undefined;
  readonly sourceRun?: string | undefined;
  readonly lifecycle?: 'active' | 'deleted' | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

interface PageQuery {
  readonly after?: string | undefined;
  readonly limit: number;
}

export class TrackingService {
  readonly #deps: TrackingDeps;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
  }

  /** The experiment of this name, made if there is none. Errors: `tracking/experiment-deleted`. */
  async ensureExperiment(context: Context, name: string): Promise<Experiment> {
    const known = await experiments.findExperiment(this.#deps.db.reader, { name });
    if (known) return requireActive(known);
    return this.#deps.db.react(context, (tx) => ensureExperiment(tx, context, name));
  }

  /** Newest first; with `name`, only the experiment of this name, if it has the lifecycle. */
  async listExperiments(
    query: PageQuery & { readonly name?: string | undefined; readonly lifecycle: 'active' | 'deleted' },
  ): Promise<Page<Experiment>> {
    const { reader } = this.#deps.db;
    if (query.name !== undefined) {
      const found = await experiments.findExperiment(reader, { name: query.name });
      return { items: found?.lifecycle === query.lifecycle ? [found] : [] };
    }
    const before = query.after === undefined ? undefined : integer(query.after);
    const items = await experiments.listExperiments(reader, {
      lifecycle: query.lifecycle,
      before,
      limit: query.limit + 1,
    });
    return page(items, query.limit, (experiment) => experiment.id);
  }

  /** Deletes an experiment and its runs, so that they can be restored. Again, it changes nothing. */
  async deleteExperiment(context: Context, id: string): Promise<Experiment> {
    await this.#deps.db.react(context, async (tx) => {
      const experiment = await requireExperiment(tx, id);
      if (experiment.lifecycle === 'deleted') return;
      await experiments.deleteExperiment(tx.db, id, tx.now);
      tx.audit(`experiment/${id}`, { name: experiment.name });
    });
    return this.#experiment(id);
  }

  async restoreExperiment(context: Context, id: string): Promise<Experiment> {
    await this.#deps.db.react(context, async (tx) => {
      const experiment = await requireExperiment(tx, id);
      if (experiment.lifecycle === 'active') return;
      await experiments.restoreExperiment(tx.db, id);
      tx.audit(`experiment/${id}`, { name: experiment.name });
    });
    return this.#experiment(id);
  }

  /**
   * Starts a run. With `id`, the run that the same call made before is returned as it is now; a run of another
   * experiment or source under that id is `tracking/run-exists`, and a deleted one `tracking/run-deleted`.
   */
  async createRun(context: Context, input: RunDraft): Promise<Run> {
    const draft = checked(runDraft, input, 'run');
    const id = draft.id ?? this.#deps.system.ids.next('trk');
    await this.#deps.db.react(context, async (tx) => {
      const known = await runs.findRun(tx.db, id);
      if (known) return requireSame(known, draft);
      const experiment = await ensureExperiment(tx, context, draft.experiment);
      const cause: Cause = draft.cause ?? { kind: 'user', id: context.actor.id, depth: 0 };
      await runs.insertRun(tx.db, {
        id,
        experiment: experiment.id,
        name: draft.name ?? id,
        startedBy: context.actor.id,
        startedAt: draft.startedAt ?? tx.now,
        source: draft.source,
        cause,
      });
      await logged.putKeyed(tx.db, 'tracking_param', id, draft.params);
      await logged.putKeyed(tx.db, 'tracking_tag', id, draft.tags);
      tx.audit(subjectOf(id), { experiment: experiment.name, cause: { ...cause, at: cause.at ?? null } });
    });
    return this.getRun(id);
  }

  async getRun(id: string): Promise<Run> {
    const run = await runs.findRun(this.#deps.db.reader, id);
    if (!run) throw trackingErrors['run-not-found'](`there is no run '${id}'`);
    return run;
  }

  /** Newest first. An experiment that does not exist has no runs. */
  async searchRuns(search: RunSearch): Promise<Page<Run>> {
    const { reader } = this.#deps.db;
    let experiment: string | undefined;
    if (search.experiment !== undefined) {
      const found =
        (await experiments.findExperiment(reader, { name: search.experiment })) ??
        (await experiments.findExperiment(reader, { id: search.experiment }));
      if (!found) return { items: [] };
      experiment = found.id;
    }
    const items = await runs.searchRuns(reader, {
      experiment,
      status: search.status,
      sourceRun: search.sourceRun,
      lifecycle: search.lifecycle ?? 'active',
      after: search.after === undefined ? undefined : runCursor(search.after),
      limit: search.limit + 1,
    });
    return page(items, search.limit, (run) => `${run.startedAt}:${run.id}`);
  }

  /**
   * Logs a batch, all or nothing; returns how many of each were sent. A run that has ended may still be logged to.
   * Params and tags are audited; metrics alone are recorded traffic and are not.
   * Errors: `tracking/param-changed` when a param has another value, `tracking/limit`, `tracking/run-deleted`.
   */
  async log(
    context: Context,
    run: string,
    input: LogBatch,
  ): Promise<{ readonly params: number; readonly metrics: number; readonly tags: number }> {
    const { params, metrics, tags } = checked(logBatch, input, 'batch');
    const sent = { params: Object.keys(params).length, metrics: metrics.length, tags: Object.keys(tags).length };
    const points = (now: number): Metric[] => metrics.map((metric) => ({ timestamp: now, ...definedOf(metric) }));
    if (sent.params + sent.tags === 0) {
      await this.#deps.db.maintain(async (tx) => {
        await requireWritable(tx, run);
        await logged.appendMetrics(tx.db, run, points(tx.now));
      });
      return sent;
    }
    await this.#deps.db.transact(context, async (tx) => {
      await requireWritable(tx, run);
      await logParams(tx, run, params);
      await logged.putKeyed(tx.db, 'tracking_tag', run, tags);
      await requireRoom(tx, run, 'tracking_tag');
      await logged.appendMetrics(tx.db, run, points(tx.now));
      tx.audit(subjectOf(run), { params: Object.keys(params), tags: Object.keys(tags), metrics: sent.metrics });
    });
    return sent;
  }

  async metricHistory(run: string, key: string, query: PageQuery): Promise<Page<MetricPoint>> {
    await this.#requireRun(run);
    const items = await logged.metricHistory(
      this.#deps.db.reader,
      { run, key },
      { after: query.after === undefined ? undefined : pointCursor(query.after), limit: query.limit + 1 },
    );
    return page(items, query.limit, (point) => `${point.step}:${point.timestamp}:${point.value}`);
  }

  /** Ends a run. Errors: `tracking/run-over` when it has ended with another status. */
  async finishRun(
    context: Context,
    run: string,
    end: { readonly status: FinalStatus; readonly endedAt?: number | undefined },
  ): Promise<Run> {
    await this.#deps.db.react(context, async (tx) => {
      const { status } = await requireWritable(tx, run);
      const change = finishing(status, end.status);
      if (change === 'refuse') throw trackingErrors['run-over'](`run '${run}' is ${status}, not ${end.status}`);
      if (change === 'nothing') return;
      await runs.endRun(tx.db, run, end.status, end.endedAt ?? tx.now);
      tx.audit(subjectOf(run), { status: end.status });
    });
    return this.getRun(run);
  }

  async deleteRun(context: Context, run: string): Promise<Run> {
    await this.#deps.db.react(context, async (tx) => {
      const found = await requireRun(tx, run);
      if (found.lifecycle === 'deleted') return;
      await runs.setRunDeleted(tx.db, run, tx.now);
      tx.audit(subjectOf(run));
    });
    return this.getRun(run);
  }

  /** Errors: `tracking/experiment-deleted`, as the run would otherwise be the only one of a deleted experiment. */
  async restoreRun(context: Context, run: string): Promise<Run> {
    const { experiment } = await this.getRun(run);
    await this.#deps.db.react(context, async (tx) => {
      const found = await requireRun(tx, run);
      if (found.lifecycle === 'active') return;
      requireActive(await requireExperiment(tx, experiment.id));
      await runs.setRunDeleted(tx.db, run, null);
      tx.audit(subjectOf(run));
    });
    return this.getRun(run);
  }

  /**
   * Stores a file of a run in the blob store. The same path again replaces it; the content before stays in the store.
   * Errors: `tracking/invalid` for a path that leaves the run, `tracking/artifact-conflict` when a file stands where
   * the path needs a folder (or the reverse), `tracking/limit`, and those of the blob store.
   */
  async putArtifact(
    context: Context,
    target: { readonly run: string; readonly path: string },
    content: Uint8Array | AsyncIterable<Uint8Array>,
  ): Promise<Artifact> {
    const { db, blobs } = this.#deps;
    const path = checked(artifactPathSchema, target.path, 'path');
    // Refused before the bytes are taken; decided inside the transaction, because the run may be deleted meanwhile.
    await requireWritable({ db: db.reader }, target.run);
    const { digest, bytes } = await blobs.put(content);
    return db.transact(context, async (tx) => {
      await requireWritable(tx, target.run);
      const conflict = await artifacts.conflictingPath(tx.db, target.run, path);
      if (conflict !== undefined) {
        throw trackingErrors['artifact-conflict'](`'${path}' and '${conflict}' cannot both be files of one run`);
      }
      const artifact = { path, digest, bytes, createdAt: tx.now };
      await artifacts.putArtifact(tx.db, target.run, artifact);
      if ((await artifacts.countArtifacts(tx.db, target.run)) > RUN_ARTIFACTS_MAX) {
        throw trackingErrors.limit(`run '${target.run}' has ${RUN_ARTIFACTS_MAX} artifacts, which is the limit`);
      }
      tx.audit(subjectOf(target.run), { path, digest, bytes });
      return artifact;
    });
  }

  /** By path; with `folder`, only what lies below it. */
  async listArtifacts(run: string, folder?: string): Promise<Artifact[]> {
    await this.#requireRun(run);
    return artifacts.listArtifacts(this.#deps.db.reader, run, folder);
  }

  async getArtifact(run: string, path: string): Promise<Artifact> {
    await this.#requireRun(run);
    const artifact = await artifacts.findArtifact(this.#deps.db.reader, run, path);
    if (!artifact) throw trackingErrors['artifact-not-found'](`run '${run}' has no artifact '${path}'`);
    return artifact;
  }

  async #experiment(id: string): Promise<Experiment> {
    return requireExperiment({ db: this.#deps.db.reader }, id);
  }

  async #requireRun(id: string): Promise<void> {
    await requireRun({ db: this.#deps.db.reader }, id);
  }
}

type Reads = { readonly db: Parameters<typeof runs.findRun>[0] };

function subjectOf(run: string): string {
  return `tracking-run/${run}`;
}

async function ensureExperiment(tx: Tx, context: Context, name: string): Promise<Experiment> {
  const known = await experiments.findExperiment(tx.db, { name });
  if (known) return requireActive(known);
  const made = await experiments.insertExperiment(tx.db, { name, createdAt: tx.now, createdBy: context.actor.id });
  tx.audit(`experiment/${made.id}`, { name });
  return made;
}

function requireActive(experiment: Experiment): Experiment {
  if (experiment.lifecycle === 'active') return experiment;
  throw trackingErrors['experiment-deleted'](
    `experiment '${experiment.name}' is deleted: restore experiment ${experiment.id}, or choose another name`,
  );
}

async function requireExperiment({ db }: Reads, id: string): Promise<Experiment> {
  const found = await experiments.findExperiment(db, { id });
  if (!found) throw trackingErrors['experiment-not-found'](`there is no experiment '${id}'`);
  return found;
}

async function requireRun({ db }: Reads, id: string) {
  const found = await runs.findLifecycle(db, id);
  if (!found) throw trackingErrors['run-not-found'](`there is no run '${id}'`);
  return found;
}

async function requireWritable(reads: Reads, id: string) {
  const found = await requireRun(reads, id);
  if (found.lifecycle === 'deleted') throw trackingErrors['run-deleted'](`run '${id}' is deleted: restore it first`);
  return found;
}

function requireSame(known: Run, draft: { experiment: string; source?: Run['source'] | undefined }): void {
  const { id, lifecycle, experiment, source } = known;
  if (lifecycle === 'deleted') throw trackingErrors['run-deleted'](`run '${id}' is deleted: restore it first`);
  const sameSource = source?.run === draft.source?.run && source?.step === draft.source?.step;
  if (experiment.name === draft.experiment && sameSource) return;
  throw trackingErrors['run-exists'](`run '${id}' exists in experiment '${experiment.name}', from another source`);
}

async function logParams(tx: Tx, run: string, params: Readonly<Record<string, string>>): Promise<void> {
  const keys = Object.keys(params);
  if (keys.length === 0) return;
  const known = (await logged.keyedOf(tx.db, 'tracking_param', [run], keys)).get(run) ?? {};
  for (const [key, value] of Object.entries(params)) {
    const before = Object.hasOwn(known, key) ? known[key] : value;
    if (before === value) continue;
    throw trackingErrors['param-changed'](`param '${key}' of run '${run}' is '${before?.slice(0, 200)}' already`);
  }
  await logged.putKeyed(tx.db, 'tracking_param', run, params);
  await requireRoom(tx, run, 'tracking_param');
}

async function requireRoom(tx: Tx, run: string, table: 'tracking_param' | 'tracking_tag'): Promise<void> {
  if ((await logged.countKeyed(tx.db, table, run)) <= RUN_KEYS_MAX) return;
  const what = table === 'tracking_param' ? 'params' : 'tags';
  throw trackingErrors.limit(`run '${run}' would have more than ${RUN_KEYS_MAX} ${what}`);
}

function definedOf<T extends { timestamp?: number | undefined }>({ timestamp, ...rest }: T) {
  return timestamp === undefined ? rest : { ...rest, timestamp };
}

/** One item more than the page was read: when it is there, there is a next page. */
function page<T>(items: T[], limit: number, cursorOf: (last: T) => string): Page<T> {
  if (items.length <= limit) return { items };
  const shown = items.slice(0, limit);
  return { items: shown, next: cursorOf(shown[limit - 1] as T) };
}

function runCursor(text: string): { startedAt: number; id: string } {
  const [startedAt = '', id = ''] = text.split(/:(.*)/s);
  return { startedAt: integer(startedAt), id };
}

function pointCursor(text: string): MetricPoint {
  const [step = '', timestamp = '', value = ''] = text.split(':');
  const number = Number(value);
  if (value === '' || (Number.isNaN(number) && value !== 'NaN')) throw badCursor(text);
  return { step: integer(step), timestamp: integer(timestamp), value: number };
}

function integer(text: string): number {
  if (!/^-?\d{1,16}$/.test(text)) throw badCursor(text);
  return Number(text);
}

function badCursor(text: string): Error {
  return trackingErrors['invalid-cursor'](`after: '${text.slice(0, 100)}' is not the 'next' of a page before`);
}
