import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compileCache } from '#testing/compile-cache';
import { twice } from '#testing/doubling-model';
import { type OtlpReceiver, openOtlpReceiver } from '#testing/otlp-receiver';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const PATH = '/v2/models/twice/infer';

let folder = '';
let receiver: OtlpReceiver;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-watched-'));
  receiver = await openOtlpReceiver();
  const file = join(folder, 'models', 'twice', '1', 'model.onnx');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, twice());
});
after(async () => {
  await receiver.close();
  await rm(folder, { recursive: true });
});

/** A gateway process that serves a folder of models, without a control plane. */
function start(): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = fork(fileURLToPath(new URL('./main.ts', import.meta.url)), [], {
    env: {
      ...compileCache,
      ...{ KEDGE_DATA: join(folder, 'data'), KEDGE_MODEL_REPOSITORY: join(folder, 'models') },
      ...{ KEDGE_URL: 'http://127.0.0.1:1', KEDGE_LOG_LEVEL: 'fatal' },
      ...{ KEDGE_GATEWAY_PORT: '0', KEDGE_GRPC_PORT: '0' },
      ...{ KEDGE_ACCESS_LOG: join(folder, 'logs', 'access.log'), KEDGE_OTLP_ENDPOINT: receiver.url },
      OTEL_TRACES_SAMPLER: 'parentbased_always_off',
    },
  });
  return new Promise((resolve, reject) => {
    child.once('message', ({ ready }: { ready: { url: string } }) => resolve({ child, url: ready.url }));
    child.once('exit', (code) => reject(new Error(`the gateway ended with code ${code}`)));
  });
}

test('a gateway has written a line for each request, and spans of those sampled, when it has stopped', async () => {
  const { child, url } = await start();
  const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [2], data: [1, 2] }] });
  const infer = async (headers: Record<string, string>): Promise<string> => {
    const response = await fetch(`${url}${PATH}?key=secret`, { method: 'POST', body, headers });
    assert.equal(response.status, 200);
    return response.text();
  };
  const answer = await infer({});
  await infer({ traceparent: `00-${TRACE}-${PARENT}-01` });
  assert.equal((await fetch(`${url}/v2/health/live`)).status, 200);
  assert.equal((await fetch(`${url}/v1/endpoints/nobody/predict`, { method: 'POST', body: '{}' })).status, 404);
  child.kill('SIGTERM');
  assert.equal(await new Promise((resolve) => child.once('exit', resolve)), 0);

  const text = await readFile(join(folder, 'logs', 'access.log'), 'utf8');
  assert.doesNotMatch(text, /secret/);
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line): Record<string, unknown> => JSON.parse(line));
  const { time: _, durationMicros, bytes, trace: __, ...first } = lines[0] ?? {};
  const known = { protocol: 'http', method: 'POST', path: PATH, status: 200, model: 'twice', revision: 'twice@1' };
  assert.deepEqual(first, known);
  assert.ok(Number(durationMicros) > 0);
  assert.equal(bytes, Buffer.byteLength(answer));
  assert.deepEqual(
    lines.map(({ path, status, model, trace }) => [path, status, model, trace === TRACE]),
    [
      [PATH, 200, 'twice', false],
      [PATH, 200, 'twice', true],
      ['/v2/health/live', 200, undefined, false],
      ['/v1/endpoints/nobody/predict', 404, 'nobody', false],
    ],
  );

  // Of traces that begin here, none is sampled.
  assert.deepEqual(new Set(receiver.spans.map(({ traceId }) => traceId)), new Set([TRACE]));
  const [served, ...others] = receiver.spans.filter(({ kind }) => kind === 2);
  assert.deepEqual([served?.parentSpanId, served?.name, others.length], [PARENT, 'POST /v2/models/{model}/infer', 0]);
  assert.deepEqual(served?.attributes, {
    ...{ 'http.request.method': 'POST', 'url.path': PATH, 'http.response.status_code': 200 },
    ...{ 'http.route': '/v2/models/{model}/infer', 'kedge.model': 'twice', 'kedge.revision': 'twice@1' },
  });
  const within = receiver.spans.filter(({ parentSpanId }) => parentSpanId === served?.spanId);
  assert.deepEqual(
    within.map(({ name }) => name),
    ['queue', 'model run'],
  );
});
