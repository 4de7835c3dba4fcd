import { NAMES, TRACE_LIMITS } from './model.ts';
import { SpanRefusal } from './normalize.ts';
import { attributeOf, type OtlpSpan, plainValue, statusOf, textOf } from './otlp.ts';
import type { SpanTable } from './store/tables.ts';

/** So much of each attribute is compared by searches. */
const COMPARED_LENGTH = 1_000;

export type SpanRecord = Omit<SpanTable, 'trace'>;

/** The row of a span. Throws {@link SpanRefusal} for one that is too large. */
export function recordOf(span: OtlpSpan): SpanRecord {
  const content = JSON.stringify(span);
  const bytes = Buffer.byteLength(content);
  if (bytes > TRACE_LIMITS.spanBytes) {
    throw new SpanRefusal(`the span has ${bytes} bytes, and at most ${TRACE_LIMITS.spanBytes} are taken`);
  }
  const compared = span.attributes.map(({ key, value }) => [key, textOf(value).slice(0, COMPARED_LENGTH)] as const);
  return {
    span: span.spanId,
    parent: span.parentSpanId ?? null,
    name: span.name,
    type: typeOf(span),
    status: statusOf(span),
    started_us: microsOf(span.startTimeUnixNano),
    ended_us: span.endTimeUnixNano === undefined ? null : microsOf(span.endTimeUnixNano),
    attributes: JSON.stringify(Object.fromEntries(compared.map(([key, text]) => [key, text.toWellFormed()]))),
    content,
  };
}

function microsOf(nanos: string): number {
  return Number(BigInt(nanos) / 1_000n);
}

export function millisOf(nanos: string): number {
  return Number(BigInt(nanos) / 1_000_000n);
}

const TYPE_LENGTH_MAX = 250;

/** Types of spans by the operation that OpenTelemetry's conventions for generative AI name. */
const TYPE_OF_OPERATION: Readonly<Record<string, string>> = {
  chat: 'CHAT_MODEL',
  text_completion: 'LLM',
  generate_content: 'LLM',
  embeddings: 'EMBEDDING',
  execute_tool: 'TOOL',
  invoke_agent: 'AGENT',
  create_agent: 'AGENT',
};

/** What a span is of in MLflow's words, as far as its attributes tell. */
export function typeOf(span: OtlpSpan): string {
  const own = attributeText(span, NAMES.spanType);
  if (own !== undefined && own !== '') return own.slice(0, TYPE_LENGTH_MAX);
  const inference = attributeText(span, 'openinference.span.kind');
  if (inference !== undefined && inference !== '') return inference.toUpperCase().slice(0, TYPE_LENGTH_MAX);
  const operation = attributeText(span, 'gen_ai.operation.name') ?? '';
  return (Object.hasOwn(TYPE_OF_OPERATION, operation) ? TYPE_OF_OPERATION[operation] : undefined) ?? 'UNKNOWN';
}

/** The text of an attribute. MLflow's exporters write some texts as JSON, in quotes. */
export function attributeText(span: OtlpSpan, key: string): string | undefined {
  const value = attributeOf(span, key);
  if (!value) return undefined;
  const text = textOf(value);
  if (!text.startsWith('"')) return text;
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'string' ? parsed : text;
  } catch {
    return text;
  }
}

/** What libraries call what goes into a span, MLflow's name first. */
export const INPUTS = [NAMES.inputs, 'gen_ai.input.messages', 'input.value', 'gen_ai.prompt'] as const;
export const OUTPUTS = [NAMES.outputs, 'gen_ai.output.messages', 'output.value', 'gen_ai.completion'] as const;

/** What went into a span and what came out of it, under whichever name its library has for it. */
export function inputsOf(span: OtlpSpan): string | undefined {
  return firstText(span, INPUTS);
}

export function outputsOf(span: OtlpSpan): string | undefined {
  return firstText(span, OUTPUTS);
}

function firstText(span: OtlpSpan, keys: readonly string[]): string | undefined {
  for (const key of keys) {
    const value = attributeOf(span, key);
    if (value) return textOf(value);
  }
  return undefined;
}

/** The tokens that a span says were used, by MLflow's names. */
export function usageOf(span: OtlpSpan): Readonly<Record<string, number>> | undefined {
  const own = attributeOf(span, NAMES.spanUsage);
  if (own) return numbersOf(own.stringValue === undefined ? plainValue(own) : parsed(own.stringValue));
  const input = countAt(span, 'gen_ai.usage.input_tokens');
  const output = countAt(span, 'gen_ai.usage.output_tokens');
  if (input === undefined && output === undefined) return undefined;
  const [input_tokens, output_tokens] = [input ?? 0, output ?? 0];
  return { input_tokens, output_tokens, total_tokens: input_tokens + output_tokens };
}

function countAt(span: OtlpSpan, key: string): number | undefined {
  const value = attributeOf(span, key);
  const count = value === undefined ? Number.NaN : Number(plainValue(value));
  return Number.isFinite(count) ? count : undefined;
}

function numbersOf(value: unknown): Record<string, number> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const numbers = Object.entries(value).filter(([, count]) => typeof count === 'number' && Number.isFinite(count));
  return numbers.length === 0 ? undefined : Object.fromEntries(numbers);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
