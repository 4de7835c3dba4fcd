import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { SpanStatusCode, trace as tracing } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import fc from 'fast-check';
import { tokenAuthenticator } from '#platform/access';
import { openHttpServer } from '#platform/http';
import { createMetrics } from '#platform/observe';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import { trackingMigrations } from '../../index.ts';
import { serveMlflow } from '../mlflow/testing.ts';
import { exportOf, protobufOf, type SpanDraft } from './testing.ts';

const TRACE = `tr-${'a'.repeat(32)}`;
const PROTOBUF = 'application/x-protobuf';

interface Told {
  readonly trace_info: Record<string, unknown>;
  readonly spans: readonly Record<string, unknown>[];
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}

forEachDialect('OTLP traces', trackingMigrations, (openDb: OpenDatabase) => {
  async function serve(t: TestContext) {
    const server = await serveMlflow(t, openDb);
    const raw = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
      fetch(`${server.url}/v1/traces`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', 'x-mlflow-experiment-id': '0', ...headers },
      });
    const log = async (...spans: readonly SpanDraft[]) => {
      const answer = await raw(JSON.stringify(exportOf(...spans)));
      assert.equal(answer.status, 200);
      return (await answer.json()) as { partialSuccess?: { rejectedSpans: string; errorMessage: string } };
    };
    const read = async (id = TRACE): Promise<Told> => {
      const { status, body } = await server.send('GET', `/api/3.0/mlflow/traces/get?trace_id=${id}&allow_partial=true`);
      assert.equal(status, 200, JSON.stringify(body));
      return body['trace'] as Told;
    };
    return { ...server, raw, log, read };
  }

  test('the same spans are stored from protobuf and from JSON, packed or not', async (t) => {
    const { raw, read } = await serve(t);
    const attributes = [
      { key: 'text', value: { stringValue: 'é\u{1F600}' } },
      { key: 'flag', value: { boolValue: false } },
      { key: 'big', value: { intValue: '9007199254740993' } },
      { key: 'half', value: { doubleValue: 0.5 } },
      { key: 'raw', value: { bytesValue: 'AAH/' } },
      { key: 'list', value: { arrayValue: { values: [{ intValue: '1' }, {}] } } },
      { key: 'map', value: { kvlistValue: { values: [{ key: 'k', value: { stringValue: 'v' } }] } } },
    ];
    const sent = exportOf({ id: '1', attributes }, { id: '2', parent: '1', status: { code: 2, message: 'broke' } });
    const json = Buffer.from(JSON.stringify(sent));
    const encoded = Buffer.from(protobufOf(sent));
    assert.equal((await raw(json)).status, 200);
    const first = await read();
    for (const [body, headers] of [
      [encoded, { 'content-type': PROTOBUF }],
      [gzipSync(encoded), { 'content-type': PROTOBUF, 'content-encoding': 'gzip' }],
      [gzipSync(json), { 'content-encoding': 'gzip' }],
      [deflateSync(json), { 'content-encoding': 'deflate', 'content-type': 'application/json; charset=utf-8' }],
    ] as const) {
      const { status, headers: answered } = await raw(Uint8Array.from(body), headers);
      assert.equal(status, 200);
      const type = 'content-type' in headers && headers['content-type'] === PROTOBUF ? PROTOBUF : 'application/json';
      assert.ok(answered.get('content-type')?.startsWith(type));
      assert.deepEqual(await read(), first);
    }
    const [root, child] = first.spans;
    assert.equal(root?.['trace_id'], Buffer.alloc(16, 0xaa).toString('base64'));
    assert.equal(root?.['start_time_unix_nano'], '1700000000000000001');
    assert.deepEqual(root?.['attributes'], attributes);
    assert.equal(child?.['parent_span_id'], root?.['span_id']);
    assert.deepEqual(child?.['status'], { code: 'STATUS_CODE_ERROR', message: 'broke' });
  });

  test("OpenTelemetry's own exporter is understood", async (t) => {
    const { url, send } = await serve(t);
    const exporter = new OTLPTraceExporter({ url: `${url}/v1/traces`, headers: { 'x-mlflow-experiment-id': '0' } });
    const resource = resourceFromAttributes({ 'service.name': 'shop' });
    const provider = new NodeTracerProvider({ resource, spanProcessors: [new SimpleSpanProcessor(exporter)] });
    const tracer = provider.getTracer('shop');
    const root = tracer.startSpan('order', { attributes: { 'gen_ai.operation.name': 'invoke_agent' } });
    const context = tracing.setSpan((await import('@opentelemetry/api')).ROOT_CONTEXT, root);
    const child = tracer.startSpan('pay', { attributes: { amount: 12.5 } }, context);
    child.recordException(new Error('no funds'));
    child.setStatus({ code: SpanStatusCode.ERROR, message: 'no funds' });
    child.end();
    root.end();
    await provider.shutdown();
    const search = { locations: [{ mlflow_experiment: { experiment_id: '0' } }] };
    const filter = "span.name = 'pay' AND span.status = 'ERROR' AND span.attributes.amount = '12.5' AND name = 'order'";
    const { body } = await send('POST', '/api/3.0/mlflow/traces/search', {
      body: JSON.stringify({ ...search, filter }),
    });
    const [found] = body['traces'] as { trace_id: string; state: string }[];
    assert.equal(found?.trace_id, `tr-${root.spanContext().traceId}`);
    assert.equal(found?.state, 'OK');
  });

  test('spans tell of their trace until its client does, whenever the root comes', async (t) => {
    const { log, read, send } = await serve(t);
    const usage = (input: number) => [
      { key: 'gen_ai.usage.input_tokens', value: { intValue: String(input) } },
      { key: 'gen_ai.usage.output_tokens', value: { intValue: '1' } },
    ];
    await log({ id: '2', parent: '1', from: 10, to: 40, attributes: usage(5) });
    const early = (await read()).trace_info;
    assert.deepEqual([early['state'], early['execution_duration']], ['IN_PROGRESS', '0.03s']);
    await log({ id: '3', parent: '2', from: 12, to: 60, attributes: usage(100) });
    const question = [{ key: 'mlflow.spanInputs', value: { stringValue: 'why?' } }];
    const session = [{ key: 'session.id', value: { stringValue: 's1' } }];
    const tag = [{ key: 'mlflow.traceTag.team', value: { stringValue: 'north' } }];
    await log({ id: '1', name: 'ask', from: 5, to: 50, attributes: [...question, ...session, ...tag] });
    const { trace_info: told } = await read();
    assert.deepEqual(
      [told['state'], told['request_time'], told['execution_duration'], told['request_preview']],
      ['OK', '2023-11-14T22:13:20.005Z', '0.055s', 'why?'],
    );
    const metadata = told['trace_metadata'] as Record<string, string>;
    assert.equal(metadata['mlflow.trace.session'], 's1');
    const tokens = { input_tokens: 5, output_tokens: 1, total_tokens: 6 };
    assert.deepEqual(
      JSON.parse(metadata['mlflow.trace.tokenUsage'] ?? ''),
      tokens,
      'what a parent sums up counts once',
    );
    const tags = told['tags'] as Record<string, string>;
    assert.deepEqual([tags['team'], tags['mlflow.traceName']], ['north', 'ask']);

    const trace_info = {
      trace_id: TRACE,
      trace_location: { type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: '0' } },
      request_time: '2023-11-14T22:13:20.004Z',
      execution_duration: '0.1s',
      state: 'ERROR',
    };
    await send('POST', '/api/3.0/mlflow/traces', { body: JSON.stringify({ trace: { trace_info } }) });
    await log({ id: '4', parent: '1', from: 0, to: 900 });
    const { trace_info: last, spans } = await read();
    assert.deepEqual(
      [last['state'], last['request_time'], last['execution_duration'], spans.length],
      ['ERROR', '2023-11-14T22:13:20.004Z', '0.1s', 4],
    );
  });

  test('a span that cannot be taken is told of, and leaves the others alone', async (t) => {
    const { raw, read } = await serve(t);
    const sent = exportOf({ id: '1' }, { id: '0' }, { id: '2', trace: '0' }, { id: '3', name: 'x'.repeat(1_001) });
    const deep = JSON.parse(`${'{"arrayValue":{"values":['.repeat(70)}{"intValue":"1"}${']}}'.repeat(70)}`);
    const spans = sent.resourceSpans[0]?.scopeSpans[0]?.spans ?? [];
    const more = [
      { ...spans[0], spanId: '4'.repeat(16), attributes: [{ key: 'deep', value: deep }] },
      { ...spans[0], spanId: '5'.repeat(16), startTimeUnixNano: '-5' },
      { ...spans[0], spanId: '6'.repeat(16), attributes: [{ key: 'n', value: { intValue: 'many' } }] },
      {
        ...spans[0],
        spanId: '7'.repeat(16),
        attributes: [{ key: 'l', value: { stringValue: 'x'.repeat(4_194_304) } }],
      },
      { ...spans[0], spanId: '8'.repeat(16), parentSpanId: '0'.repeat(16), name: 'nul \0 \ud800' },
      'no span',
      null,
    ];
    const answer = await raw(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [...spans, ...more] }] }] }));
    assert.equal(answer.status, 200);
    const { partialSuccess } = (await answer.json()) as { partialSuccess: Record<string, string> };
    assert.equal(partialSuccess['rejectedSpans'], '9');
    assert.match(partialSuccess['errorMessage'] ?? '', /spanId: expected 8 bytes/);
    const names = (await read()).spans.map((span) => span['name']);
    assert.deepEqual(names.sort(), ['1', 'nul \uFFFD \uFFFD']);
  });

  test('an export that cannot be read is refused in its own encoding', async (t) => {
    const { raw, url } = await serve(t);
    const bomb = gzipSync(Buffer.alloc(17_000_000));
    for (const [body, headers, status] of [
      ['{', {}, 400],
      ['[]', {}, 400],
      ['{"resourceSpans":{}}', {}, 400],
      ['{"resourceSpans":[1]}', {}, 400],
      [Uint8Array.of(0xff, 0xfe), {}, 400],
      [Uint8Array.of(0x0a, 0x05, 0x00), { 'content-type': PROTOBUF }, 400],
      ['{}', { 'content-type': 'text/plain' }, 415],
      ['{}', { 'content-encoding': 'br' }, 415],
      ['{}', { 'content-encoding': 'gzip' }, 400],
      [Uint8Array.from(bomb), { 'content-encoding': 'gzip' }, 413],
      ['x'.repeat(16_777_217), {}, 413],
      ['{}', { 'x-mlflow-experiment-id': '' }, 400],
      ['{}', { 'x-mlflow-experiment-id': '../1' }, 400],
      ['{}', { 'x-mlflow-run-id': '%' }, 400],
      ['{}', { 'x-mlflow-experiment-id': '4711' }, 404],
      ['{}', { 'x-mlflow-run-id': 'f'.repeat(32) }, 404],
    ] as const) {
      const answer = await raw(body, headers);
      assert.equal(answer.status, status, `${String(body).slice(0, 40)} ${JSON.stringify(headers)}`);
      const type = 'content-type' in headers && headers['content-type'] === PROTOBUF ? PROTOBUF : 'application/json';
      assert.ok(answer.headers.get('content-type')?.startsWith(type));
      if (type === PROTOBUF) assert.equal(Buffer.from(await answer.arrayBuffer())[1], 3, 'INVALID_ARGUMENT');
      else assert.equal(typeof ((await answer.json()) as { message: unknown }).message, 'string');
    }
    assert.equal((await raw('{}')).status, 200, 'an empty export is a success');
    assert.equal((await fetch(`${url}/v1/traces/more`)).status, 404);
  });

  test('an export of very many very small parts is refused before it is decoded', async (t) => {
    const { raw } = await serve(t);
    const pairs = (tag: number, parts: number) => Buffer.alloc(2 * parts).map((_, i) => (i % 2 === 0 ? tag : 0));
    const within = (tags: readonly number[], inner: Uint8Array): Buffer =>
      tags
        .toReversed()
        .reduce<Buffer>(
          (body, tag) => Buffer.concat([Buffer.from([tag, ...varint(body.length)]), body]),
          Buffer.from(inner),
        );
    const many = 500_001;
    for (const body of [
      pairs(0x0a, many),
      within([0x0a], pairs(0x12, many)),
      within([0x0a, 0x12], pairs(0x12, many)),
      within([0x0a, 0x12, 0x12], pairs(0x4a, many)),
      within([0x0a, 0x12, 0x12, 0x4a, 0x12, 0x2a], pairs(0x0a, many)),
      within([0x0a, 0x12, 0x12, 0x5a], pairs(0x1a, many)),
    ]) {
      const { status } = await raw(Uint8Array.from(body), { 'content-type': PROTOBUF });
      assert.equal(status, 413);
    }
    const spans = `{"resourceSpans":[{"scopeSpans":[{"spans":[${'{},'.repeat(many)}{}]}]}]}`;
    assert.equal((await raw(spans)).status, 413);
    const fewer = `{"resourceSpans":[{"scopeSpans":[{"spans":[${'{},'.repeat(10_004)}{}]}]}]}`;
    const told = (await (await raw(fewer)).json()) as { partialSuccess: Record<string, string> };
    assert.equal(told.partialSuccess['rejectedSpans'], '10005');
  });

  test('whoever is not known, or may only read, stores nothing', async (t) => {
    const database = await serveMlflow(t, openDb, { role: 'viewer' });
    const headers = { 'content-type': 'application/json', 'x-mlflow-experiment-id': '0' };
    const body = JSON.stringify(exportOf({ id: '1' }));
    assert.equal((await fetch(`${database.url}/v1/traces`, { method: 'POST', body, headers })).status, 403);
    const { protocols = [], routes: groups } = database.tracking.parts;
    const authenticator = tokenAuthenticator(new Map(), {});
    const metrics = createMetrics('closed');
    const closed = openHttpServer({ ...database.deps, metrics, groups, protocols, authenticator });
    const url = await closed.listen('127.0.0.1', 0);
    t.after(() => closed.close());
    const answer = await fetch(`${url}/v1/traces`, { method: 'POST', body, headers });
    assert.deepEqual([answer.status, ((await answer.json()) as { code: number }).code], [401, 16]);
  });

  test('no bytes make it fail', async (t) => {
    const { raw } = await serve(t);
    const whole = protobufOf(exportOf({ id: '1', attributes: [{ key: 'a', value: { stringValue: 'b' } }] }));
    const mutated = fc
      .array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
      .map((changes) => {
        const bytes = Uint8Array.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        return bytes;
      });
    await fc.assert(
      fc.asyncProperty(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), async (bytes) => {
        const { status } = await raw(Uint8Array.from(bytes), { 'content-type': PROTOBUF });
        assert.ok(status === 200 || status === 400, `${status}`);
      }),
      { numRuns: 60 },
    );
    await fc.assert(
      fc.asyncProperty(fc.json(), async (value) => {
        const spans = `{"resourceSpans":[{"scopeSpans":[{"spans":[${value}]}]}]}`;
        assert.equal((await raw(spans)).status, 200);
      }),
      { numRuns: 40 },
    );
  });
});
