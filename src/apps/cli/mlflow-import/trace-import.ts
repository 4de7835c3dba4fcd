import { Readable } from 'node:stream';
import { digestOfJson } from '#core/hash';
import type { Json } from '#core/json';
import { inParallel } from './in-parallel.ts';
import { type SourceAssessment, SourceError, type SourceExperiment, type SourceTrace } from './source.ts';
import { type ImportTarget, sendFile } from './target.ts';
import type { ImportPlan, Place } from './tracking-import.ts';

/** What is sent of one trace; see the contract of the control plane. */
type Sent = NonNullable<Parameters<ImportTarget['kedge']['tracking']['importTrace']>[0]['body']>;

const SIZE_STATS = 'mlflow.trace.sizeStats';
/** What a server says of where it keeps a trace, which is told anew here. */
const SPANS_LOCATION = 'mlflow.trace.spansLocation';
const PLACES = ['mlflow.artifactLocation', SPANS_LOCATION];

/** Brings in the traces of an experiment, each whole: with its spans, tags, metadata and assessments. */
export async function importTraces(plan: ImportPlan, here: Place, experiment: SourceExperiment): Promise<void> {
  const { source, report, tell, parallel } = plan;
  await inParallel(source.traces(experiment.experiment_id), parallel, async (trace) => {
    report.traces.found += 1;
    await report.attempt(`trace ${trace.trace_id}`, () => importTrace(plan, here, trace));
    if (report.traces.found % 1_000 === 0)
      tell(`experiment '${experiment.name}': ${report.traces.found} traces so far`);
  });
}

async function importTrace({ source, target, report, dryRun }: ImportPlan, here: Place, trace: SourceTrace) {
  const digest = digestOfJson(JSON.parse(JSON.stringify({ ...trace, tags: tagsOf(trace) })) as Json);
  const before = await target.kedge.tracking.getTraceImport({ params: { id: trace.trace_id } });
  if (before.state === 'deleted' || before.digest === digest) {
    report.traces.same += 1;
    return;
  }
  if (!dryRun) {
    const announced = announcedSpans(trace);
    const spans = announced === 0 ? undefined : await source.spans(trace.trace_id);
    const listed = spans === undefined ? 0 : spansIn(spans);
    if (announced !== undefined && listed < announced) {
      throw new SourceError(`it has ${announced} spans, and the source gives ${listed} of them`);
    }
    // Clients of the version that wrote the file look for it, and know no other place of spans.
    if (spans !== undefined && here.folder && trace.tags?.[SPANS_LOCATION] !== 'TRACKING_STORE') {
      await sendFile(
        target,
        `${here.folder}/traces/${trace.trace_id}/artifacts/traces.json`,
        Readable.from([Buffer.from(spans)]),
      );
    }
    const body = { ...sentTrace(trace), source: source.name, experiment: here.id, digest };
    const kept = await target.kedge.tracking.importTrace({
      body: { ...body, ...(spans === undefined ? {} : { spans }) },
    });
    if (kept.spans < listed || kept.assessments < (trace.assessments?.length ?? 0)) {
      throw new SourceError(`of ${listed} spans ${kept.spans} were kept, and ${kept.assessments} assessments`);
    }
    report.spans += listed;
  }
  report.traces[before.state === 'none' ? 'made' : 'resumed'] += 1;
}

/** How many spans its client says that a trace has. */
function announcedSpans({ trace_metadata: metadata = {} }: SourceTrace): number | undefined {
  try {
    const told = (JSON.parse(metadata[SIZE_STATS] ?? '{}') as { num_spans?: unknown }).num_spans;
    return typeof told === 'number' ? told : undefined;
  } catch {
    return undefined;
  }
}

function spansIn(file: string): number {
  try {
    const { spans } = JSON.parse(file) as { spans?: unknown };
    if (Array.isArray(spans)) return spans.length;
  } catch {
    // Told below: what is no JSON has no spans either.
  }
  throw new SourceError('the file of its spans is not in a form that is known');
}

function tagsOf({ tags = {} }: SourceTrace): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).filter(([key]) => !PLACES.includes(key)));
}

function sentTrace(trace: SourceTrace) {
  const duration = durationMsOf(trace);
  return {
    id: trace.trace_id,
    requestedAt: millisOf(trace.request_time),
    state: trace.state ?? 'STATE_UNSPECIFIED',
    ...(duration === undefined ? {} : { durationMs: duration }),
    ...(trace.client_request_id ? { clientRequestId: trace.client_request_id } : {}),
    ...(trace.request_preview === undefined ? {} : { requestPreview: trace.request_preview }),
    ...(trace.response_preview === undefined ? {} : { responsePreview: trace.response_preview }),
    tags: tagsOf(trace),
    metadata: trace.trace_metadata ?? {},
    assessments: (trace.assessments ?? []).map(sentAssessment),
  };
}

function durationMsOf({ execution_duration: text, execution_duration_ms: ms }: SourceTrace): number | undefined {
  if (ms !== undefined) return Math.max(0, Math.round(ms));
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(text ?? '')?.[1];
  return seconds === undefined ? undefined : Math.round(Number(seconds) * 1_000);
}

function sentAssessment(said: SourceAssessment): NonNullable<Sent['assessments']>[number] {
  const { feedback, expectation, issue, source } = said;
  const error = feedback?.error ?? said.error;
  const createdAt = millisOf(said.create_time);
  return {
    id: said.assessment_id,
    name: said.assessment_name,
    kind: issue ? 'issue' : expectation ? 'expectation' : 'feedback',
    value: issue ? (issue.issue_name ?? '') : expectation ? expectedValue(expectation) : (feedback?.value ?? null),
    ...(error === undefined
      ? {}
      : {
          error: {
            code: error.error_code ?? '',
            ...(error.error_message === undefined ? {} : { message: error.error_message }),
            ...(error.stack_trace === undefined ? {} : { stack: error.stack_trace }),
          },
        }),
    ...(said.rationale === undefined ? {} : { rationale: said.rationale }),
    source: { type: sourceTypeOf(source?.source_type), id: source?.source_id ?? 'default' },
    ...(said.span_id ? { span: said.span_id } : {}),
    metadata: said.metadata ?? {},
    ...(said.overrides ? { overrides: said.overrides } : {}),
    valid: said.valid ?? true,
    createdAt,
    updatedAt: said.last_update_time === undefined ? createdAt : millisOf(said.last_update_time),
  };
}

const SOURCE_TYPES = ['HUMAN', 'LLM_JUDGE', 'AI_JUDGE', 'CODE'] as const;

function sourceTypeOf(told: string | undefined): (typeof SOURCE_TYPES)[number] | 'SOURCE_TYPE_UNSPECIFIED' {
  return SOURCE_TYPES.find((one) => one === told) ?? 'SOURCE_TYPE_UNSPECIFIED';
}

/** What is no plain value is a text of JSON in MLflow's messages. */
function expectedValue({ value, serialized_value: serialized }: NonNullable<SourceAssessment['expectation']>): unknown {
  return serialized === undefined ? (value ?? null) : JSON.parse(serialized.value);
}

function millisOf(time: string | number | undefined): number {
  const at = typeof time === 'number' ? time : Date.parse(time ?? '');
  return Number.isFinite(at) ? Math.floor(at) : 0;
}
