import type { Digest } from '#core/hash';
import type { Context, Tx } from '#platform/db';
import { trackingErrors } from '../errors.ts';
import { projectOf } from '../project.ts';
import { artifactLocationOf, artifactUriOf, type TrackingDeps } from '../services/deps.ts';
import { EXPERIMENT_TAGS_MAX } from '../services/experiments.ts';
import { RUN_DATASETS_MAX } from '../services/lineage.ts';
import { logInto } from '../services/logging.ts';
import { accessOf, requireExperiment, requireRun } from '../services/require.ts';
import * as experiments from '../store/experiments.ts';
import * as lineage from '../store/lineage.ts';
import { findModelState, insertModel } from '../store/models.ts';
import { findLifecycle, insertRun } from '../store/runs.ts';
import type { ImportedBatch, ImportedExperiment, ImportedModel, ImportedRun } from './contract.ts';
import { addToModel } from './models.ts';
import * as store from './store.ts';

export interface ImportState {
  readonly state: 'none' | 'open' | 'finished';
  readonly digest: Digest | null;
}

export interface Settled {
  readonly status?: 'scheduled' | 'running' | 'finished' | 'failed' | 'killed' | undefined;
  readonly endedAt?: number | undefined;
  readonly modelStatus?: 'UNSPECIFIED' | 'PENDING' | 'READY' | 'UPLOAD_FAILED' | undefined;
  readonly updatedAt?: number | undefined;
  readonly lifecycle: 'active' | 'deleted';
  readonly digest: Digest;
}

/**
 * Brings in what another server has, with the ids, times and authors that it has there. Only what was begun as an
 * import can be written to like this: nobody gives a run of this server another past. Every step can be repeated, and
 * then changes nothing, so that an import that was cut off goes on where it was.
 */
export class ImportService {
  readonly #deps: TrackingDeps;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
  }

  /** The experiment of this name, made if there is none; tags that it does not have yet are added. */
  async experiment(
    context: Context,
    draft: ImportedExperiment,
  ): Promise<{ readonly id: string; readonly made: boolean; readonly artifactLocation: string }> {
    requireImporter(context);
    const project = projectOf(context);
    return this.#deps.db.react(context, async (tx) => {
      const known = await experiments.findExperiment(tx.db, { project, name: draft.name });
      if (known?.lifecycle === 'deleted' && draft.lifecycle === 'active') {
        throw trackingErrors['experiment-deleted'](`the experiment '${draft.name}' is deleted here: restore it first`);
      }
      const { id, artifactLocation } = known ?? (await this.#insertExperiment(tx, context, draft));
      const before = (await experiments.experimentTags(tx.db, [id])).get(id) ?? new Map();
      const fresh = Object.entries(draft.tags).filter(([key]) => !before.has(key));
      if (before.size + fresh.length > EXPERIMENT_TAGS_MAX) {
        throw trackingErrors.limit(`experiment '${id}' would have more than ${EXPERIMENT_TAGS_MAX} tags`);
      }
      for (const [key, value] of fresh) await experiments.putExperimentTag(tx.db, id, { key, value });
      const detail = { name: draft.name, source: draft.source, tags: fresh.map(([key]) => key) };
      if (!known || fresh.length > 0) tx.audit(`experiment/${id}`, { ...detail, made: !known });
      return { id, made: !known, artifactLocation };
    });
  }

  async #insertExperiment(tx: Tx, context: Context, draft: ImportedExperiment) {
    const made = await experiments.insertExperiment(tx.db, {
      name: draft.name,
      project: projectOf(context),
      createdAt: draft.createdAt,
      createdBy: context.actor.id,
      artifactLocation: artifactLocationOf(this.#deps),
    });
    // When it was deleted its source does not say; what is kept for a while is kept for that long from now on.
    const deletedAt = draft.lifecycle === 'deleted' ? tx.now : null;
    await store.dateExperiment(tx.db, made.id, { updatedAt: draft.updatedAt, deletedAt });
    return made;
  }

  /** Errors: `tracking/run-exists` for a run of this id that was not brought in. */
  async run(context: Context, draft: ImportedRun): Promise<ImportState & { readonly made: boolean }> {
    requireImporter(context);
    const key = { kind: 'run', id: draft.id } as const;
    return this.#deps.db.react(context, async (tx) => {
      const known = await findLifecycle(tx.db, draft.id);
      if (known) {
        const mark = await store.findImport(tx.db, key);
        if (!mark || known.project !== projectOf(context) || known.experiment !== draft.experiment) {
          throw trackingErrors['run-exists'](`there is another run '${draft.id}', which was not brought in from there`);
        }
        return { ...stateOf(mark), made: false };
      }
      const experiment = await requireExperiment(tx.db, context, { id: draft.experiment, level: 'EDIT' });
      await insertRun(tx.db, {
        id: draft.id,
        experiment: experiment.id,
        name: draft.name,
        startedBy: context.actor.id,
        startedAt: draft.startedAt,
        source: undefined,
        cause: { kind: 'user', id: context.actor.id, depth: 0 },
        userId: draft.userId,
        artifactUri: artifactUriOf(experiment.artifactLocation, draft.id),
      });
      await store.insertImport(tx.db, key, { source: draft.source, at: tx.now });
      tx.audit(`tracking-run/${draft.id}`, { experiment: experiment.name, name: draft.name, source: draft.source });
      return { state: 'open', digest: null, made: true };
    });
  }

  /** Errors: `tracking/model-exists` for a logged model of this id that was not brought in. */
  async model(context: Context, draft: ImportedModel): Promise<ImportState & { readonly made: boolean }> {
    requireImporter(context);
    const key = { kind: 'model', id: draft.id } as const;
    return this.#deps.db.react(context, async (tx) => {
      const known = await findModelState(tx.db, draft.id);
      if (known) {
        const mark = await store.findImport(tx.db, key);
        if (!mark || known.project !== projectOf(context) || known.experiment !== draft.experiment) {
          throw trackingErrors['model-exists'](`there is another logged model '${draft.id}'`);
        }
        return { ...stateOf(mark), made: false };
      }
      const experiment = await requireExperiment(tx.db, context, { id: draft.experiment, level: 'EDIT' });
      await insertModel(tx.db, {
        id: draft.id,
        experiment: experiment.id,
        name: draft.name,
        artifactUri: `${experiment.artifactLocation.replace(/\/$/, '')}/models/${draft.id}/artifacts`,
        status: 'PENDING',
        modelType: draft.modelType,
        sourceRun: draft.sourceRun,
        createdBy: draft.author === '' ? context.actor.id : draft.author,
        createdAt: draft.createdAt,
      });
      await store.insertImport(tx.db, key, { source: draft.source, at: tx.now });
      tx.audit(`logged-model/${draft.id}`, { experiment: experiment.name, name: draft.name, source: draft.source });
      return { state: 'open', digest: null, made: true };
    });
  }

  /** Errors: `tracking/not-imported`, `tracking/param-changed`, `tracking/limit`. */
  async batch(context: Context, key: store.ImportKey, batch: ImportedBatch): Promise<void> {
    await this.#deps.db.transact(context, async (tx) => {
      await this.#requireImported(tx, context, key);
      if (key.kind === 'model') {
        await addToModel(tx, key.id, batch);
        return;
      }
      const run = await requireRun(tx.db, context, { id: key.id, level: 'EDIT' });
      const { params, tags, metrics } = batch;
      await logInto(tx, context, run, { params, tags, metrics });
      for (const { dataset, tags: of } of batch.datasets) {
        const id = await lineage.putDataset(tx.db, run.experiment, { id: this.#deps.system.ids.next('ds'), dataset });
        await lineage.putDatasetInput(tx.db, run.id, { dataset: id, tags: of });
      }
      if (batch.datasets.length > 0 && (await lineage.countDatasetInputs(tx.db, run.id)) > RUN_DATASETS_MAX) {
        throw trackingErrors.limit(`run '${run.id}' would have more than ${RUN_DATASETS_MAX} data sets`);
      }
      const inputs = batch.inputModels.map((model) => ({ model, step: 0 }));
      await lineage.putModelLinks(tx.db, { run: run.id, direction: 'input' }, inputs);
      await lineage.putModelLinks(tx.db, { run: run.id, direction: 'output' }, batch.outputModels);
    });
  }

  /** Errors: `tracking/not-imported`. */
  async finish(context: Context, key: store.ImportKey, settled: Settled): Promise<ImportState> {
    const { lifecycle, digest } = settled;
    await this.#deps.db.react(context, async (tx) => {
      const { mark, experiment, deleted } = await this.#requireImported(tx, context, key);
      if (mark.digest === digest) return;
      const deletedAt = lifecycle === 'active' ? null : tx.now;
      if (key.kind === 'run') {
        const status = settled.status ?? 'finished';
        const withExperiment = lifecycle === 'deleted' && experiment.lifecycle === 'deleted';
        await store.settleRun(tx.db, key.id, { status, endedAt: settled.endedAt ?? null, deletedAt, withExperiment });
      } else {
        const { modelStatus: status = 'READY', updatedAt = tx.now } = settled;
        await store.settleModel(tx.db, key.id, { status, updatedAt, deletedAt });
      }
      await store.finishImport(tx.db, key, { digest, at: tx.now });
      tx.audit(subjectOf(key), { finished: true, source: mark.source, lifecycle, wasDeleted: deleted });
    });
    return { state: 'finished', digest };
  }

  /** How far an import is, and whether there is something of it to read. */
  async state(context: Context, key: store.ImportKey): Promise<ImportState & { readonly readable: boolean }> {
    requireImporter(context);
    const { reader } = this.#deps.db;
    const found = key.kind === 'run' ? await findLifecycle(reader, key.id) : await findModelState(reader, key.id);
    const mark = found && found.project === projectOf(context) ? await store.findImport(reader, key) : undefined;
    if (!found || !mark) return { state: 'none', digest: null, readable: false };
    return { ...stateOf(mark), readable: key.kind === 'run' || found.lifecycle === 'active' };
  }

  async #requireImported(tx: Tx, context: Context, key: store.ImportKey) {
    requireImporter(context);
    const found = key.kind === 'run' ? await findLifecycle(tx.db, key.id) : await findModelState(tx.db, key.id);
    const mark = await store.findImport(tx.db, key);
    if (!found || !mark || found.project !== projectOf(context)) {
      throw trackingErrors['not-imported'](`no ${key.kind} '${key.id}' was brought in from another server`);
    }
    const experiment = await requireExperiment(tx.db, context, { id: found.experiment, level: 'EDIT' });
    return { mark, experiment, deleted: found.lifecycle === 'deleted' };
  }
}

/** The permission is the route's; in which project it may be used, a level there decides. */
function requireImporter(context: Context): void {
  accessOf(context)?.requireProject('EDIT');
}

function subjectOf({ kind, id }: store.ImportKey): string {
  return kind === 'run' ? `tracking-run/${id}` : `logged-model/${id}`;
}

function stateOf({ digest }: store.ImportMark): ImportState {
  return digest === null ? { state: 'open', digest: null } : { state: 'finished', digest: digest as Digest };
}
