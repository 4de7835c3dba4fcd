import type { Context, Tx } from '#platform/db';
import { trackingErrors } from '../errors.ts';
import { projectOf } from '../project.ts';
import type { Filter, Order } from '../search/index.ts';
import type { TrackingDeps } from '../services/deps.ts';
import { requireActiveExperiment, requireExperiment, requireRun, visibleExperiments } from '../services/require.ts';
import { uuidOf } from '../services/runs.ts';
import type { FoundPage } from '../store/found.ts';
import type { Db } from '../store/tables.ts';
import { type AssessmentDraft, addAssessment, newAssessmentId, subjectOf } from './assessments.ts';
import { removeTraces } from './delete.ts';
import { NAMES, TRACE_LIMITS, type Trace, type TraceState, traceKey } from './model.ts';
import { requireTrace, traceNotFound } from './require.ts';
import { findAssessment } from './store/assessments.ts';
import { countTraces, searchTraces } from './store/search.ts';
import * as store from './store/traces.ts';

export interface TraceDraft {
  readonly id: string;
  readonly experiment: string;
  readonly requestedAt: number;
  readonly durationMs?: number | undefined;
  readonly state: TraceState;
  readonly clientRequestId?: string | undefined;
  readonly requestPreview?: string | undefined;
  readonly responsePreview?: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly assessments: readonly AssessmentDraft[];
}

export interface TraceSearch {
  readonly experiments: readonly string[];
  readonly filter: Filter | undefined;
  readonly order: readonly Order[];
  readonly limit: number;
  readonly token: string | undefined;
}

/** Traces: what programs tell of each request that they worked on. They are recorded traffic, and so not audited. */
export class TraceService {
  readonly #deps: TrackingDeps;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
  }

  /**
   * Takes what a client tells of a trace as a whole, which it does when the trace has ended. Spans may have come
   * before; what is told here counts then. Telling it again changes nothing.
   * Errors: `tracking/trace-deleted`, and those of its experiment.
   */
  async start(context: Context, draft: TraceDraft): Promise<Trace> {
    await this.#deps.db.react(context, async (tx) => {
      const key = traceKey(projectOf(context), draft.id);
      const experiment = await requireActiveExperiment(tx.db, context, { id: draft.experiment, level: 'EDIT' });
      const known = await store.findTrace(tx.db, key);
      if (known) await requireWritable(tx.db, context, known, draft.experiment);
      const row = {
        experiment: experiment.id,
        name: draft.tags[NAMES.name] ?? known?.name ?? null,
        requested_at: draft.requestedAt,
        duration: draft.durationMs ?? null,
        state: draft.state,
        client_request_id: draft.clientRequestId ?? known?.client_request_id ?? null,
        request_preview: draft.requestPreview ?? known?.request_preview ?? null,
        response_preview: draft.responsePreview ?? known?.response_preview ?? null,
        reported: 1,
      };
      const location = experiment.artifactLocation;
      if (known) await store.updateTrace(tx.db, key, row);
      else await store.insertTrace(tx.db, { ...newTrace(tx, context, { id: draft.id, location }), ...row });
      await putKeyed(tx.db, key, draft);
      const told = await store.findTrace(tx.db, key);
      if (told) await this.#addAssessments(tx, { row: told, drafts: draft.assessments, by: context.actor.id });
    });
    return this.get(context, draft.id);
  }

  /** Begins a trace under an id that is made up here, as clients before MLflow 3 expect it. */
  async begin(context: Context, draft: Omit<TraceDraft, 'id' | 'assessments' | 'state'>): Promise<Trace> {
    const id = `tr-${uuidOf(this.#deps.system.ids.next('trace'))}`;
    return this.start(context, { ...draft, id, state: 'IN_PROGRESS', assessments: [] });
  }

  /** Ends a trace that was begun so. */
  async end(
    context: Context,
    id: string,
    end: { readonly endedAt: number; readonly state: TraceState } & Pick<TraceDraft, 'tags' | 'metadata'>,
  ): Promise<Trace> {
    await this.#deps.db.maintain(async (tx) => {
      const row = await requireTrace(tx.db, context, { id, level: 'EDIT' });
      await store.updateTrace(tx.db, row.key, {
        duration: Math.max(0, end.endedAt - Number(row.requested_at)),
        state: end.state,
        name: end.tags[NAMES.name] ?? row.name,
      });
      await putKeyed(tx.db, row.key, end);
    });
    return this.get(context, id);
  }

  async get(context: Context, id: string): Promise<Trace> {
    const { reader } = this.#deps.db;
    const row = await requireTrace(reader, context, { id, level: 'READ' });
    const [trace] = await store.tracesOf(reader, [row.key]);
    if (!trace) throw traceNotFound(id);
    return trace;
  }

  /** Those of the traces that are there for the asker to see, in the order of the ids. */
  async several(context: Context, ids: readonly string[], experiments?: readonly string[]): Promise<Trace[]> {
    const { reader } = this.#deps.db;
    const keys = [...new Set(ids)].map((id) => traceKey(projectOf(context), id));
    const found = await store.tracesOf(reader, keys);
    const visible = new Set(
      await visibleExperiments(
        reader,
        context,
        found.map(({ experiment }) => experiment),
      ),
    );
    return found.filter(
      ({ experiment }) => visible.has(experiment) && (experiments === undefined || experiments.includes(experiment)),
    );
  }

  async search(context: Context, search: TraceSearch): Promise<FoundPage<Trace>> {
    const { db } = this.#deps;
    const experiments = await visibleExperiments(db.reader, context, search.experiments);
    if (experiments.length === 0) return { items: [], next: undefined };
    const page = await searchTraces(db.reader, db.dialect, { ...search, experiments });
    return { items: await store.tracesOf(db.reader, page.items), next: page.next };
  }

  async count(context: Context, search: Pick<TraceSearch, 'experiments' | 'filter'>): Promise<number> {
    const { db } = this.#deps;
    const experiments = await visibleExperiments(db.reader, context, search.experiments);
    return experiments.length === 0 ? 0 : countTraces(db.reader, db.dialect, { ...search, experiments });
  }

  async setTag(context: Context, id: string, { key, value }: { readonly key: string; readonly value: string }) {
    await this.#deps.db.transact(context, async (tx) => {
      const row = await requireTrace(tx.db, context, { id, level: 'EDIT' });
      if (key === NAMES.name) await store.updateTrace(tx.db, row.key, { name: value });
      else if (store.OWN_TAGS.includes(key)) throw trackingErrors.invalid(`The tag '${key}' cannot be set`);
      else await store.putTraceKeyed(tx.db, 'tracking_trace_tag', { trace: row.key, values: [[key, value]] });
      await requireRoom(tx.db, row.key);
      tx.audit(subjectOf(row), { tag: key, value });
    });
  }

  async deleteTag(context: Context, id: string, key: string): Promise<void> {
    await this.#deps.db.transact(context, async (tx) => {
      const row = await requireTrace(tx.db, context, { id, level: 'EDIT' });
      const isName = key === NAMES.name && row.name !== null;
      if (isName) await store.updateTrace(tx.db, row.key, { name: null });
      else if (!(await store.dropTraceTag(tx.db, row.key, key))) {
        throw trackingErrors['tag-not-found'](`No trace tag with key '${key}' for trace with ID '${id}'`);
      }
      tx.audit(subjectOf(row), { deletedTag: key });
    });
  }

  /** Says that traces belong to a run as well. Traces that are not there are passed over, as MLflow does. */
  async linkToRun(context: Context, ids: readonly string[], run: string): Promise<void> {
    await this.#deps.db.maintain(async (tx) => {
      await requireRun(tx.db, context, { id: run, level: 'EDIT' });
      const rows = await Promise.all([...new Set(ids)].map((id) => findLinkable(tx.db, context, id)));
      await store.linkRun(
        tx.db,
        rows.flatMap((row) => (row ? [row.key] : [])),
        run,
      );
    });
  }

  async linkPrompts(
    context: Context,
    id: string,
    prompts: readonly { readonly name: string; readonly version: string }[],
  ): Promise<void> {
    await this.#deps.db.maintain(async (tx) => {
      const row = await requireTrace(tx.db, context, { id, level: 'EDIT' });
      await store.linkPrompts(tx.db, row.key, prompts);
    });
  }

  /** Removes traces of an experiment for ever, the oldest first; tells how many. Their ids are not used again. */
  async delete(
    context: Context,
    experiment: string,
    which: { readonly before?: number | undefined; readonly ids?: readonly string[] | undefined; readonly max: number },
  ): Promise<number> {
    await requireExperiment(this.#deps.db.reader, context, { id: experiment, level: 'EDIT' });
    return removeTraces(this.#deps.db, context, { experiment, ...which });
  }

  async #addAssessments(
    tx: Tx,
    made: { readonly row: store.TraceRow; readonly drafts: readonly AssessmentDraft[]; readonly by: string },
  ): Promise<void> {
    const { row, drafts, by } = made;
    for (const draft of drafts) {
      if (draft.id !== undefined && (await findAssessment(tx.db, row.key, draft.id))) continue;
      await addAssessment(tx, { row, draft, by, id: () => newAssessmentId(this.#deps.system.ids) });
    }
  }
}

/** The row of a trace of which nothing is known yet. */
export function newTrace(
  tx: Pick<Tx, 'now'>,
  context: Context,
  { id, location }: { readonly id: string; readonly location: string },
): Omit<store.TraceRow, 'experiment' | 'requested_at' | 'state'> {
  return {
    key: traceKey(projectOf(context), id),
    project: projectOf(context),
    id,
    name: null,
    duration: null,
    client_request_id: null,
    request_preview: null,
    response_preview: null,
    artifact_uri: `${location.replace(/\/$/, '')}/traces/${id}/artifacts`,
    spans: 0,
    span_bytes: 0,
    reported: 0,
    created_by: context.actor.id,
    created_at: tx.now,
    deleted_at: null,
  };
}

/** Throws unless the asker may tell of a trace that is known already, also where it was told of elsewhere. */
export async function requireWritable(
  db: Db,
  context: Context,
  known: store.TraceRow,
  experiment: string,
): Promise<void> {
  if (known.deleted_at !== null) {
    throw trackingErrors['trace-deleted'](`Trace with ID '${known.id}' was deleted, and its id is not used again.`);
  }
  if (known.experiment === experiment) return;
  await requireActiveExperiment(db, context, { id: known.experiment, level: 'EDIT' });
}

async function findLinkable(db: Db, context: Context, id: string): Promise<store.TraceRow | undefined> {
  const row = await store.findTrace(db, traceKey(projectOf(context), id));
  if (!row || row.deleted_at !== null) return undefined;
  await requireExperiment(db, context, { id: row.experiment, level: 'EDIT' });
  return row;
}

/** Writes tags and metadata, save those tags that are told from what is known. */
export async function putKeyed(
  db: Db,
  trace: string,
  { tags, metadata }: Pick<TraceDraft, 'tags' | 'metadata'>,
): Promise<void> {
  const own = [...store.OWN_TAGS, NAMES.linkedPrompts];
  const values = Object.entries(tags).filter(([key]) => !own.includes(key));
  await store.putTraceKeyed(db, 'tracking_trace_tag', { trace, values });
  await store.putTraceKeyed(db, 'tracking_trace_metadata', { trace, values: Object.entries(metadata) });
  await requireRoom(db, trace);
}

async function requireRoom(db: Db, trace: string): Promise<void> {
  for (const table of ['tracking_trace_tag', 'tracking_trace_metadata'] as const) {
    if ((await store.countTraceKeyed(db, table, trace)) <= TRACE_LIMITS.keys) continue;
    const what = table === 'tracking_trace_tag' ? 'tags' : 'keys of metadata';
    throw trackingErrors.limit(`the trace would have more than ${TRACE_LIMITS.keys} ${what}`);
  }
}
