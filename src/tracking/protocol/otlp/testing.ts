import { fileURLToPath } from 'node:url';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import type { KeyValue } from '../../traces/otlp.ts';

const DEFINITION = fileURLToPath(new URL('./trace.proto', import.meta.url));
const START = 1_700_000_000_000;

export interface SpanDraft {
  /** One hexadecimal digit, which the id is made of. */
  readonly id: string;
  readonly trace?: string;
  readonly parent?: string;
  readonly name?: string;
  /** Milliseconds after the start of all traces. */
  readonly from?: number;
  readonly to?: number;
  readonly attributes?: readonly KeyValue[];
  readonly status?: { readonly code: number; readonly message?: string };
}

/** A span as exporters send it in JSON. */
export function exportedSpan({ id, trace = 'a', parent, name = id, from = 0, to = 1, ...rest }: SpanDraft) {
  return {
    traceId: trace.repeat(32 / trace.length),
    spanId: id.repeat(16),
    ...(parent === undefined ? {} : { parentSpanId: parent.repeat(16) }),
    name,
    kind: 1,
    startTimeUnixNano: `${START + from}000001`,
    endTimeUnixNano: `${START + to}000002`,
    attributes: rest.attributes ?? [],
    ...(rest.status ? { status: rest.status } : {}),
  };
}

/** An export of spans that one process made with one library. */
export function exportOf(...spans: readonly SpanDraft[]) {
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] };
  const scope = { name: 'lib', version: '1' };
  return { resourceSpans: [{ resource, scopeSpans: [{ scope, spans: spans.map(exportedSpan) }] }] };
}

/** The same export in protobuf. */
export function protobufOf(sent: ReturnType<typeof exportOf>): Buffer {
  const definition = loadSync(DEFINITION, { longs: String });
  const message = definition['kedge.otlp.TraceRequest'] as MessageTypeDefinition<object, object>;
  const hex = (id: string | undefined) => (id === undefined ? undefined : Buffer.from(id, 'hex'));
  const resourceSpans = sent.resourceSpans.map(({ resource, scopeSpans }) => ({
    resource,
    scopeSpans: scopeSpans.map(({ scope, spans }) => ({
      scope,
      spans: spans.map(({ traceId, spanId, parentSpanId, ...span }) => ({
        ...span,
        traceId: hex(traceId),
        spanId: hex(spanId),
        parentSpanId: hex(parentSpanId),
      })),
    })),
  }));
  return message.serialize({ resourceSpans });
}
