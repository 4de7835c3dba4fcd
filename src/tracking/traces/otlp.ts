/**
 * Spans as OTLP writes them in JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
 * Ids are lower-case hexadecimal digits, 64-bit integers are decimal digits, and times are nanoseconds since 1970.
 */
export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind?: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano?: string;
  readonly attributes: readonly KeyValue[];
  readonly events?: readonly OtlpEvent[];
  readonly links?: readonly OtlpLink[];
  readonly status?: { readonly code: number; readonly message?: string };
  /** Attributes of the process that sent the span. OTLP has them beside the spans, and they are kept with each. */
  readonly resource?: readonly KeyValue[];
  /** The library that made the span. */
  readonly scope?: { readonly name: string; readonly version?: string };
}

export interface OtlpEvent {
  readonly timeUnixNano: string;
  readonly name: string;
  readonly attributes: readonly KeyValue[];
}

export interface OtlpLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: readonly KeyValue[];
}

export interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

/** One of these, or none for null. A double that JSON has no number for is its name. */
export interface AnyValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string;
  readonly doubleValue?: number | 'NaN' | 'Infinity' | '-Infinity';
  readonly bytesValue?: string;
  readonly arrayValue?: { readonly values: readonly AnyValue[] };
  readonly kvlistValue?: { readonly values: readonly KeyValue[] };
}

export const SPAN_STATUS = ['UNSET', 'OK', 'ERROR'] as const;
export type SpanStatus = (typeof SPAN_STATUS)[number];

export function statusOf(span: OtlpSpan): SpanStatus {
  return SPAN_STATUS[span.status?.code ?? 0] ?? 'UNSET';
}

export function attributeOf(span: OtlpSpan, key: string): AnyValue | undefined {
  return span.attributes.find((attribute) => attribute.key === key)?.value;
}

/** An attribute as a plain value of JSON. Integers beyond what JSON's numbers hold exactly stay digits. */
export function plainValue(value: AnyValue): unknown {
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.doubleValue !== undefined) return value.doubleValue;
  if (value.bytesValue !== undefined) return value.bytesValue;
  if (value.arrayValue) return value.arrayValue.values.map(plainValue);
  if (value.kvlistValue) {
    return Object.fromEntries(value.kvlistValue.values.map((entry) => [entry.key, plainValue(entry.value)]));
  }
  if (value.intValue === undefined) return null;
  const number = Number(value.intValue);
  return Number.isSafeInteger(number) ? number : value.intValue;
}

/** A plain value of JSON as an attribute. */
export function anyValueOf(value: unknown): AnyValue {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  }
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValueOf) } };
  if (typeof value !== 'object' || value === null) return {};
  const values = Object.entries(value).map(([key, item]) => ({ key, value: anyValueOf(item) }));
  return { kvlistValue: { values } };
}

/** A value as people read it and as searches compare it: a text as it is, anything else as JSON. */
export function textOf(value: AnyValue): string {
  const plain = plainValue(value);
  return typeof plain === 'string' ? plain : (JSON.stringify(plain) ?? 'null');
}
