import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { tokenAuthenticator } from '#platform/access';
import { createClient, ProblemError } from '#platform/contract';
import { openHttpServer } from '#platform/http';
import { forEachDialect } from '#testing/databases';
import { trackingContract } from '../contract.ts';
import { createTracking, trackingMigrations } from '../index.ts';
import { exportOf, type SpanDraft } from '../protocol/otlp/testing.ts';

const TRACE = `tr-${'a'.repeat(32)}`;
const problem = (status: number, code: string) => (error: unknown) =>
  error instanceof ProblemError && error.problem.status === status && error.code === code;

forEachDialect('Traces over HTTP', trackingMigrations, (openDb) => {
  async function serve(t: TestContext) {
    const database = await openDb();
    const root = await mkdtemp(join(tmpdir(), 'kedge-traces-'));
    const { parts } = createTracking({ ...database.deps, blobs: await openFsBlobStore({ root }) });
    const authenticator = tokenAuthenticator(new Map(), { localRole: 'editor' });
    const { protocols = [], routes: groups } = parts;
    const server = openHttpServer({ ...database.deps, groups, protocols, authenticator });
    const url = await server.listen('127.0.0.1', 0);
    t.after(async () => {
      await server.close();
      await database.close();
      await rm(root, { recursive: true, force: true });
    });
    const send = (method: string, path: string, body: string) =>
      fetch(`${url}${path}`, {
        method,
        body,
        headers: { 'content-type': 'application/json', 'x-mlflow-experiment-id': '0' },
      });
    const log = async (...spans: readonly SpanDraft[]) => {
      assert.equal((await send('POST', '/v1/traces', JSON.stringify(exportOf(...spans)))).status, 200);
    };
    return { client: createClient(trackingContract, { baseUrl: url }), send, log };
  }

  test('traces are found by pages in an order, and counted', async (t) => {
    const { client, log } = await serve(t);
    for (const [i, trace] of [...'abcde'].entries()) await log({ id: '1', trace, name: trace, from: i, to: 10 - i });
    const params = { experiment: '0' };
    const query = { filter: "name != 'c'", order: 'execution_time_ms', limit: 3 };
    const first = await client.findTraces({ params, query });
    const next = await client.findTraces({ params, query: { ...query, after: first.next } });
    const names = [...first.items, ...next.items].map(({ name, durationMs }) => `${name}${durationMs}`);
    assert.deepEqual(names, ['e2', 'd4', 'b8', 'a10']);
    assert.deepEqual(await client.countTraces({ params, query: { filter: query.filter } }), { traces: 4 });
    await assert.rejects(
      client.findTraces({ params, query: { filter: 'name =' } }),
      problem(400, 'search/invalid-filter'),
    );
    const elsewhere = { params: { experiment: '4711' }, query: {} };
    await assert.rejects(client.findTraces(elsewhere), problem(404, 'tracking/experiment-not-found'));
  });

  test('a trace has its spans over time, and a span what went in, what came out and the rest', async (t) => {
    const { client, log } = await serve(t);
    const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
    const attributes = [
      text('mlflow.spanType', 'LLM'),
      text('gen_ai.input.messages', '[{"role": "user", "content": "why?"}]'),
      text('mlflow.spanOutputs', 'because'),
      { key: 'n', value: { intValue: '7' } },
    ];
    await log(
      { id: '1', to: 9 },
      { id: '2', parent: '1', from: 2, to: 5, attributes, status: { code: 2, message: 'm' } },
    );
    const trace = await client.getTrace({ params: { trace: TRACE } });
    assert.deepEqual(
      trace.spans.map(({ name, type, status, parent, startUs }) => [name, type, status, parent, startUs]),
      [
        ['1', 'UNKNOWN', 'UNSET', null, 0],
        ['2', 'LLM', 'ERROR', '1'.repeat(16), 2_000],
      ],
    );
    const span = await client.getSpan({ params: { trace: TRACE, span: '2'.repeat(16) } });
    assert.deepEqual(span.inputs, [{ role: 'user', content: 'why?' }]);
    assert.deepEqual([span.outputs, span.message, span.attributes], ['because', 'm', [{ key: 'n', value: 7 }]]);
    assert.deepEqual(span.resource, [{ key: 'service.name', value: 'shop' }]);
    const missing = { params: { trace: TRACE, span: 'f'.repeat(16) } };
    await assert.rejects(client.getSpan(missing), problem(404, 'tracking/span-not-found'));
    await assert.rejects(client.getTrace({ params: { trace: 'tr-none' } }), problem(404, 'tracking/trace-not-found'));
  });

  test('spans that a client keeps in a file of the trace are shown as well', async (t) => {
    const { client, send } = await serve(t);
    const told = { experiment_id: '0', timestamp_ms: 5, tags: [{ key: 'mlflow.traceName', value: 'earlier' }] };
    const begun = await send('POST', '/api/2.0/mlflow/traces', JSON.stringify(told));
    const { trace_info } = (await begun.json()) as {
      trace_info: { request_id: string; tags: { key: string; value: string }[] };
    };
    const trace = trace_info.request_id;
    assert.deepEqual((await client.getTrace({ params: { trace } })).spans, []);
    const place = trace_info.tags.find(({ key }) => key === 'mlflow.artifactLocation')?.value ?? '';
    assert.equal(place, `mlflow-artifacts:/0/traces/${trace}/artifacts`);
    const context = { span_id: `0x${'1'.repeat(16)}`, trace_id: `0x${'2'.repeat(32)}` };
    const times = { start_time: 1_700_000_000_000_000_000, end_time: 1_700_000_000_500_000_000 };
    const attributes = { 'mlflow.spanInputs': '{"q": 1}', 'mlflow.spanType': '"TOOL"' };
    const span = { name: 'root', context, parent_id: null, ...times, status_code: 'OK', attributes, events: [] };
    const file = `/api/2.0/mlflow-artifacts/artifacts/0/traces/${trace}/artifacts/traces.json`;
    assert.equal((await send('PUT', file, JSON.stringify({ spans: [span] }))).status, 200);
    const [shown] = (await client.getTrace({ params: { trace } })).spans;
    assert.deepEqual([shown?.name, shown?.type, shown?.status, shown?.durationUs], ['root', 'TOOL', 'OK', 500_000]);
    const detail = await client.getSpan({ params: { trace, span: '1'.repeat(16) } });
    assert.deepEqual(detail.inputs, { q: 1 });
    await send(
      'POST',
      '/api/2.0/mlflow/traces/delete-traces',
      JSON.stringify({ experiment_id: '0', request_ids: [trace] }),
    );
    assert.equal((await fetch(new URL(file, begun.url))).status, 404);
  });
});
