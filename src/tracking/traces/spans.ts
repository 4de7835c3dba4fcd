import type { Context } from '#platform/db';
import { trackingErrors } from '../errors.ts';
import { projectOf } from '../project.ts';
import type { TrackingDeps } from '../services/deps.ts';
import { requireActiveExperiment, requireRun } from '../services/require.ts';
import type { Db } from '../store/tables.ts';
import { NAMES, TRACE_LIMITS, type TraceWithSpans, traceKey } from './model.ts';
import { SpanRefusal } from './normalize.ts';
import type { OtlpSpan } from './otlp.ts';
import { recordOf, type SpanRecord } from './records.ts';
import { newTrace, requireWritable, type TraceService } from './service.ts';
import { putSpans, spansOf, storedSizes } from './store/spans.ts';
import * as store from './store/traces.ts';
import { type Summary, summaryOf } from './summary.ts';

export interface SpanBatch {
  readonly experiment: string;
  readonly spans: readonly OtlpSpan[];
  /** A run that the traces belong to as well. */
  readonly run?: string | undefined;
}

/** Spans that were not taken, and why the first of them was not. */
export interface Rejected {
  readonly spans: number;
  readonly reason: string | undefined;
}

/** As much as is read of several traces in one answer. */
const READ_BYTES_MAX = 2 * TRACE_LIMITS.traceBytes;

/** The spans of traces, as programs send them while they run. */
export class SpanService {
  readonly #deps: TrackingDeps;
  readonly #traces: TraceService;

  constructor(deps: TrackingDeps, traces: TraceService) {
    this.#deps = deps;
    this.#traces = traces;
  }

  /**
   * Stores spans, those of a trace that is not known yet among them. A span that cannot be taken leaves the others
   * alone. The same span again replaces the one before. Errors: those of the experiment and of the run.
   */
  async log(context: Context, { experiment: id, spans, run }: SpanBatch): Promise<Rejected> {
    const rejected = new Rejections();
    const prepared = preparedSpans(spans, rejected);
    await this.#deps.db.maintain(async (tx) => {
      const experiment = await requireActiveExperiment(tx.db, context, { id, level: 'EDIT' });
      if (run !== undefined) await requireRun(tx.db, context, { id: run, level: 'EDIT' });
      const keys: string[] = [];
      for (const [trace, batch] of prepared) {
        const key = traceKey(projectOf(context), trace);
        const known = await store.findTrace(tx.db, key);
        try {
          if (known) await requireWritable(tx.db, context, known, id);
        } catch (error) {
          rejected.add(batch.length, (error as Error).message);
          continue;
        }
        const kept = await withinLimits(tx.db, { trace: key, known, batch }, rejected);
        if (kept.length === 0) continue;
        const row = known ?? {
          ...newTrace(tx, context, { id: trace, location: experiment.artifactLocation }),
          experiment: id,
          requested_at: summaryOf(kept.map(({ span }) => span)).requestedAt,
          state: 'IN_PROGRESS',
        };
        if (!known) await store.insertTrace(tx.db, row);
        await putSpans(
          tx.db,
          key,
          kept.map(({ record }) => record),
        );
        await tellOf(tx.db, row, kept);
        keys.push(key);
      }
      if (run !== undefined) await store.linkRun(tx.db, keys, run);
    });
    return rejected.told();
  }

  /**
   * Traces with their spans. One whose client says that it has more spans than have arrived is
   * `tracking/trace-incomplete`, unless what there is will do.
   */
  async read(
    context: Context,
    ids: readonly string[],
    options: { readonly experiments?: readonly string[] | undefined; readonly partial: boolean },
  ): Promise<TraceWithSpans[]> {
    const { reader } = this.#deps.db;
    const traces = await this.#traces.several(context, ids, options.experiments);
    const keys = traces.map(({ id }) => traceKey(projectOf(context), id));
    const bytes = await store.spanBytes(reader, keys);
    if (bytes > READ_BYTES_MAX && traces.length > 1) {
      throw trackingErrors.invalid(
        `the traces have ${bytes} bytes of spans, and at most ${READ_BYTES_MAX} are read at once: ask for fewer`,
      );
    }
    const spans = await spansOf(reader, keys);
    return traces.flatMap((trace, i) => {
      const content = spans.get(keys[i] ?? '') ?? [];
      if (options.partial || content.length >= announcedSpans(trace)) return [{ ...trace, content }];
      return [];
    });
  }
}

/** How many spans the client says that a trace has. */
function announcedSpans({ metadata }: TraceWithSpans | Awaited<ReturnType<TraceService['get']>>): number {
  try {
    const told = JSON.parse(metadata.get(NAMES.sizeStats) ?? '{}') as { num_spans?: unknown } | null;
    return typeof told?.num_spans === 'number' ? told.num_spans : 0;
  } catch {
    return 0;
  }
}

class Rejections {
  #spans = 0;
  #reason: string | undefined;

  add(spans: number, reason: string): void {
    this.#spans += spans;
    this.#reason ??= reason;
  }

  told(): Rejected {
    return { spans: this.#spans, reason: this.#reason };
  }
}

interface Prepared {
  readonly span: OtlpSpan;
  readonly record: SpanRecord;
}

/** The rows of the spans by trace, each span once: the last counts. */
function preparedSpans(spans: readonly OtlpSpan[], rejected: Rejections): Map<string, Prepared[]> {
  const byTrace = new Map<string, Map<string, Prepared>>();
  for (const span of spans) {
    try {
      const trace = `tr-${span.traceId}`;
      const of = byTrace.get(trace) ?? new Map<string, Prepared>();
      byTrace.set(trace, of.set(span.spanId, { span, record: recordOf(span) }));
    } catch (error) {
      if (!(error instanceof SpanRefusal)) throw error;
      rejected.add(1, error.message);
    }
  }
  return new Map([...byTrace].map(([trace, of]) => [trace, [...of.values()]]));
}

interface Kept extends Prepared {
  /** How many bytes the trace grows by it, and whether by a span. */
  readonly bytes: number;
  readonly isNew: boolean;
}

/** Those of the spans that the trace has room for. */
async function withinLimits(
  db: Db,
  of: { readonly trace: string; readonly known: store.TraceRow | undefined; readonly batch: readonly Prepared[] },
  rejected: Rejections,
): Promise<Kept[]> {
  const ids = of.batch.map(({ span }) => span.spanId);
  const stored = of.known ? await storedSizes(db, of.trace, ids) : new Map<string, number>();
  let [spans, bytes] = [of.known?.spans ?? 0, Number(of.known?.span_bytes ?? 0)];
  return of.batch.flatMap((prepared) => {
    const before = stored.get(prepared.span.spanId);
    const grown = Buffer.byteLength(prepared.record.content) - (before ?? 0);
    const isNew = before === undefined;
    if (isNew && spans >= TRACE_LIMITS.spans) {
      rejected.add(1, `a trace has at most ${TRACE_LIMITS.spans} spans`);
      return [];
    }
    if (bytes + grown > TRACE_LIMITS.traceBytes) {
      rejected.add(1, `the spans of a trace have at most ${TRACE_LIMITS.traceBytes} bytes`);
      return [];
    }
    bytes += grown;
    if (isNew) spans += 1;
    return [{ ...prepared, bytes: grown, isNew }];
  });
}

/** Updates what is told of a trace as a whole by its spans, for as long as its client has not told of it. */
async function tellOf(db: Db, row: store.TraceRow, kept: readonly Kept[]): Promise<void> {
  const counted = {
    spans: row.spans + kept.filter(({ isNew }) => isNew).length,
    span_bytes: Number(row.span_bytes) + kept.reduce((sum, { bytes }) => sum + bytes, 0),
  };
  if (row.reported === 1) {
    await store.updateTrace(db, row.key, counted);
    return;
  }
  const hasRoot = kept.some(({ span }) => span.parentSpanId === undefined) || row.state !== 'IN_PROGRESS';
  const spans = hasRoot ? ((await spansOf(db, [row.key])).get(row.key) ?? []) : kept.map(({ span }) => span);
  const summary = summaryOf(spans);
  await store.updateTrace(db, row.key, { ...counted, ...timesOf(row, summary), ...rootOf(row, summary) });
  await store.putTraceKeyed(db, 'tracking_trace_metadata', { trace: row.key, values: summary.metadata });
  const tags = [...summary.tags].filter(([key]) => !store.OWN_TAGS.includes(key));
  await store.putTraceKeyed(db, 'tracking_trace_tag', { trace: row.key, values: tags });
}

function timesOf(row: store.TraceRow, summary: Summary): Pick<store.TraceRow, 'requested_at' | 'duration'> {
  const start = Math.min(Number(row.requested_at), summary.requestedAt);
  const knownEnd = row.duration === null ? undefined : Number(row.requested_at) + Number(row.duration);
  const end = Math.max(knownEnd ?? start, summary.endedAt ?? start);
  const isEnded = knownEnd !== undefined || summary.endedAt !== undefined;
  return { requested_at: start, duration: isEnded ? end - start : null };
}

function rootOf(row: store.TraceRow, { root, tags }: Summary): Partial<store.TraceRow> {
  if (!root) return {};
  return {
    name: tags.get(NAMES.name) ?? root.name,
    state: root.state,
    request_preview: root.requestPreview ?? row.request_preview,
    response_preview: root.responsePreview ?? row.response_preview,
  };
}
