import {
  attributesAt,
  clean,
  type Encoding,
  listAt,
  normalSpan,
  objectOf,
  SpanRefusal,
} from '../../traces/normalize.ts';
import type { OtlpSpan } from '../../traces/otlp.ts';
import { otlpErrors } from './errors.ts';

/** As many as are taken of one export. */
const SPANS_MAX = 10_000;

interface Spans {
  readonly spans: readonly OtlpSpan[];
  readonly rejected: number;
  /** Why the first one was rejected. */
  readonly reason: string | undefined;
}

/** The spans of an export, each with the process and the library that it comes from. */
export function spansIn(request: Readonly<Record<string, unknown>>, encoding: Encoding): Spans {
  const spans: OtlpSpan[] = [];
  let rejected = 0;
  let reason: string | undefined;
  const sent = sentSpans(request, encoding);
  if (sent.length > SPANS_MAX) {
    rejected = sent.length - SPANS_MAX;
    reason = `an export has at most ${SPANS_MAX} spans`;
  }
  for (const { span, origin } of sent.slice(0, SPANS_MAX)) {
    try {
      spans.push({ ...normalSpan(span, encoding), ...origin });
    } catch (error) {
      if (!(error instanceof SpanRefusal)) throw error;
      rejected += 1;
      reason ??= error.message;
    }
  }
  return { spans, rejected, reason };
}

interface Sent {
  readonly span: unknown;
  readonly origin: Pick<OtlpSpan, 'resource' | 'scope'>;
}

/** Errors: `otlp/malformed` for what is wrong around the spans. */
function sentSpans(request: Readonly<Record<string, unknown>>, encoding: Encoding): Sent[] {
  const all = Number.POSITIVE_INFINITY;
  try {
    return listAt(request, 'resourceSpans', all).flatMap((ofResource) => {
      const raw = objectOf(ofResource, 'resourceSpans');
      const resource = attributesAt(objectOf(raw['resource'] ?? {}, 'resource'), encoding);
      return listAt(raw, 'scopeSpans', all).flatMap((ofScope) => {
        const { scope, ...rest } = objectOf(ofScope, 'scopeSpans');
        const origin = { ...(resource.length > 0 ? { resource } : {}), ...scopeOf(scope) };
        return listAt(rest, 'spans', all).map((span) => ({ span, origin }));
      });
    });
  } catch (error) {
    if (!(error instanceof SpanRefusal)) throw error;
    throw otlpErrors.malformed(error.message);
  }
}

function scopeOf(scope: unknown): Pick<OtlpSpan, 'scope'> {
  const { name, version } = objectOf(scope ?? {}, 'scope');
  if (typeof name !== 'string' || name === '') return {};
  const told = typeof version === 'string' && version !== '' ? { version: clean(version.slice(0, 250)) } : {};
  return { scope: { name: clean(name.slice(0, 1_000)), ...told } };
}
