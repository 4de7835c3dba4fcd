import type { Digest } from '#core/hash';
import type { Context, Tx } from '#platform/db';
import { trackingErrors } from '../errors.ts';
import { projectOf } from '../project.ts';
import type { TrackingDeps } from '../services/deps.ts';
import { accessOf, requireExperiment } from '../services/require.ts';
import { parsedOr } from '../shallow.ts';
import type { Db } from '../store/tables.ts';
import { subjectOf } from '../traces/assessments.ts';
import { spansInText } from '../traces/file-spans.ts';
import { type Assessment, NAMES, TRACE_LIMITS, traceKey } from '../traces/model.ts';
import { SpanRefusal } from '../traces/normalize.ts';
import { recordOf, type SpanRecord } from '../traces/records.ts';
import { newTrace, putKeyed } from '../traces/service.ts';
import * as assessments from '../traces/store/assessments.ts';
import { putSpans } from '../traces/store/spans.ts';
import * as traces from '../traces/store/traces.ts';
import type { ImportedTrace } from './imported-trace.ts';
import * as store from './store.ts';

export interface TraceImportState {
  readonly state: 'none' | 'finished' | 'deleted';
  readonly digest: Digest | null;
  readonly spans: number;
  readonly assessments: number;
}

/** Brings in traces of another server, each whole in one transaction. */
export class TraceImportService {
  readonly #deps: TrackingDeps;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
  }

  /**
   * Writes what the source says of a trace, and answers what is here then. Said again, it changes nothing.
   * Errors: `tracking/trace-exists` for a trace of this id that was not brought in, `tracking/trace-deleted`,
   * `tracking/invalid` for a span that cannot be taken, `tracking/limit`, and those of the experiment.
   */
  async bring(context: Context, draft: ImportedTrace): Promise<TraceImportState> {
    accessOf(context)?.requireProject('EDIT');
    const records = recordsOf(draft);
    const key = traceKey(projectOf(context), draft.id);
    await this.#deps.db.react(context, async (tx) => {
      const experiment = await requireExperiment(tx.db, context, { id: draft.experiment, level: 'EDIT' });
      const known = await traces.findTrace(tx.db, key);
      const mark = await store.findImport(tx.db, { kind: 'trace', id: key });
      if (known) requireImported(known, mark, experiment.id);
      if (known && mark?.digest === draft.digest) return;
      const { id, artifactLocation: location } = experiment;
      const row = known ?? { ...newTrace(tx, context, { id: draft.id, location }), ...told(draft), experiment: id };
      if (known) await traces.updateTrace(tx.db, key, told(draft));
      else await traces.insertTrace(tx.db, row);
      await putKeyed(tx.db, key, draft);
      await traces.linkPrompts(tx.db, key, promptsOf(draft));
      await putSpans(tx.db, key, records);
      await traces.updateTrace(tx.db, key, sizesOf(records, known));
      for (const said of draft.assessments) await putAssessment(tx.db, { row, said, by: context.actor.id });
      if (!mark) await store.insertImport(tx.db, { kind: 'trace', id: key }, { source: draft.source, at: tx.now });
      await store.finishImport(tx.db, { kind: 'trace', id: key }, { digest: draft.digest, at: tx.now });
      auditBrought(tx, row, { draft, made: !known });
    });
    return this.state(context, draft.id);
  }

  /** What is here of a trace that was brought in. */
  async state(context: Context, id: string): Promise<TraceImportState> {
    accessOf(context)?.requireProject('EDIT');
    const { reader } = this.#deps.db;
    const key = traceKey(projectOf(context), id);
    const row = await traces.findTrace(reader, key);
    const mark = row && (await store.findImport(reader, { kind: 'trace', id: key }));
    if (!row || !mark) return { state: 'none', digest: null, spans: 0, assessments: 0 };
    return {
      state: row.deleted_at === null ? 'finished' : 'deleted',
      digest: mark.digest as Digest | null,
      spans: row.spans,
      assessments: (await assessments.assessmentPlace(reader, key)).held,
    };
  }
}

function requireImported(known: traces.TraceRow, mark: store.ImportMark | undefined, experiment: string): void {
  if (!mark || known.experiment !== experiment) {
    throw trackingErrors['trace-exists'](`there is another trace '${known.id}', which was not brought in from there`);
  }
  if (known.deleted_at !== null) throw trackingErrors['trace-deleted'](`trace '${known.id}' was deleted here`);
}

/** The rows of the spans. One that is left out would be missing without anybody being told. */
function recordsOf({ id, spans: file }: ImportedTrace): SpanRecord[] {
  if (file === undefined) return [];
  const spans = spansInText(file);
  const listed = (parsedOr(file, Number.POSITIVE_INFINITY) as { spans?: unknown } | undefined)?.spans;
  const count = Array.isArray(listed) ? listed.length : 0;
  if (!Array.isArray(listed) || count !== new Set(spans.map(({ spanId }) => spanId)).size) {
    throw trackingErrors.invalid(`trace '${id}': ${spans.length} of its ${count} spans can be read`);
  }
  try {
    return spans.map(recordOf);
  } catch (error) {
    if (!(error instanceof SpanRefusal)) throw error;
    throw trackingErrors.limit(`trace '${id}': ${error.message}`);
  }
}

function told(draft: ImportedTrace) {
  return {
    name: draft.tags[NAMES.name] ?? null,
    requested_at: draft.requestedAt,
    duration: draft.durationMs ?? null,
    state: draft.state,
    client_request_id: draft.clientRequestId ?? null,
    request_preview: draft.requestPreview ?? null,
    response_preview: draft.responsePreview ?? null,
    reported: 1,
  };
}

function sizesOf(records: readonly SpanRecord[], known: traces.TraceRow | undefined) {
  if (records.length === 0) return { spans: known?.spans ?? 0 };
  return {
    spans: records.length,
    span_bytes: records.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0),
  };
}

/** The versions of prompts that the tag of a trace names. */
function promptsOf({ tags }: ImportedTrace): { name: string; version: string }[] {
  const told = parsedOr(tags[NAMES.linkedPrompts] ?? '[]', 5);
  if (!Array.isArray(told)) return [];
  return told
    .slice(0, TRACE_LIMITS.linksInRequest)
    .flatMap((one: { name?: unknown; version?: unknown } | null) =>
      typeof one?.name === 'string' && one.version !== undefined
        ? [{ name: one.name.slice(0, 500), version: String(one.version).slice(0, 40) }]
        : [],
    );
}

/** Writes an assessment with the times and the validity that it has at its source. */
async function putAssessment(
  db: Db,
  of: { readonly row: traces.TraceRow; readonly said: ImportedTrace['assessments'][number]; readonly by: string },
): Promise<void> {
  const { row, said, by } = of;
  const assessment: Assessment = {
    ...said,
    trace: row.id,
    error: said.error && { message: undefined, stack: undefined, ...said.error },
    rationale: said.rationale,
    span: said.span,
    overrides: said.overrides,
  };
  if (await assessments.findAssessment(db, row.key, said.id)) {
    await assessments.updateAssessment(db, row.key, assessment);
    await assessments.setValid(db, row.key, said.id, said.valid);
    return;
  }
  const { next: position, held } = await assessments.assessmentPlace(db, row.key);
  if (held >= TRACE_LIMITS.assessments) {
    throw trackingErrors.limit(`trace '${row.id}' would have more than ${TRACE_LIMITS.assessments} assessments`);
  }
  await assessments.insertAssessment(db, row.key, { assessment, position, by });
}

function auditBrought(
  tx: Tx,
  row: traces.TraceRow,
  { draft, made }: { readonly draft: ImportedTrace; readonly made: boolean },
): void {
  tx.audit(subjectOf(row), { source: draft.source, made, state: draft.state });
}
