import { auditedCause, type Cause } from '#core/cause';
import type { Level } from '#platform/access';
import type { Page } from '#platform/contract';
import type { Context, Tx } from '#platform/db';
import { ArtifactService } from './artifacts/index.ts';
import {
  type Artifact,
  type Experiment,
  type FinalStatus,
  type LogBatch,
  logBatch,
  type RunDraft,
  type RunStatus,
  runDraft,
} from './contract.ts';
import { checked, trackingErrors } from './errors.ts';
import { finishing, type Metric, type MetricPoint, type Run } from './model.ts';
import { DEFAULT_PROJECT, projectOf } from './project.ts';
import { artifactLocationOf, artifactUriOf, type TrackingDeps } from './services/deps.ts';
import { ExperimentService } from './services/experiments.ts';
import { logMetrics } from './services/log-metrics.ts';
import { logInto } from './services/logging.ts';
import {
  type Asker,
  experimentsShownTo,
  isShownTo,
  requireActive,
  requireActiveExperiment,
  requireNamed,
  requireRun,
  requireWritable,
} from './services/require.ts';
import * as experiments from './store/experiments.ts';
import * as logged from './store/logged.ts';
import * as runs from './store/runs.ts';
import * as series from './store/series.ts';

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
  /** The files of runs, and of whatever else has files. */
  readonly artifacts: ArtifactService;
  readonly #deps: TrackingDeps;
  readonly #experiments: ExperimentService;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
    this.#experiments = new ExperimentService(deps);
    this.artifacts = new ArtifactService(deps);
  }

  /** The experiment of this name, made if there is none. Errors: `tracking/experiment-deleted`. */
  async ensureExperiment(context: Context, name: string): Promise<Experiment> {
    const project = projectOf(context);
    const known = await experiments.findExperiment(this.#deps.db.reader, { project, name });
    requireNamed(context, known);
    if (known) return requireActive(known);
    return this.#deps.db.react(context, (tx) => this.#ensureExperiment(tx, context, name));
  }

  /** Newest first; with `name`, only the experiment of this name, if it has the lifecycle. */
  async listExperiments(
    query: PageQuery & { readonly name?: string | undefined; readonly lifecycle: 'active' | 'deleted' },
    asker?: Asker,
  ): Promise<Page<Experiment>> {
    const { reader } = this.#deps.db;
    const project = asker && projectOf(asker);
    const ids = experimentsShownTo(asker);
    if (query.name !== undefined) {
      const found = await experiments.findExperiment(reader, { project: project ?? DEFAULT_PROJECT, name: query.name });
      return { items: found?.lifecycle === query.lifecycle && isShownTo(asker, found) ? [found] : [] };
    }
    const before = query.after === undefined ? undefined : integer(query.after);
    if (ids?.length === 0) return { items: [] };
    const items = await experiments.listExperiments(reader, {
      lifecycle: query.lifecycle,
      project,
      ids,
      before,
      limit: query.limit + 1,
    });
    return page(items, query.limit, (experiment) => experiment.id);
  }

  /** Deletes an experiment and its runs, so that they can be restored. Again, it changes nothing. */
  async deleteExperiment(context: Context, id: string): Promise<Experiment> {
    await this.#experiments.delete(context, id);
    return this.#experiments.get(context, id);
  }

  async restoreExperiment(context: Context, id: string): Promise<Experiment> {
    await this.#experiments.restore(context, id);
    return this.#experiments.get(context, id);
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
      if (known) {
        await requireRun(tx.db, context, { id, level: 'EDIT' });
        return requireSame(known, draft);
      }
      const experiment = await this.#ensureExperiment(tx, context, draft.experiment);
      const cause: Cause = draft.cause ?? { kind: 'user', id: context.actor.id, depth: 0 };
      await runs.insertRun(tx.db, {
        id,
        experiment: experiment.id,
        name: draft.name ?? id,
        startedBy: context.actor.id,
        startedAt: draft.startedAt ?? tx.now,
        source: draft.source,
        cause,
        userId: context.actor.id,
        artifactUri: artifactUriOf(experiment.artifactLocation, id),
      });
      await logged.putKeyed(tx.db, 'tracking_param', id, draft.params);
      await logged.putKeyed(tx.db, 'tracking_tag', id, draft.tags);
      tx.audit(subjectOf(id), { experiment: experiment.name, cause: auditedCause(cause) });
    });
    return this.getRun(id);
  }

  async getRun(id: string, asker?: Asker): Promise<Run> {
    await requireRun(this.#deps.db.reader, asker, { id, level: 'READ' });
    const run = await runs.findRun(this.#deps.db.reader, id);
    if (!run) throw trackingErrors['run-not-found'](`there is no run '${id}'`);
    return run;
  }

  /** Newest first. An experiment that does not exist has no runs. */
  async searchRuns(search: RunSearch, asker?: Asker): Promise<Page<Run>> {
    const { reader } = this.#deps.db;
    const project = asker && projectOf(asker);
    const shown = experimentsShownTo(asker);
    let experiment: string | undefined;
    if (search.experiment !== undefined) {
      const found =
        (await experiments.findExperiment(reader, { project: project ?? DEFAULT_PROJECT, name: search.experiment })) ??
        (await experiments.findExperiment(reader, { id: search.experiment }));
      if (!found || !isShownTo(asker, found)) return { items: [] };
      experiment = found.id;
    }
    if (experiment === undefined && shown?.length === 0) return { items: [] };
    const items = await runs.searchRuns(reader, {
      experiment,
      project,
      experiments: experiment === undefined ? shown : undefined,
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
        const state = await requireWritable(tx.db, context, run);
        await logMetrics(tx, [{ run: state, asker: context, metrics: points(tx.now) }]);
      });
      return sent;
    }
    await this.#deps.db.transact(context, async (tx) => {
      const state = await requireWritable(tx.db, context, run);
      await logInto(tx, context, state, { params, tags, metrics: points(tx.now) });
    });
    return sent;
  }

  async metricHistory(
    run: string,
    key: string,
    query: PageQuery & { readonly asker?: Asker },
  ): Promise<Page<MetricPoint>> {
    const { reader } = this.#deps.db;
    await requireRun(reader, query.asker, { id: run, level: 'READ' });
    const after = query.after === undefined ? undefined : pointCursor(query.after);
    const items = await series.metricHistory(reader, { run, key }, { order: 'step', after, limit: query.limit + 1 });
    return page(items, query.limit, (point) => `${point.step}:${point.timestamp}:${point.value}`);
  }

  /** Ends a run. Errors: `tracking/run-over` when it has ended with another status. */
  async finishRun(
    context: Context,
    run: string,
    end: { readonly status: FinalStatus; readonly endedAt?: number | undefined },
  ): Promise<Run> {
    await this.#deps.db.react(context, async (tx) => {
      const { status } = await requireWritable(tx.db, context, run);
      const change = finishing(status, end.status);
      if (change === 'refuse') throw trackingErrors['run-over'](`run '${run}' is ${status}, not ${end.status}`);
      if (change === 'nothing') return;
      await runs.updateRun(tx.db, run, { status: end.status, endedAt: end.endedAt ?? tx.now });
      tx.audit(subjectOf(run), { status: end.status });
    });
    return this.getRun(run);
  }

  async deleteRun(context: Context, run: string): Promise<Run> {
    await this.#deps.db.react(context, async (tx) => {
      const found = await requireRun(tx.db, context, { id: run, level: 'EDIT' });
      if (found.lifecycle === 'deleted') return;
      await runs.setRunDeleted(tx.db, run, tx.now);
      tx.audit(subjectOf(run));
    });
    return this.getRun(run);
  }

  /** Errors: `tracking/experiment-deleted`, as the run would otherwise be the only one of a deleted experiment. */
  async restoreRun(context: Context, run: string): Promise<Run> {
    await this.#deps.db.react(context, async (tx) => {
      const found = await requireRun(tx.db, context, { id: run, level: 'EDIT' });
      if (found.lifecycle === 'active') return;
      await requireActiveExperiment(tx.db, context, { id: found.experiment, level: 'EDIT' });
      await runs.setRunDeleted(tx.db, run, null);
      tx.audit(subjectOf(run));
    });
    return this.getRun(run);
  }

  /** Throws unless the asker has the level on the run's experiment. */
  async requireLevel(asker: Asker, run: string, level: Level): Promise<void> {
    await requireRun(this.#deps.db.reader, asker, { id: run, level });
  }

  /** Stores a file of a run, as {@link ArtifactService.put} does. */
  putArtifact(
    context: Context,
    target: { readonly run: string; readonly path: string },
    content: Uint8Array | AsyncIterable<Uint8Array>,
  ): Promise<Artifact> {
    return this.artifacts.put(context, { owner: { kind: 'run', id: target.run }, path: target.path }, content);
  }

  /** By path; with `folder`, only what lies below it. */
  listArtifacts(run: string, folder = ''): Promise<Artifact[]> {
    return this.artifacts.list({ owner: { kind: 'run', id: run }, path: folder });
  }

  getArtifact(run: string, path: string): Promise<Artifact> {
    return this.artifacts.find({ owner: { kind: 'run', id: run }, path });
  }

  async #ensureExperiment(tx: Tx, context: Context, name: string): Promise<Experiment> {
    const project = projectOf(context);
    const known = await experiments.findExperiment(tx.db, { project, name });
    requireNamed(context, known);
    if (known) return requireActive(known);
    const made = await experiments.insertExperiment(tx.db, {
      name,
      project,
      createdAt: tx.now,
      createdBy: context.actor.id,
      artifactLocation: artifactLocationOf(this.#deps),
    });
    tx.audit(`experiment/${made.id}`, { name });
    return made;
  }
}

function subjectOf(run: string): string {
  return `tracking-run/${run}`;
}

function requireSame(known: Run, draft: { experiment: string; source?: Run['source'] | undefined }): void {
  const { id, lifecycle, experiment, source } = known;
  if (lifecycle === 'deleted') throw trackingErrors['run-deleted'](`run '${id}' is deleted: restore it first`);
  const sameSource = source?.run === draft.source?.run && source?.step === draft.source?.step;
  if (experiment.name === draft.experiment && sameSource) return;
  throw trackingErrors['run-exists'](`run '${id}' exists in experiment '${experiment.name}', from another source`);
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
