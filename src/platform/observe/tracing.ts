import {
  type Attributes,
  defaultTextMapGetter,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { messageOf } from '#core/errors';

/** Sends spans to an OTLP/HTTP endpoint. Returns the function that flushes and stops. Loaded only when configured. */
export async function startTracing(role: string, endpoint: string): Promise<() => Promise<void>> {
  const [{ BatchSpanProcessor, NodeTracerProvider }, { OTLPTraceExporter }, { resourceFromAttributes }] =
    await Promise.all([
      import('@opentelemetry/sdk-trace-node'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ]);
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` });
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': `kedge-${role}` }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  provider.register();
  return () => provider.shutdown();
}

/** A span that is over. Times are epoch milliseconds, with fractions. */
export interface PastSpan {
  readonly name: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes: Attributes;
}

/** The span of a request that was served. */
export interface ServedSpan extends PastSpan {
  /** What the request said of the trace that it belongs to: `traceparent` and `tracestate` of W3C Trace Context. */
  readonly carrier: Readonly<Record<string, string>>;
  /** What went wrong on this side. */
  readonly error?: string | undefined;
  /** Parts of it, made only where the span is sampled. */
  readonly parts: () => readonly PastSpan[];
}

/**
 * Records the span of a served request after its end: all times and attributes are known then, and a request that is
 * not sampled costs one decision of the sampler. Tells the id of the trace; undefined while no provider is registered.
 */
export function recordServed(served: ServedSpan): string | undefined {
  const tracer = trace.getTracer('kedge');
  const parent = propagation.extract(ROOT_CONTEXT, served.carrier, defaultTextMapGetter);
  const { name, startedAt: startTime, attributes } = served;
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, startTime, attributes }, parent);
  const { traceId } = span.spanContext();
  if (span.isRecording()) {
    const within = trace.setSpan(parent, span);
    for (const part of served.parts()) {
      const { startedAt, endedAt, ...rest } = part;
      tracer.startSpan(rest.name, { startTime: startedAt, attributes: rest.attributes }, within).end(endedAt);
    }
    if (served.error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: served.error });
  }
  span.end(served.endedAt);
  return /[^0]/.test(traceId) ? traceId : undefined;
}

/** Runs `work` in a span. Costs almost nothing while no provider is registered. */
export async function traced<T>(name: string, attributes: Attributes, work: () => Promise<T>): Promise<T> {
  return trace.getTracer('kedge').startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) });
      throw error;
    } finally {
      span.end();
    }
  });
}
