import type { Context } from '#platform/db';
import { trackingErrors } from '../errors.ts';
import type { FoundPage } from '../store/found.ts';
import { type ModelSearch, searchModels } from '../store/model-search.ts';
import * as store from '../store/models.ts';
import type { Db } from '../store/tables.ts';
import type { TrackingDeps } from './deps.ts';
import { requireActiveExperiment, requireRun, visibleExperiments } from './require.ts';
import { modelNotFound, requireModel } from './require-model.ts';
import { madeUpName } from './run-name.ts';
import { uuidOf } from './runs.ts';

export interface ModelDraft {
  readonly experiment: string;
  readonly name?: string | undefined;
  readonly modelType?: string | undefined;
  readonly sourceRun?: string | undefined;
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}

export const MODEL_KEYS_MAX = 5_000;

/** Logged models: what a run made, with its files, before anybody registers it. */
export class LoggedModelService {
  readonly #deps: TrackingDeps;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
  }

  /** The model is pending until its files are there and {@link finalize} says so. */
  async create(context: Context, draft: ModelDraft): Promise<store.LoggedModel> {
    const { db, system } = this.#deps;
    const id = `m-${uuidOf(system.ids.next('model'))}`;
    await db.transact(context, async (tx) => {
      const experiment = await requireActiveExperiment(tx.db, context, { id: draft.experiment, level: 'EDIT' });
      if (draft.sourceRun) await requireRun(tx.db, context, { id: draft.sourceRun, level: 'READ' });
      const name = draft.name || madeUpName(system.random);
      await store.insertModel(tx.db, {
        id,
        experiment: experiment.id,
        name,
        artifactUri: `${experiment.artifactLocation.replace(/\/$/, '')}/models/${id}/artifacts`,
        status: 'PENDING',
        modelType: draft.modelType,
        sourceRun: draft.sourceRun || undefined,
        createdBy: context.actor.id,
        createdAt: tx.now,
      });
      await store.putModelKeyed(tx.db, 'tracking_model_param', { model: id, values: draft.params });
      await store.putModelKeyed(tx.db, 'tracking_model_tag', { model: id, values: draft.tags });
      tx.audit(subjectOf(id), { experiment: experiment.name, name, sourceRun: draft.sourceRun ?? null });
    });
    return this.get(context, id);
  }

  /** Errors: `tracking/model-not-found`, also for one that is deleted. */
  async get(context: Context, id: string): Promise<store.LoggedModel> {
    const { reader } = this.#deps.db;
    await requireModel(reader, context, { id, level: 'READ' });
    const [model] = await store.modelsOf(reader, [id]);
    if (!model) throw modelNotFound(id);
    return model;
  }

  async finalize(context: Context, id: string, status: store.LoggedModelStatus): Promise<store.LoggedModel> {
    await this.#change(context, id, async (db, now) => {
      await store.updateModel(db, id, { status, at: now });
      return { status };
    });
    return this.get(context, id);
  }

  async delete(context: Context, id: string): Promise<void> {
    await this.#change(context, id, async (db, now) => {
      await store.updateModel(db, id, { deletedAt: now, at: now });
      return {};
    });
  }

  async setTags(context: Context, id: string, tags: Readonly<Record<string, string>>): Promise<store.LoggedModel> {
    await this.#change(context, id, async (db) => {
      await store.putModelKeyed(db, 'tracking_model_tag', { model: id, values: tags });
      await requireRoom(db, id, 'tracking_model_tag');
      return { tags: Object.keys(tags) };
    });
    return this.get(context, id);
  }

  async deleteTag(context: Context, id: string, key: string): Promise<void> {
    await this.#change(context, id, async (db) => {
      if (!(await store.dropModelTag(db, id, key))) {
        throw trackingErrors['tag-not-found'](`No tag with key ${key} found for model with ID ${id}.`);
      }
      return { deletedTag: key };
    });
  }

  /** Params keep their value, as those of runs. */
  async logParams(context: Context, id: string, params: Readonly<Record<string, string>>): Promise<void> {
    await this.#change(context, id, async (db) => {
      const known = (await store.modelKeyed(db, 'tracking_model_param', [id])).get(id);
      for (const [key, value] of Object.entries(params)) {
        const before = known?.get(key);
        if (before === undefined || before === value) continue;
        throw trackingErrors['param-changed'](
          `Changing param values is not allowed. Param with key='${key}' of logged model '${id}' has another value.`,
        );
      }
      await store.putModelKeyed(db, 'tracking_model_param', { model: id, values: params });
      await requireRoom(db, id, 'tracking_model_param');
      return { params: Object.keys(params) };
    });
  }

  async search(context: Context, search: ModelSearch): Promise<FoundPage<store.LoggedModel>> {
    const { db } = this.#deps;
    const experiments = await visibleExperiments(db.reader, context, search.experiments);
    if (experiments.length === 0) return { items: [], next: undefined };
    const page = await searchModels(db.reader, db.dialect, { ...search, experiments });
    return { items: await store.modelsOf(db.reader, page.items), next: page.next };
  }

  async #change(
    context: Context,
    id: string,
    change: (db: Db, now: number) => Promise<Readonly<Record<string, string | readonly string[]>>>,
  ): Promise<void> {
    await this.#deps.db.transact(context, async (tx) => {
      await requireModel(tx.db, context, { id, level: 'EDIT' });
      tx.audit(subjectOf(id), await change(tx.db, tx.now));
    });
  }
}

function subjectOf(id: string): string {
  return `logged-model/${id}`;
}

async function requireRoom(db: Db, id: string, table: 'tracking_model_param' | 'tracking_model_tag'): Promise<void> {
  const held = (await store.modelKeyed(db, table, [id])).get(id)?.size ?? 0;
  if (held <= MODEL_KEYS_MAX) return;
  const what = table === 'tracking_model_param' ? 'params' : 'tags';
  throw trackingErrors.limit(`logged model '${id}' would have more than ${MODEL_KEYS_MAX} ${what}`);
}
