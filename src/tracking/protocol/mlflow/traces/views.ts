import type { Assessment, AssessmentError, Trace, TraceWithSpans } from '../../../traces/model.ts';
import type { KeyValue, OtlpSpan } from '../../../traces/otlp.ts';
import { statusOf } from '../../../traces/otlp.ts';

/** What the services answer of traces, as MLflow's messages in protobuf's JSON mapping. */

export function sentTrace(trace: Trace): object {
  return {
    trace_id: trace.id,
    client_request_id: trace.clientRequestId,
    trace_location: { type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: trace.experiment } },
    request_preview: trace.requestPreview,
    response_preview: trace.responsePreview,
    request_time: sentTime(trace.requestedAt),
    execution_duration: trace.durationMs === undefined ? undefined : sentDuration(trace.durationMs),
    state: trace.state,
    trace_metadata: Object.fromEntries(trace.metadata),
    tags: Object.fromEntries(trace.tags),
    assessments: trace.assessments.map(sentAssessment),
  };
}

export function sentTraceWithSpans(trace: TraceWithSpans): object {
  return { trace_info: sentTrace(trace), spans: trace.content.map(sentSpan) };
}

/** A trace as clients before MLflow 3 know it. */
export function sentTraceV2(trace: Trace): object {
  const pairs = (map: ReadonlyMap<string, string>) => [...map].map(([key, value]) => ({ key, value }));
  return {
    request_id: trace.id,
    experiment_id: trace.experiment,
    timestamp_ms: trace.requestedAt,
    execution_time_ms: trace.durationMs,
    status: trace.state === 'STATE_UNSPECIFIED' ? 'TRACE_STATUS_UNSPECIFIED' : trace.state,
    request_metadata: pairs(trace.metadata),
    tags: pairs(trace.tags),
  };
}

export function sentAssessment(assessment: Assessment): object {
  const { kind, value } = assessment;
  return {
    assessment_id: assessment.id,
    assessment_name: assessment.name,
    trace_id: assessment.trace,
    span_id: assessment.span,
    source: { source_type: assessment.source.type, source_id: assessment.source.id },
    create_time: sentTime(assessment.createdAt),
    last_update_time: sentTime(assessment.updatedAt),
    ...(kind === 'feedback' ? { feedback: { value: value ?? undefined, error: sentError(assessment.error) } } : {}),
    ...(kind === 'expectation' ? { expectation: sentExpectation(value) } : {}),
    ...(kind === 'issue' ? { issue: { issue_name: value } } : {}),
    rationale: assessment.rationale,
    metadata: assessment.metadata,
    overrides: assessment.overrides,
    valid: assessment.valid,
  };
}

function sentError(error: AssessmentError | undefined): object | undefined {
  return error && { error_code: error.code, error_message: error.message, stack_trace: error.stack };
}

/** Whatever is no plain value is sent as text, because protobuf's values know no integers. */
function sentExpectation(value: unknown): object {
  if (typeof value !== 'object' || value === null) return { value };
  return { serialized_value: { serialization_format: 'JSON_FORMAT', value: JSON.stringify(value) } };
}

function sentTime(at: number): string {
  return new Date(at).toISOString();
}

function sentDuration(ms: number): string {
  return `${ms / 1_000}s`;
}

const CODES = { UNSET: 'STATUS_CODE_UNSET', OK: 'STATUS_CODE_OK', ERROR: 'STATUS_CODE_ERROR' } as const;

/** A span in protobuf's own mapping, which has ids in base64 where OTLP's has hexadecimal digits. */
function sentSpan(span: OtlpSpan): object {
  return {
    trace_id: base64(span.traceId),
    span_id: base64(span.spanId),
    parent_span_id: span.parentSpanId === undefined ? undefined : base64(span.parentSpanId),
    name: span.name,
    kind: span.kind,
    start_time_unix_nano: span.startTimeUnixNano,
    end_time_unix_nano: span.endTimeUnixNano,
    attributes: span.attributes.map(sentAttribute),
    events: span.events?.map((event) => ({
      time_unix_nano: event.timeUnixNano,
      name: event.name,
      attributes: event.attributes.map(sentAttribute),
    })),
    links: span.links?.map((link) => ({
      trace_id: base64(link.traceId),
      span_id: base64(link.spanId),
      attributes: link.attributes.map(sentAttribute),
    })),
    status: span.status && { code: CODES[statusOf(span)], message: span.status.message },
  };
}

function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}

/** The names of values are accepted in either case by every reader of protobuf's JSON. */
function sentAttribute({ key, value }: KeyValue): object {
  return { key, value };
}
