import type { z } from 'zod';
import { parsedOr } from '../shallow.ts';
import { type Assessment, NAMES, type Trace, type TraceWithSpans } from './model.ts';
import { attributeOf, type KeyValue, type OtlpSpan, plainValue, statusOf } from './otlp.ts';
import { INPUTS, OUTPUTS, typeOf } from './records.ts';
import type { spanDetailView, traceView, traceWithSpansView } from './shapes.ts';

type TraceView = z.output<typeof traceView>;
type TraceWithSpansView = z.output<typeof traceWithSpansView>;

export function viewOfTrace(trace: Trace): TraceView {
  return {
    id: trace.id,
    experiment: trace.experiment,
    name: trace.name ?? null,
    state: trace.state,
    requestedAt: trace.requestedAt,
    durationMs: trace.durationMs ?? null,
    requestPreview: trace.requestPreview ?? null,
    responsePreview: trace.responsePreview ?? null,
    clientRequestId: trace.clientRequestId ?? null,
    tokens: tokensOf(trace),
    tags: Object.fromEntries(trace.tags),
    metadata: Object.fromEntries(trace.metadata),
    assessments: trace.assessments.map(viewOfAssessment),
  };
}

function viewOfAssessment(assessment: Assessment): TraceView['assessments'][number] {
  const { error } = assessment;
  return {
    id: assessment.id,
    name: assessment.name,
    kind: assessment.kind,
    value: assessment.value,
    error: error === undefined ? null : [error.code, error.message].filter(Boolean).join(': '),
    rationale: assessment.rationale ?? null,
    source: assessment.source,
    span: assessment.span ?? null,
    valid: assessment.valid,
    createdAt: assessment.createdAt,
    updatedAt: assessment.updatedAt,
  };
}

/** The sum that clients, or the spans, tell of in metadata. */
function tokensOf({ metadata }: Trace): number | null {
  try {
    const usage = JSON.parse(metadata.get(NAMES.tokenUsage) ?? 'null') as { total_tokens?: unknown } | null;
    return typeof usage?.total_tokens === 'number' ? usage.total_tokens : null;
  } catch {
    return null;
  }
}

export function viewOfSpans(trace: TraceWithSpans): TraceWithSpansView {
  const start = startOf(trace);
  return { ...viewOfTrace(trace), spans: trace.content.map((span) => viewOfSpan(span, start)) };
}

/** When the first span of a trace began, in nanoseconds. */
function startOf({ content }: TraceWithSpans): bigint {
  return content.reduce(
    (first, { startTimeUnixNano }) => {
      const at = BigInt(startTimeUnixNano);
      return at < first ? at : first;
    },
    BigInt(content[0]?.startTimeUnixNano ?? 0),
  );
}

function viewOfSpan(span: OtlpSpan, start: bigint): TraceWithSpansView['spans'][number] {
  const { startTimeUnixNano: from, endTimeUnixNano: to } = span;
  return {
    id: span.spanId,
    parent: span.parentSpanId ?? null,
    name: span.name,
    type: typeOf(span),
    status: statusOf(span),
    startUs: microsAfter(from, start),
    durationUs: to === undefined ? null : microsAfter(to, BigInt(from)),
  };
}

function microsAfter(nanos: string, start: bigint): number {
  return Number(BigInt(nanos) - start) / 1_000;
}

/** Attributes that are shown by themselves, or that only say where the span is. */
const SHOWN_APART: readonly string[] = [...INPUTS, ...OUTPUTS, NAMES.spanType, 'mlflow.traceRequestId'];

export function viewOfSpanDetail(trace: TraceWithSpans, span: OtlpSpan): z.output<typeof spanDetailView> {
  const start = startOf(trace);
  return {
    ...viewOfSpan(span, start),
    message: span.status?.message ?? null,
    inputs: firstOf(span, INPUTS),
    outputs: firstOf(span, OUTPUTS),
    attributes: span.attributes.filter(({ key }) => !SHOWN_APART.includes(key)).map(viewOfAttribute),
    events: (span.events ?? []).map((event) => ({
      name: event.name,
      atUs: microsAfter(event.timeUnixNano, start),
      attributes: event.attributes.map(viewOfAttribute),
    })),
    links: (span.links ?? []).map(({ traceId, spanId }) => ({ trace: `tr-${traceId}`, span: spanId })),
    resource: (span.resource ?? []).map(viewOfAttribute),
  };
}

function viewOfAttribute({ key, value }: KeyValue) {
  return { key, value: plainValue(value) };
}

/** A text that is JSON, as other libraries write what went in and came out, is shown as what it stands for. */
function firstOf(span: OtlpSpan, keys: readonly string[]): unknown {
  const found = keys.map((key) => attributeOf(span, key)).find((value) => value !== undefined);
  if (!found) return undefined;
  const plain = plainValue(found);
  return typeof plain === 'string' && /^\s*[[{]/.test(plain) ? parsedOr(plain) : plain;
}
