import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { digestOf } from '#core/hash';
import { createClient, ProblemError } from '#platform/contract';
import { registryContract } from '#registry/contract';
import { trackingContract } from '#tracking/contract';
import { openRegistryServer } from './registry-server.ts';

const refused = (status: number, code: string) => (error: unknown) =>
  error instanceof ProblemError && error.problem.status === status && error.code === code;
const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'value' as const };

async function serve(t: TestContext) {
  const server = await openRegistryServer();
  t.after(() => server.close());
  const options = { baseUrl: server.url, token: 'ada' };
  const [tracking, registry] = [createClient(trackingContract, options), createClient(registryContract, options)];
  const { id: run, experiment } = await tracking.createTrackingRun({ body: { experiment: 'delays' } });
  const put = (path: string, text: string, of = run) => {
    const upload = { contentType: 'application/octet-stream', bytes: new TextEncoder().encode(text) };
    return tracking.putArtifact({ params: { run: of }, query: { path }, upload });
  };
  await put('model/model.onnx', 'weights');
  const proxy = async (method: string, path: string, json?: unknown) => {
    const response = await fetch(`${server.url}/api/2.0/mlflow-artifacts/${path}`, {
      method,
      headers: { authorization: 'Bearer ada', 'content-type': 'application/json' },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    });
    return { status: response.status, text: await response.text() };
  };
  const register = (body: object) =>
    registry.registerVersion({ params: { model: 'delays' }, body: { signature, artifacts: [], ...body } });
  return { ...server, tracking, registry, run, place: `${experiment.id}/${run}/artifacts`, put, proxy, register };
}

const artifact = (text: string, path = 'model.onnx') => ({ path, digest: digestOf(text), bytes: text.length });

test('a version is registered from what its run has, and from nothing else', async (t) => {
  const { register, run, tracking, put } = await serve(t);
  const other = await tracking.createTrackingRun({ body: { experiment: 'other' } });
  await put('model.onnx', 'of another run', other.id);
  await assert.rejects(
    register({ run: 'never-made', artifacts: [artifact('weights')] }),
    refused(400, 'registry/source'),
  );
  const foreign = { run, artifacts: [artifact('of another run')] };
  await assert.rejects(register(foreign), refused(400, 'registry/source'));
  const grown = { run, artifacts: [{ ...artifact('weights'), bytes: 8 }] };
  await assert.rejects(register(grown), refused(400, 'registry/source'));
  assert.equal((await register({ run, artifacts: [artifact('weights')] })).version, 1);
});

test('files of a version stay as they are through every way in, and only those', async (t) => {
  const { registry, run, put, proxy, place } = await serve(t);
  await registry.createModel({ body: { name: 'delays' } });
  await registry.registerFromSource({ params: { model: 'delays' }, body: { source: `runs:/${run}/model`, run } });

  await assert.rejects(put('model/model.onnx', 'other weights'), refused(409, 'tracking/artifact-locked'));
  await assert.rejects(put('model/more.txt', 'more'), refused(409, 'tracking/artifact-locked'));
  const locked = [
    await proxy('PUT', `artifacts/${place}/model/model.onnx`, {}),
    await proxy('DELETE', `artifacts/${place}/model/model.onnx`),
    await proxy('DELETE', `artifacts/${place}/model`),
    await proxy('POST', `mpu/create/${place}/model`, { path: 'model.onnx', num_parts: 1 }),
  ];
  for (const { status, text } of locked) {
    assert.equal(status, 409, text);
    assert.match(text, /RESOURCE_CONFLICT.*is part of version 1 of 'delays', and what is registered cannot be changed/);
  }
  await put('notes.txt', 'beside it');
  const beside = await proxy('POST', `mpu/create/${place}`, { path: 'big.bin', num_parts: 1 });
  assert.equal(beside.status, 200, beside.text);
});

test('an upload in parts that was begun before its folder was registered does not reach it afterwards', async (t) => {
  const { registry, run, proxy, place } = await serve(t);
  const begun = await proxy('POST', `mpu/create/${place}/model`, { path: 'late.bin', num_parts: 1 });
  const { upload_id, credentials } = JSON.parse(begun.text);
  const [{ url, headers }] = credentials;
  const sent = await fetch(url, { method: 'PUT', headers, body: 'late' });
  assert.equal(sent.status, 200);
  const etag = sent.headers.get('etag');
  await registry.createModel({ body: { name: 'delays' } });
  await registry.registerFromSource({ params: { model: 'delays' }, body: { source: `runs:/${run}/model`, run } });
  const parts = [{ part_number: 1, etag }];
  const done = await proxy('POST', `mpu/complete/${place}/model`, { path: 'late.bin', upload_id, parts });
  assert.equal(done.status, 409, done.text);
});
