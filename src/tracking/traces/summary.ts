import { NAMES, TRACE_LIMITS, type TraceState } from './model.ts';
import type { OtlpSpan } from './otlp.ts';
import { statusOf } from './otlp.ts';
import { attributeText, inputsOf, millisOf, outputsOf, usageOf } from './records.ts';

/** What the spans of a trace tell of it as a whole. */
export interface Summary {
  readonly requestedAt: number;
  /** When the last of these spans ended; undefined while none has. */
  readonly endedAt: number | undefined;
  /** Of the root, if it is among the spans. */
  readonly root:
    | {
        readonly name: string;
        readonly state: TraceState;
        readonly requestPreview: string | undefined;
        readonly responsePreview: string | undefined;
      }
    | undefined;
  readonly tags: ReadonlyMap<string, string>;
  readonly metadata: ReadonlyMap<string, string>;
}

const PREVIEW_LENGTH = 1_000;

/** Summarizes some spans of one trace: those of one request, or all. */
export function summaryOf(spans: readonly OtlpSpan[]): Summary {
  const starts = spans.map((span) => millisOf(span.startTimeUnixNano));
  const ends = spans.flatMap(({ endTimeUnixNano: end }) => (end === undefined ? [] : [millisOf(end)]));
  const root = spans.find((span) => span.parentSpanId === undefined);
  return {
    requestedAt: minOf(starts),
    endedAt: ends.length === 0 ? undefined : maxOf(ends),
    root: root && {
      name: root.name,
      state: stateOf(root),
      requestPreview: preview(inputsOf(root)),
      responsePreview: preview(outputsOf(root)),
    },
    tags: new Map(root ? tagsOf(root) : []),
    metadata: metadataOf(spans),
  };
}

function stateOf(root: OtlpSpan): TraceState {
  if (statusOf(root) === 'ERROR') return 'ERROR';
  return root.endTimeUnixNano === undefined ? 'IN_PROGRESS' : 'OK';
}

function preview(text: string | undefined): string | undefined {
  if (text === undefined || text.length <= PREVIEW_LENGTH) return text;
  return `${text.slice(0, PREVIEW_LENGTH - 3).toWellFormed()}...`;
}

/** Tags that an exporter carries along as attributes of the root. */
function tagsOf(root: OtlpSpan): [string, string][] {
  return root.attributes.flatMap(({ key }) => {
    if (!key.startsWith(NAMES.tagAttribute)) return [];
    const tag = key.slice(NAMES.tagAttribute.length);
    const value = attributeText(root, key) ?? '';
    const fits = tag !== '' && tag.length <= 250 && value.length <= TRACE_LIMITS.tagLength;
    return fits ? [[tag, value] as [string, string]] : [];
  });
}

function metadataOf(spans: readonly OtlpSpan[]): Map<string, string> {
  const metadata = new Map<string, string>();
  for (const [name, keys] of [
    [NAMES.session, ['session.id', 'gen_ai.conversation.id']],
    [NAMES.user, ['user.id', 'enduser.id']],
  ] as const) {
    const found = spans.flatMap((span) => keys.flatMap((key) => attributeText(span, key) ?? []))[0];
    if (found !== undefined) metadata.set(name, found.slice(0, 250));
  }
  const usage = totalUsage(spans);
  if (usage) metadata.set(NAMES.tokenUsage, JSON.stringify(usage));
  return metadata;
}

/**
 * The sum over spans, each counted once: libraries that sum up on a parent what its children used would be counted
 * twice, so what lies below a span that tells of usage is passed over.
 */
function totalUsage(spans: readonly OtlpSpan[]): Readonly<Record<string, number>> | undefined {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const told = new Map(
    spans.flatMap((span) => {
      const usage = usageOf(span);
      return usage ? [[span.spanId, usage] as const] : [];
    }),
  );
  const total: Record<string, number> = {};
  for (const [id, usage] of told) {
    if (hasAncestorIn(id, byId, told)) continue;
    for (const [key, count] of Object.entries(usage)) total[key] = (total[key] ?? 0) + count;
  }
  return told.size === 0 ? undefined : total;
}

function hasAncestorIn(id: string, spans: ReadonlyMap<string, OtlpSpan>, told: ReadonlyMap<string, unknown>): boolean {
  const seen = new Set([id]);
  let parent = spans.get(id)?.parentSpanId;
  while (parent !== undefined && !seen.has(parent)) {
    if (told.has(parent)) return true;
    seen.add(parent);
    parent = spans.get(parent)?.parentSpanId;
  }
  return false;
}

function minOf(values: readonly number[]): number {
  return values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
}

function maxOf(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
}
