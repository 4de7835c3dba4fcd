import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { ServiceDefinition } from '@grpc/proto-loader';
import { ManualClock, systemClock } from '#core/clock';
import { startTracing } from '#platform/observe';
import { type OtlpReceiver, openOtlpReceiver, type ReceivedSpan } from '#testing/otlp-receiver';
import { loadService } from '../grpc/service.ts';
import { HttpServer } from '../http/http-server.ts';
import { watchRequest } from '../http/watch-request.ts';
import { endpointOf, type GatewayHarness, openGateway } from '../testing/gateway-harness.ts';
import { logisticModel } from '../testing/models.ts';
import { times } from '../testing/tensor-models.ts';
import { RequestWatch } from './request-watch.ts';

type Line = Readonly<Record<string, unknown>>;

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const lines: Line[] = [];
let receiver: OtlpReceiver;
let harness: GatewayHarness;
let client: Client;
let service: ServiceDefinition;
let stopTracing: () => Promise<void>;

before(async () => {
  receiver = await openOtlpReceiver();
  stopTracing = await startTracing('gateway', receiver.url);
  harness = await openGateway({
    grpcPort: 0,
    watch: { spans: true, line: (line) => lines.push(JSON.parse(line)) },
    repository: { 'twice/1/model.onnx': times(2) },
    table: async (put) => ({
      version: 1,
      endpoints: { delays: endpointOf('delays', await put(logisticModel({ a: 1 }), 'delay', 3)) },
    }),
  });
  client = new Client(harness.gateway.grpcAddress ?? '', credentials.createInsecure());
  service = await loadService();
});

after(async () => {
  client.close();
  await harness.close();
  await receiver.close();
});

/** The code of the status with which a call of `ModelInfer` ends. */
function infer(message: object, traceparent?: string): Promise<number> {
  const { path, requestSerialize, responseDeserialize } = service['ModelInfer'] as NonNullable<
    ServiceDefinition['ModelInfer']
  >;
  const metadata = new Metadata();
  if (traceparent) metadata.set('traceparent', traceparent);
  return new Promise((resolve) => {
    const call = client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, metadata, () => {});
    call.on('status', ({ code }) => resolve(code));
  });
}

const column = (name: string, values: readonly number[], shape = [values.length]) => ({
  ...{ name, datatype: 'FP32', shape, contents: { fp32_contents: values } },
});

test('a request over gRPC is a line, and a span with its wait and its run within the trace that it names', async () => {
  const path = '/inference.GRPCInferenceService/ModelInfer';
  const rows = { model_name: 'delays', id: 'q', inputs: [column('a', [1, 2])] };

  assert.equal(await infer(rows, `00-${TRACE}-${PARENT}-01`), 0);
  assert.equal(await infer(rows, `00-${'a'.repeat(32)}-${PARENT}-00`), 0);
  assert.equal(await infer({ model_name: 'twice', inputs: [column('x', [4])] }), 0);
  assert.equal(await infer({ model_name: 'nobody', inputs: [] }), 5);

  const { time, durationMicros, bytes, ...first } = lines[0] as Line;
  const known = { revision: 'delay@3', arm: 'current', prediction: 'q-0', rows: 2 };
  assert.deepEqual(first, {
    protocol: 'grpc',
    method: 'POST',
    path,
    status: 0,
    endpoint: 'delays',
    ...known,
    trace: TRACE,
  });
  assert.ok(Math.abs(Date.parse(String(time)) - systemClock.now()) < 60_000);
  assert.ok(Number(durationMicros) > 0 && Number(bytes) > 0);
  assert.equal(lines[1]?.['trace'], 'a'.repeat(32));
  const { status, model, revision } = lines[2] as Line;
  assert.deepEqual({ status, model, revision }, { status: 0, model: 'twice', revision: 'twice@1' });
  assert.deepEqual([lines[3]?.['status'], lines[3]?.['model']], [5, 'nobody']);

  await stopTracing();
  // The second says that its trace is not sampled.
  assert.equal(receiver.spans.filter(({ traceId }) => traceId === 'a'.repeat(32)).length, 0);
  const of = (span: ReceivedSpan | undefined) =>
    receiver.spans.filter(({ parentSpanId }) => parentSpanId === span?.spanId);
  const [served] = receiver.spans.filter(({ traceId, kind }) => traceId === TRACE && kind === 2);
  assert.deepEqual([served?.parentSpanId, served?.name], [PARENT, path.slice(1)]);
  assert.deepEqual(served?.attributes, {
    ...{ 'rpc.system': 'grpc', 'rpc.service': 'inference.GRPCInferenceService', 'rpc.method': 'ModelInfer' },
    ...{ 'rpc.grpc.status_code': 0, 'kedge.endpoint': 'delays', 'kedge.revision': 'delay@3', 'kedge.arm': 'current' },
    ...{ 'kedge.prediction': 'q-0', 'kedge.rows': 2 },
  });
  const [queue, run, ...more] = of(served);
  assert.deepEqual([queue?.name, run?.name, more.length], ['queue', 'model run', 0]);
  assert.ok(served && queue && run);
  assert.ok(served.start <= queue.start && queue.end <= run.end && run.end <= served.end);
  const [direct, refused] = receiver.spans.filter(({ kind, traceId }) => kind === 2 && traceId !== TRACE);
  assert.deepEqual([direct?.attributes['kedge.model'], of(direct).length], ['twice', 2]);
  // That there is no such model is no failure of the server.
  assert.deepEqual([refused?.attributes['rpc.grpc.status_code'], refused?.status], [5, 0]);
});

test('a request over HTTP is a line without its query, with the bytes answered or that the client left', async () => {
  const seen: Line[] = [];
  const lined = new Set<() => void>();
  const watch = new RequestWatch({
    ...{ clock: systemClock, spans: false },
    line(line) {
      seen.push(JSON.parse(line));
      for (const tell of lined) tell();
    },
  });
  const begun = Promise.withResolvers<void>();
  const server = new HttpServer({
    serve(request, given) {
      const response = watchRequest(watch, request, given);
      watch.asks(request, 'delays', { id: 'user:ada', groups: [], tenant: 'north' });
      if (request.url === '/slow') begun.resolve();
      else response.send(201, [], 'grün');
    },
    ...{ tls: undefined, listens: true },
  });
  await server.listen('127.0.0.1', 0);
  const url = `http://127.0.0.1:${server.port}`;
  const count = async (wanted: number): Promise<void> => {
    while (seen.length < wanted) await new Promise<void>((resolve) => lined.add(resolve));
  };

  const headers = { traceparent: `00-${TRACE}-${PARENT}-01` };
  await (await fetch(`${url}/v1/endpoints/delays/predict?key=secret`, { method: 'POST', headers })).text();
  await count(1);
  const leave = new AbortController();
  const left = fetch(`${url}/slow`, { signal: leave.signal });
  await begun.promise;
  leave.abort();
  await assert.rejects(left);
  await count(2);
  const closed = server.close();
  server.closeAllConnections();
  await closed;

  const [{ time: _, durationMicros: __, ...answered }, { status, aborted, bytes }] = seen as [Line, Line];
  assert.deepEqual(answered, {
    ...{ protocol: 'http', method: 'POST', path: '/v1/endpoints/delays/predict', status: 201, bytes: 5 },
    ...{ caller: 'user:ada', tenant: 'north', model: 'delays', trace: TRACE },
  });
  assert.deepEqual({ status, aborted, bytes }, { status: 499, aborted: true, bytes: 0 });
});

test('a request ends once, and takes as long as the clock says', () => {
  const clock = new ManualClock();
  const seen: Line[] = [];
  const watch = new RequestWatch({ clock, spans: false, line: (line) => seen.push(JSON.parse(line)) });
  const head = { protocol: 'http', method: 'GET', path: '/metrics', header: () => undefined } as const;

  const watched = watch.begin(head);
  clock.advance(12.345);
  watched.end({ status: 200 });
  watched.end({ status: 500 });

  const time = '2001-01-01T00:00:00.000Z';
  const line = { time, protocol: 'http', method: 'GET', path: '/metrics', status: 200, durationMicros: 12_345 };
  assert.deepEqual(seen, [line]);
});
