import type { BlobStore } from '#ports/blob-store';
import type { ArtifactService } from '../artifacts/index.ts';
import { isShallow, parsedOr } from '../shallow.ts';
import type { Trace } from './model.ts';
import { TRACE_LIMITS } from './model.ts';
import { type AnyValue, anyValueOf, type KeyValue, type OtlpEvent, type OtlpLink, type OtlpSpan } from './otlp.ts';

/** Where clients before MLflow 3.4 keep the spans of a trace. */
const FILE = 'traces.json';

const LEVELS_MAX = 50;

type Raw = Readonly<Record<string, unknown>>;

/** The spans in the file of a trace; none where there is no such file, or what is in it is something else. */
export async function spansInFile(
  deps: { readonly artifacts: ArtifactService; readonly blobs: BlobStore },
  { experiment, id }: Pick<Trace, 'experiment' | 'id'>,
): Promise<OtlpSpan[]> {
  const place = { owner: { kind: 'trace', id: `${experiment}/${id}` } as const, path: '' };
  const file = (await deps.artifacts.list(place)).find(({ path }) => path === FILE);
  if (!file || file.bytes > TRACE_LIMITS.traceBytes) return [];
  const chunks: Uint8Array[] = [];
  for await (const chunk of await deps.blobs.get(file.digest)) chunks.push(chunk);
  return spansInText(Buffer.concat(chunks).toString('utf8'));
}

/** Reads both forms that MLflow has had of the file. A span that cannot be read is left out. */
export function spansInText(text: string): OtlpSpan[] {
  let file: unknown;
  try {
    file = JSON.parse(text, digitsOfNanos);
  } catch {
    return [];
  }
  const spans = objectOf(file)['spans'];
  if (!Array.isArray(spans)) return [];
  return spans.slice(0, TRACE_LIMITS.spans).flatMap((span) => spanOf(objectOf(span)) ?? []);
}

/** Nanoseconds are more than a number holds exactly, and are read as they are written. */
function digitsOfNanos(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' && !Number.isSafeInteger(value) && /^\d+$/.test(context?.source ?? '')
    ? context?.source
    : value;
}

function spanOf(raw: Raw): OtlpSpan | undefined {
  const context = objectOf(raw['context']);
  const spanId = idOf(raw['span_id'] ?? context['span_id'], 16);
  const start = nanosOf(raw['start_time_unix_nano'] ?? raw['start_time']);
  if (spanId === undefined || start === undefined) return undefined;
  const parent = idOf(raw['parent_span_id'] ?? raw['parent_id'], 16);
  const end = nanosOf(raw['end_time_unix_nano'] ?? raw['end_time']);
  const events = Array.isArray(raw['events']) ? raw['events'] : [];
  const links = Array.isArray(raw['links']) ? raw['links'] : [];
  return {
    traceId: idOf(raw['trace_id'] ?? context['trace_id'], 32) ?? '0'.repeat(32),
    spanId,
    ...(parent === undefined ? {} : { parentSpanId: parent }),
    name: String(raw['name'] ?? ''),
    startTimeUnixNano: start,
    ...(end === undefined ? {} : { endTimeUnixNano: end }),
    attributes: attributesOf(raw['attributes']),
    events: events.map((event) => eventOf(objectOf(event))),
    ...(links.length === 0 ? {} : { links: links.flatMap((link) => linkOf(objectOf(link)) ?? []) }),
    status: statusOf(raw),
  };
}

function statusOf(raw: Raw): { readonly code: number; readonly message?: string } {
  const status = objectOf(raw['status']);
  const code = String(status['code'] ?? raw['status_code'] ?? '');
  const message = status['message'] ?? raw['status_message'];
  return {
    code: code.endsWith('ERROR') ? 2 : code.endsWith('OK') ? 1 : 0,
    ...(typeof message === 'string' && message !== '' ? { message } : {}),
  };
}

/** Another trace is named by its id in MLflow, which begins with `tr-`. */
function linkOf(raw: Raw): OtlpLink | undefined {
  const told = String(raw['trace_id'] ?? '');
  const traceId = told.startsWith('tr-') ? told.slice('tr-'.length) : idOf(told, 32);
  const spanId = idOf(raw['span_id'], 16);
  if (traceId === undefined || !/^[0-9a-f]{32}$/.test(traceId) || spanId === undefined) return undefined;
  return { traceId, spanId, attributes: plainAttributesOf(raw['attributes']) };
}

function eventOf(raw: Raw): OtlpEvent {
  const attributes = plainAttributesOf(raw['attributes']);
  const timeUnixNano = nanosOf(raw['time_unix_nano'] ?? raw['timestamp']) ?? '0';
  return { timeUnixNano, name: String(raw['name'] ?? ''), attributes };
}

function plainAttributesOf(value: unknown): KeyValue[] {
  return Object.entries(objectOf(value)).map(([key, item]) => ({
    key,
    value: isShallow(item, LEVELS_MAX) ? anyValueOf(item) : {},
  }));
}

/** The value of each attribute is JSON within a text. */
function attributesOf(value: unknown): KeyValue[] {
  return Object.entries(objectOf(value)).map(([key, item]) => ({ key, value: valueOfText(item) }));
}

function valueOfText(item: unknown): AnyValue {
  const value = typeof item === 'string' ? parsedOr(item, LEVELS_MAX) : item;
  return isShallow(value, LEVELS_MAX) ? anyValueOf(value) : {};
}

/** An id in base64, or in hexadecimal digits, before which MLflow 2 has had `0x` and nothing. */
function idOf(value: unknown, digits: number): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  // The length tells them apart: one id of 4,096 in base64 begins with `0x` too.
  const written = value.length === digits + 2 && value.startsWith('0x') ? value.slice(2) : value;
  if (written.length === digits && /^[0-9a-f]+$/.test(written)) return written;
  const hex = Buffer.from(value, 'base64').toString('hex');
  return hex.length === digits ? hex : undefined;
}

function nanosOf(value: unknown): string | undefined {
  const text = typeof value === 'number' || typeof value === 'string' ? String(value) : '';
  return /^\d{1,19}$/.test(text) ? text : undefined;
}

function objectOf(value: unknown): Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : {};
}
