import type { Context } from '#platform/db';
import type { Experiment } from '../contract.ts';
import { trackingErrors } from '../errors.ts';
import { projectOf } from '../project.ts';
import { type ExperimentSearch, searchExperiments } from '../store/experiment-search.ts';
import * as store from '../store/experiments.ts';
import type { FoundPage } from '../store/found.ts';
import { artifactLocationOf, type TrackingDeps } from './deps.ts';
import { accessOf, experimentsShownTo, requireActiveExperiment, requireExperiment } from './require.ts';

export interface TaggedExperiment extends Experiment {
  readonly tags: ReadonlyMap<string, string>;
}

export interface ExperimentDraft {
  readonly name: string;
  readonly artifactLocation?: string | undefined;
  readonly tags: readonly { readonly key: string; readonly value: string }[];
}

export const EXPERIMENT_TAGS_MAX = 1_000;

/** Experiments within the project of the caller. */
export class ExperimentService {
  readonly #deps: TrackingDeps;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
  }

  /** Errors: `tracking/experiment-exists`, also when the one of that name is deleted. */
  async create(context: Context, draft: ExperimentDraft): Promise<Experiment> {
    const project = projectOf(context);
    accessOf(context)?.requireProject('EDIT');
    return this.#deps.db.transact(context, async (tx) => {
      await requireFree(tx.db, project, draft.name);
      const place = draft.artifactLocation;
      const made = await store.insertExperiment(tx.db, {
        name: draft.name,
        project,
        createdAt: tx.now,
        createdBy: context.actor.id,
        artifactLocation: place === undefined ? artifactLocationOf(this.#deps) : () => place,
      });
      for (const tag of draft.tags) await store.putExperimentTag(tx.db, made.id, tag);
      tx.audit(subjectOf(made.id), { name: draft.name, tags: draft.tags.map(({ key }) => key) });
      return made;
    });
  }

  async get(context: Context, id: string): Promise<TaggedExperiment> {
    const { reader } = this.#deps.db;
    return this.#tagged(await requireExperiment(reader, context, { id, level: 'READ' }));
  }

  async byName(context: Context, name: string): Promise<TaggedExperiment> {
    const found = await store.findExperiment(this.#deps.db.reader, { project: projectOf(context), name });
    if (found) return this.get(context, found.id);
    throw trackingErrors['experiment-not-found'](`Could not find experiment with name '${name}'`);
  }

  async rename(context: Context, id: string, name: string): Promise<void> {
    const project = projectOf(context);
    await this.#deps.db.react(context, async (tx) => {
      const experiment = await requireActiveExperiment(tx.db, context, { id, level: 'MANAGE' });
      if (experiment.name === name) return;
      await requireFree(tx.db, project, name);
      await store.renameExperiment(tx.db, id, name, tx.now);
      tx.audit(subjectOf(id), { name, before: experiment.name });
    });
  }

  /** Deletes an experiment and its runs, so that they can be restored. Again, it changes nothing. */
  async delete(context: Context, id: string): Promise<void> {
    await this.#deps.db.react(context, async (tx) => {
      const experiment = await requireExperiment(tx.db, context, { id, level: 'MANAGE' });
      if (experiment.lifecycle === 'deleted') return;
      await store.deleteExperiment(tx.db, id, tx.now);
      tx.audit(subjectOf(id), { name: experiment.name });
    });
  }

  async restore(context: Context, id: string): Promise<void> {
    await this.#deps.db.react(context, async (tx) => {
      const experiment = await requireExperiment(tx.db, context, { id, level: 'MANAGE' });
      if (experiment.lifecycle === 'active') return;
      await store.restoreExperiment(tx.db, id, tx.now);
      tx.audit(subjectOf(id), { name: experiment.name });
    });
  }

  async setTag(context: Context, id: string, tag: { readonly key: string; readonly value: string }): Promise<void> {
    await this.#deps.db.transact(context, async (tx) => {
      await requireActiveExperiment(tx.db, context, { id, level: 'EDIT' });
      await store.putExperimentTag(tx.db, id, tag);
      const tags = (await store.experimentTags(tx.db, [id])).get(id);
      if ((tags?.size ?? 0) > EXPERIMENT_TAGS_MAX) {
        throw trackingErrors.limit(`experiment '${id}' would have more than ${EXPERIMENT_TAGS_MAX} tags`);
      }
      tx.audit(subjectOf(id), { tag: tag.key, value: tag.value });
    });
  }

  async deleteTag(context: Context, id: string, key: string): Promise<void> {
    await this.#deps.db.transact(context, async (tx) => {
      await requireActiveExperiment(tx.db, context, { id, level: 'EDIT' });
      if (!(await store.dropExperimentTag(tx.db, id, key))) {
        throw trackingErrors['tag-not-found'](`No tag with name: ${key} in experiment with id ${id}`);
      }
      tx.audit(subjectOf(id), { deletedTag: key });
    });
  }

  async search(
    context: Context,
    search: Omit<ExperimentSearch, 'project' | 'ids'>,
  ): Promise<FoundPage<TaggedExperiment>> {
    const { db } = this.#deps;
    const ids = experimentsShownTo(context);
    const found = await searchExperiments(db.reader, db.dialect, { ...search, project: projectOf(context), ids });
    const experiments = await store.experimentsOf(db.reader, found.items);
    const tags = await store.experimentTags(db.reader, found.items);
    const items = experiments.map((experiment) => ({ ...experiment, tags: tags.get(experiment.id) ?? new Map() }));
    return { items, next: found.next };
  }

  async #tagged(experiment: Experiment): Promise<TaggedExperiment> {
    const tags = await store.experimentTags(this.#deps.db.reader, [experiment.id]);
    return { ...experiment, tags: tags.get(experiment.id) ?? new Map() };
  }
}

function subjectOf(id: string): string {
  return `experiment/${id}`;
}

async function requireFree(
  db: Parameters<typeof store.findExperiment>[0],
  project: string,
  name: string,
): Promise<void> {
  const known = await store.findExperiment(db, { project, name });
  if (!known) return;
  const deleted = known.lifecycle === 'deleted' ? ' It is deleted: restore it, or choose another name.' : '';
  throw trackingErrors['experiment-exists'](`Experiment(name=${name}) already exists.${deleted}`);
}
