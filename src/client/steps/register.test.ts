import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import type { StepContext } from '#pipelines';
import { registerModel } from './register.ts';

/** A step with a model, and a control plane that answers as it is told. */
async function openStep(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const dir = await mkdtemp(join(tmpdir(), 'kedge-register-'));
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.close();
    server.closeAllConnections();
    await rm(dir, { recursive: true });
  });
  const inputs = { model: join(dir, 'model.onnx'), signature: join(dir, 'signature.json') };
  await writeFile(inputs.model, 'a model');
  await writeFile(inputs.signature, '{"inputs":[],"output":"probability"}');
  const context: StepContext = {
    ...{
      params: {},
      inputs,
      seed: 1,
      run: 'prun_1',
      cause: { kind: 'user', id: 'user:ada', depth: 0 },
      step: 'register',
    },
    output: (name) => join(dir, name),
    progress() {},
    metric() {},
    log() {},
    client: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    signal: new AbortController().signal,
  };
  return context;
}

test('a version is registered although the control plane is killed twice meanwhile', async (t) => {
  const asked: unknown[] = [];
  const context = await openStep(t, async (request, response) => {
    asked.push(await json(request));
    const text = JSON.stringify({ version: 3, digest: 'sha256:0' });
    if (asked.length < 3) {
      // Before it answers, and in the midst of its answer.
      if (asked.length === 2) response.writeHead(200).write(text.slice(0, 5));
      setImmediate(() => request.socket.destroy());
    } else response.writeHead(200, { 'content-type': 'application/json' }).end(text);
  });

  const registered = await registerModel(context, { model: 'churn' });

  assert.deepEqual(registered, { model: 'churn', version: 3, digest: 'sha256:0' });
  assert.equal(asked.length, 3);
  assert.deepEqual(asked[1], asked[0]);
  assert.deepEqual(asked[2], asked[0]);
});

test('a refusal ends the step at once', async (t) => {
  let asked = 0;
  const context = await openStep(t, (_, response) => {
    asked += 1;
    const problem = { type: 'about:blank', title: 'No', status: 409, detail: 'too many', code: 'registry/limit' };
    response.writeHead(409, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
  });

  await assert.rejects(registerModel(context, { model: 'churn' }), { code: 'registry/limit' });
  assert.equal(asked, 1);
});
