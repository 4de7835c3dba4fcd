import type { AnyValue, KeyValue, OtlpEvent, OtlpLink, OtlpSpan } from './otlp.ts';

const LIMITS = {
  nameLength: 1_000,
  keyLength: 1_000,
  attributes: 1_000,
  events: 5_000,
  links: 1_000,
  depth: 64,
} as const;

/** Says in words what is wrong with one span, which is then left out while others are kept. */
export class SpanRefusal extends Error {}

/** Where an exporter's encoding has ids and bytes: protobuf as bytes, JSON as hexadecimal digits and base64. */
export interface Encoding {
  id(value: unknown): string;
  bytes(value: unknown): string;
}

type Raw = Readonly<Record<string, unknown>>;

/** A span as it was decoded, in OTLP's names, checked against the limits. Throws {@link SpanRefusal}. */
export function normalSpan(decoded: unknown, encoding: Encoding): OtlpSpan {
  const raw = objectOf(decoded, 'span');
  const traceId = idOf(raw, 'traceId', encoding);
  const spanId = idOf(raw, 'spanId', encoding);
  const parent = encoding.id(raw['parentSpanId']);
  const name = textAt(raw, 'name', LIMITS.nameLength);
  const start = nanosAt(raw, 'startTimeUnixNano');
  if (start === '0') throw new SpanRefusal('startTimeUnixNano is missing');
  const end = nanosAt(raw, 'endTimeUnixNano');
  const kind = raw['kind'];
  return {
    traceId,
    spanId,
    ...(parent === '' || /^0+$/.test(parent) ? {} : { parentSpanId: checkedId(parent, 'parentSpanId') }),
    name,
    ...(typeof kind === 'number' && kind > 0 && kind < 6 ? { kind } : {}),
    startTimeUnixNano: start,
    ...(end === '0' ? {} : { endTimeUnixNano: end }),
    attributes: attributesAt(raw, encoding),
    events: listAt(raw, 'events', LIMITS.events).map((event) => eventOf(event, encoding)),
    links: listAt(raw, 'links', LIMITS.links).map((link) => linkOf(link, encoding)),
    ...statusAt(raw),
  };
}

/** The attributes of anything that has some, each key once: the last value counts. */
export function attributesAt(raw: Raw, encoding: Encoding): KeyValue[] {
  const entries = listAt(raw, 'attributes', LIMITS.attributes).map((entry) => keyValueOf(entry, encoding, 0));
  return [...new Map(entries.map((entry) => [entry.key, entry])).values()];
}

export function objectOf(value: unknown, name: string): Raw {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Raw;
  throw new SpanRefusal(`${name}: expected an object`);
}

export function listAt(raw: Raw, key: string, max: number): readonly unknown[] {
  const value = raw[key];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new SpanRefusal(`${key}: expected a list`);
  if (value.length > max) throw new SpanRefusal(`${key}: ${value.length}, and at most ${max} are taken`);
  return value;
}

function eventOf(value: unknown, encoding: Encoding): OtlpEvent {
  const raw = objectOf(value, 'events');
  const timeUnixNano = nanosAt(raw, 'timeUnixNano');
  return { timeUnixNano, name: textAt(raw, 'name', LIMITS.nameLength), attributes: attributesAt(raw, encoding) };
}

function linkOf(value: unknown, encoding: Encoding): OtlpLink {
  const raw = objectOf(value, 'links');
  const [traceId, spanId] = [idOf(raw, 'traceId', encoding), idOf(raw, 'spanId', encoding)];
  return { traceId, spanId, attributes: attributesAt(raw, encoding) };
}

function statusAt(raw: Raw): Pick<OtlpSpan, 'status'> {
  if (raw['status'] === undefined || raw['status'] === null) return {};
  const status = objectOf(raw['status'], 'status');
  const code = status['code'] ?? 0;
  if (code !== 0 && code !== 1 && code !== 2) throw new SpanRefusal('status.code: expected 0, 1 or 2');
  const message = textAt(status, 'message', 65_535);
  return { status: { code, ...(message === '' ? {} : { message }) } };
}

function keyValueOf(value: unknown, encoding: Encoding, depth: number): KeyValue {
  const raw = objectOf(value, 'attributes');
  return { key: textAt(raw, 'key', LIMITS.keyLength), value: checkedValue(raw['value'], encoding, depth) };
}

function checkedValue(value: unknown, encoding: Encoding, depth: number): AnyValue {
  if (depth > LIMITS.depth) throw new SpanRefusal(`a value is nested deeper than ${LIMITS.depth} levels`);
  if (value === undefined || value === null) return {};
  const raw = objectOf(value, 'value');
  const { stringValue, boolValue, intValue, doubleValue, bytesValue, arrayValue, kvlistValue } = raw;
  if (typeof stringValue === 'string') return { stringValue: clean(stringValue) };
  if (typeof boolValue === 'boolean') return { boolValue };
  if (intValue !== undefined && intValue !== null) return { intValue: integerOf(intValue) };
  if (doubleValue !== undefined && doubleValue !== null) return { doubleValue: doubleOf(doubleValue) };
  if (bytesValue !== undefined && bytesValue !== null) return { bytesValue: encoding.bytes(bytesValue) };
  if (arrayValue !== undefined && arrayValue !== null) {
    const items = listAt(objectOf(arrayValue, 'arrayValue'), 'values', Number.POSITIVE_INFINITY);
    return { arrayValue: { values: items.map((item) => checkedValue(item, encoding, depth + 1)) } };
  }
  if (kvlistValue !== undefined && kvlistValue !== null) {
    const items = listAt(objectOf(kvlistValue, 'kvlistValue'), 'values', Number.POSITIVE_INFINITY);
    return { kvlistValue: { values: items.map((item) => keyValueOf(item, encoding, depth + 1)) } };
  }
  return {};
}

function integerOf(value: unknown): string {
  const text = String(value);
  if (!/^-?\d{1,19}$/.test(text)) throw new SpanRefusal('intValue: expected an integer of 64 bits');
  return String(BigInt(text));
}

function doubleOf(value: unknown): Exclude<AnyValue['doubleValue'], undefined> {
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return value;
  if (typeof value !== 'number') throw new SpanRefusal('doubleValue: expected a number');
  return Number.isFinite(value) ? value : (String(value) as 'NaN');
}

function idOf(raw: Raw, key: 'traceId' | 'spanId', encoding: Encoding): string {
  return checkedId(encoding.id(raw[key]), key);
}

function checkedId(id: string, key: string): string {
  const digits = key === 'traceId' ? 32 : 16;
  if (id.length === digits && /^[0-9a-f]+$/.test(id) && !/^0+$/.test(id)) return id;
  throw new SpanRefusal(`${key}: expected ${digits / 2} bytes that are not all zero`);
}

/** Nanoseconds since 1970 as digits, `0` when they are not told. */
function nanosAt(raw: Raw, key: string): string {
  const value = raw[key] ?? '0';
  const text = String(value);
  if (!/^\d{1,19}$/.test(text)) throw new SpanRefusal(`${key}: expected nanoseconds since 1970`);
  return String(BigInt(text));
}

function textAt(raw: Raw, key: string, max: number): string {
  const value = raw[key] ?? '';
  if (typeof value !== 'string') throw new SpanRefusal(`${key}: expected a text`);
  if (value.length > max) throw new SpanRefusal(`${key}: longer than ${max} characters`);
  return clean(value);
}

/** Text without NUL and halves of characters, which not every database can store. */
export function clean(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}
