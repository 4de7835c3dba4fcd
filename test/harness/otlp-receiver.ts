import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

type Value = string | number | boolean;

/** A span as a receiver of OTLP/HTTP gets it, with its attributes by name and its times as they are sent. */
export interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly kind: number;
  /** In nanoseconds. */
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Readonly<Record<string, Value>>;
  /** 2 is an error. */
  readonly status: number;
}

interface SentSpan extends Omit<ReceivedSpan, 'start' | 'end' | 'attributes' | 'status'> {
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly {
    readonly key: string;
    readonly value: Readonly<Record<string, Value>>;
  }[];
  readonly status: { readonly code?: number };
}

interface Export {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly SentSpan[] }[] }[];
}

export interface OtlpReceiver {
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** Resolves when so many spans were received. */
  received(count: number): Promise<void>;
  close(): Promise<void>;
}

/** The other end of OTLP/HTTP, in JSON as Kedge sends it. */
export async function openOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  let waiting: (() => void)[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      spans.push(...spansOf(JSON.parse(Buffer.concat(chunks).toString()) as Export));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      const told = waiting;
      waiting = [];
      for (const tell of told) tell();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    async received(count) {
      while (spans.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function spansOf({ resourceSpans }: Export): ReceivedSpan[] {
  const sent = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
  return sent.map((span) => {
    const { name, traceId, spanId, kind, parentSpanId, startTimeUnixNano, endTimeUnixNano } = span;
    const attributes = span.attributes.map(({ key, value }): [string, Value] => [
      key,
      Object.values(value)[0] as Value,
    ]);
    return {
      ...{ name, traceId, spanId, kind, parentSpanId: parentSpanId || undefined },
      ...{ start: BigInt(startTimeUnixNano), end: BigInt(endTimeUnixNano) },
      ...{ attributes: Object.fromEntries(attributes), status: span.status.code ?? 0 },
    };
  });
}
