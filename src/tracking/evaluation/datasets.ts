import { digestOfJson } from '#core/hash';
import type { Context, Tx } from '#platform/db';
import { trackingErrors } from '../errors.ts';
import { projectOf } from '../project.ts';
import type { Filter, Order } from '../search/index.ts';
import type { TrackingDeps } from '../services/deps.ts';
import { accessOf, requireActiveExperiment } from '../services/require.ts';
import { uuidOf } from '../services/runs.ts';
import { keyValuesOf, pageToken } from '../store/filter/index.ts';
import type { FoundPage } from '../store/found.ts';
import type { Db } from '../store/tables.ts';
import {
  EVALUATION_LIMITS,
  type EvaluationDataset,
  type EvaluationRecord,
  merged,
  NO_SCHEMA,
  type RecordContent,
  schemaWith,
} from './model.ts';
import { datasetNotFound, requireDataset } from './require.ts';
import * as store from './store/datasets.ts';
import * as records from './store/records.ts';

/** The tag by which MLflow's clients say who they work for. */
const USER_TAG = 'mlflow.user';

export interface DatasetDraft {
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly experiments: readonly string[];
}

/** Evaluation data sets. They are declared, so every change of them is audited. */
export class EvaluationDatasetService {
  readonly #deps: TrackingDeps;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
  }

  async create(context: Context, draft: DatasetDraft): Promise<EvaluationDataset> {
    const { db, system } = this.#deps;
    const id = `d-${uuidOf(system.ids.next('dataset'))}`;
    await db.transact(context, async (tx) => {
      if (draft.experiments.length === 0) accessOf(context)?.requireProject('EDIT');
      await requireExperiments(tx.db, context, draft.experiments);
      const user = draft.tags[USER_TAG] ?? null;
      await store.insertDataset(tx.db, {
        id,
        project: projectOf(context),
        name: draft.name,
        schema: JSON.stringify(NO_SCHEMA),
        records: 0,
        last_position: 0,
        owner: context.actor.id,
        created_by: user,
        created_at: tx.now,
        updated_by: user,
        updated_at: tx.now,
        deleted_at: null,
      });
      await store.putDatasetTags(tx.db, id, draft.tags);
      await store.linkExperiments(tx.db, id, draft.experiments);
      tx.audit(subjectOf(id), { name: draft.name, experiments: [...draft.experiments] });
    });
    return this.get(context, id);
  }

  async get(context: Context, id: string): Promise<EvaluationDataset> {
    return requireDataset(this.#deps.db.reader, context, { id, level: 'READ' });
  }

  async search(
    context: Context,
    search: {
      readonly experiments: readonly string[] | undefined;
      readonly filter: Filter | undefined;
      readonly order: readonly Order[];
      readonly limit: number;
      readonly token: string | undefined;
    },
  ): Promise<FoundPage<EvaluationDataset>> {
    const { db } = this.#deps;
    const visible = accessOf(context)?.visible('experiment') ?? 'all';
    const project = projectOf(context);
    const page = await store.searchDatasets(db.reader, db.dialect, { ...search, project, visible });
    return { items: await store.datasetsOf(db.reader, page.items), next: page.next };
  }

  /** It is no longer there to be used; who used it when can still be told. */
  async delete(context: Context, id: string): Promise<void> {
    await this.#change(context, id, async (tx) => {
      await store.updateDataset(tx.db, id, { deleted_at: tx.now });
      return { deleted: true };
    });
  }

  async setTags(context: Context, id: string, tags: Readonly<Record<string, string>>): Promise<EvaluationDataset> {
    await this.#change(context, id, async (tx) => {
      await store.putDatasetTags(tx.db, id, tags);
      const [found] = await store.datasetsOf(tx.db, [id]);
      if ((found?.tags.size ?? 0) > EVALUATION_LIMITS.tags) {
        throw trackingErrors.limit(`an evaluation data set has at most ${EVALUATION_LIMITS.tags} tags`);
      }
      return { tags: Object.keys(tags) };
    });
    return this.get(context, id);
  }

  async deleteTag(context: Context, id: string, key: string): Promise<void> {
    await this.#change(context, id, async (tx) => {
      if (!(await store.dropDatasetTag(tx.db, id, key))) {
        throw trackingErrors['tag-not-found'](`No tag '${key}' of the evaluation dataset ${id}`);
      }
      return { deletedTag: key };
    });
  }

  async addExperiments(context: Context, id: string, experiments: readonly string[]): Promise<EvaluationDataset> {
    await this.#change(context, id, async (tx, known) => {
      await requireExperiments(tx.db, context, experiments);
      if (new Set([...known.experiments, ...experiments]).size > EVALUATION_LIMITS.experiments) {
        throw trackingErrors.limit(`a data set belongs to at most ${EVALUATION_LIMITS.experiments} experiments`);
      }
      await store.linkExperiments(tx.db, id, experiments);
      return { addedExperiments: [...experiments] };
    });
    return this.get(context, id);
  }

  async removeExperiments(context: Context, id: string, experiments: readonly string[]): Promise<EvaluationDataset> {
    let left: EvaluationDataset | undefined;
    await this.#change(context, id, async (tx) => {
      await store.unlinkExperiments(tx.db, id, experiments);
      [left] = await store.datasetsOf(tx.db, [id]);
      return { removedExperiments: [...experiments] };
    });
    if (!left) throw datasetNotFound(id);
    return left;
  }

  /** Adds records. One whose inputs are there already is added to instead; see {@link merged}. */
  async upsert(
    context: Context,
    id: string,
    sent: readonly RecordContent[],
  ): Promise<{ readonly inserted: number; readonly updated: number }> {
    const prepared = sent.map((content) => ({ content, digest: digestOfJson(content.inputs) }));
    const counts = { inserted: 0, updated: 0 };
    await this.#change(context, id, async (tx, known) => {
      const digests = prepared.map(({ digest }) => digest);
      const there = await records.recordsByDigest(tx.db, id, digests);
      let position = await store.lastPosition(tx.db, id);
      let schema = known.schema;
      let by: string | undefined;
      for (const { content, digest } of prepared) {
        const user = content.tags?.[USER_TAG];
        by = user ?? by;
        schema = schemaWith(schema, content);
        const before = there.get(digest);
        const text = sized(JSON.stringify(before ? merged(records.contentOf(before), content) : content));
        if (before) {
          const change = { ...text, updated_by: user ?? before.updated_by, updated_at: tx.now };
          await records.updateRecord(tx.db, before.id, change);
          there.set(digest, { ...before, ...change });
          counts.updated += 1;
          continue;
        }
        position += 1;
        const made = { created_by: user ?? null, created_at: tx.now, updated_by: user ?? null, updated_at: tx.now };
        const row = { dataset: id, id: this.#recordId(), position, digest, ...text, ...made };
        await records.insertRecord(tx.db, row);
        there.set(digest, row);
        counts.inserted += 1;
      }
      const held = known.records + counts.inserted;
      if (held > EVALUATION_LIMITS.records) {
        throw trackingErrors.limit(`an evaluation data set has at most ${EVALUATION_LIMITS.records} records`);
      }
      const told = { schema: JSON.stringify(schema), records: held, last_position: position };
      await store.updateDataset(tx.db, id, { ...told, updated_by: by ?? known.updatedBy ?? null, updated_at: tx.now });
      return { ...counts };
    });
    return counts;
  }

  async records(
    context: Context,
    id: string,
    page: { readonly limit: number; readonly token: string | undefined },
  ): Promise<FoundPage<EvaluationRecord>> {
    const { reader } = this.#deps.db;
    await this.get(context, id);
    const bound = { recordsOf: id };
    const [after = 0] = page.token === undefined ? [] : keyValuesOf(page.token, bound, ['integer']);
    const { pageBytes: bytesMax } = EVALUATION_LIMITS;
    const found = await records.recordsAfter(reader, id, { after: Number(after), limit: page.limit, bytesMax });
    const next = found.more && found.last !== undefined ? pageToken(bound, [found.last]) : undefined;
    return { items: found.records, next };
  }

  /** Removes records; tells how many there were. */
  async deleteRecords(context: Context, id: string, ids: readonly string[]): Promise<number> {
    let removed = 0;
    await this.#change(context, id, async (tx, known) => {
      removed = await records.dropRecords(tx.db, id, ids);
      await store.updateDataset(tx.db, id, { records: known.records - removed, updated_at: tx.now });
      return { deletedRecords: [...ids].slice(0, 100), removed };
    });
    return removed;
  }

  #recordId(): string {
    return `dr-${uuidOf(this.#deps.system.ids.next('record'))}`;
  }

  async #change(
    context: Context,
    id: string,
    change: (
      tx: Tx,
      known: EvaluationDataset,
    ) => Promise<Readonly<Record<string, string | number | boolean | readonly string[]>>>,
  ): Promise<void> {
    await this.#deps.db.transact(context, async (tx) => {
      const known = await requireDataset(tx.db, context, { id, level: 'EDIT' });
      tx.audit(subjectOf(id), await change(tx, known));
    });
  }
}

function subjectOf(id: string): string {
  return `evaluation-dataset/${id}`;
}

async function requireExperiments(db: Db, context: Context, experiments: readonly string[]): Promise<void> {
  for (const id of experiments) await requireActiveExperiment(db, context, { id, level: 'EDIT' });
}

function sized(content: string): { readonly content: string; readonly bytes: number } {
  const bytes = Buffer.byteLength(content);
  if (bytes <= EVALUATION_LIMITS.recordBytes) return { content, bytes };
  throw trackingErrors.invalid(`a record has ${bytes} bytes, and at most ${EVALUATION_LIMITS.recordBytes} are taken`);
}
