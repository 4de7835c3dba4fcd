import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openHttpNotifier } from '#adapters/notify/http';
import { ManualClock } from '#core/clock';
import { sequenceIds } from '#core/ids';
import { seededRandom } from '#core/random';
import { createLogger, createMetrics } from '#platform/observe';
import { endpointOf, type GatewayHarness, openGateway } from '../testing/gateway-harness.ts';
import { logisticModel } from '../testing/models.ts';
import { lookUp, times } from '../testing/tensor-models.ts';
import type { Callback } from './callback.ts';
import { ATTEMPTS_MAX, Callbacks } from './callbacks.ts';

interface Received {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
}

const SECRET = 'known to both';
const received: Received[] = [];
let statusOf = (_: number): number => 200;
const receiver = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  received.push({ headers: request.headers as Received['headers'], body });
  response.writeHead(statusOf(received.length)).end('read');
});
let address: string;
let folder: string;

before(async () => {
  await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done));
  address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/answers`;
  folder = await mkdtemp(join(tmpdir(), 'kedge-callbacks-'));
});
after(async () => {
  receiver.closeAllConnections();
  receiver.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  received.length = 0;
  statusOf = () => 200;
});

const WITHIN_MS = 60_000;

async function messageWith(id: string): Promise<Received> {
  const giveUpAt = performance.now() + WITHIN_MS;
  for (;;) {
    assert.ok(performance.now() < giveUpAt, `no message about ${id}`);
    const message = received.find(({ body }) => body.includes(id));
    if (message) return message;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('an answer that is sent to the address its request named', () => {
  let harness: GatewayHarness;
  before(async () => {
    harness = await openGateway({
      repository: { 'times/1/model.onnx': times(10), 'look-up/1/model.onnx': lookUp() },
      table: async (put) => ({
        version: 1,
        endpoints: { delays: endpointOf('delays', await put(logisticModel({ a: 1 }), 'delay', 1)) },
      }),
      callbacks: { folder: join(folder, 'gateway'), secret: SECRET, notifier: openHttpNotifier({ insideToo: true }) },
    });
  });
  after(() => harness.close());

  const infer = (model: string, input: object, headers: Record<string, string>) =>
    fetch(`${harness.gateway.url}/v2/models/${model}/infer`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ id: 'mine', inputs: [input] }),
    });
  async function accepted(model: string, input: object): Promise<{ readonly id: string; readonly result: string }> {
    const response = await infer(model, input, { 'x-kedge-callback': address });
    assert.equal(response.status, 202);
    return (await response.json()) as { id: string; result: string };
  }
  const get = async (path: string) => (await fetch(harness.gateway.url + path)).json() as Promise<never>;

  test('comes signed, can still be asked for, and leaves a log', async () => {
    const { id, result } = await accepted('delays', { name: 'a', datatype: 'FP32', shape: [1], data: [0] });
    const { headers, body } = await messageWith(id);

    const signed = `${id}.${headers['webhook-timestamp']}.${body}`;
    const signature = createHmac('sha256', SECRET).update(signed).digest('base64');
    assert.equal(headers['webhook-id'], id);
    assert.equal(headers['webhook-signature'], `v1,${signature}`);
    const { answer, ...about } = JSON.parse(body) as { answer: { outputs: { data: number[] }[] } };
    assert.deepEqual(about, { id, model: 'delays', status: 200, result });
    assert.deepEqual(answer.outputs[0]?.data, [0.5]);
    assert.deepEqual(await get(result), answer);
    let log: { status: string; attempts: { answer: string }[] };
    do log = await get(`${result}/callback`);
    while (log.status === 'waiting');
    assert.deepEqual([log.status, log.attempts.map(({ answer }) => answer)], ['delivered', ['200 read']]);
  });

  test('is an error where the request failed', async () => {
    const { id } = await accepted('look-up', { name: 'x', datatype: 'INT64', shape: [1], data: [7] });
    const { status, error } = JSON.parse((await messageWith(id)).body) as { status: number; error: string };
    assert.equal(status, 500);
    assert.match(error, /^look-up, version 1/);
  });

  test('is left to be fetched where it has binary tensors', async () => {
    const response = await fetch(`${harness.gateway.url}/v2/models/times/infer`, {
      method: 'POST',
      headers: { 'x-kedge-callback': address },
      body: JSON.stringify({
        inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }],
        parameters: { binary_data_output: true },
      }),
    });
    const { id, result } = (await response.json()) as { readonly id: string; readonly result: string };
    const message = JSON.parse((await messageWith(id)).body) as { answer: unknown; result: string };
    assert.deepEqual([message.answer, message.result], [null, result]);
    const fetched = await fetch(harness.gateway.url + result);
    assert.ok(fetched.headers.has('inference-header-content-length'));
  });

  test('is refused for what is no address, and has no log where none was asked for', async () => {
    for (const url of ['ftp://example.com/', 'nowhere', `http://a.example/${'x'.repeat(2_000)}`]) {
      assert.equal((await infer('times', {}, { 'x-kedge-callback': url })).status, 400, url.slice(0, 30));
    }
    assert.equal((await fetch(`${harness.gateway.url}/v2/results/result_1/callback`)).status, 404);
  });
});

test('addresses inside are refused unless configured, and all addresses where nothing signs', async () => {
  const table = async () => ({ version: 1, endpoints: {} });
  const callbacks = { folder: join(folder, 'outside'), secret: SECRET, notifier: openHttpNotifier() };
  for (const [given, status, told] of [
    [callbacks, 400, /not a public address/],
    [undefined, 403, /KEDGE_CALLBACK_SECRET/],
  ] as const) {
    const harness = await openGateway({ table, callbacks: given });
    const answer = await harness.post('/v2/models/any/infer', {}, { 'x-kedge-callback': address });
    await harness.close();
    assert.equal(answer.status, status);
    assert.match(String(answer.body.error), told);
  }
  assert.equal(received.length, 0);
});

describe('callbacks', () => {
  let clock: ManualClock;
  let opened = 0;
  beforeEach(() => {
    clock = new ManualClock();
    opened++;
  });
  const open = async (left: readonly string[] = [], own = join(folder, `kept-${opened}`)): Promise<Callbacks> => {
    const callbacks = new Callbacks({
      ...{ folder: own, left, secret: SECRET, notifier: openHttpNotifier({ insideToo: true }) },
      system: { clock, ids: sequenceIds(), random: seededRandom(1) },
      ...{ logger: createLogger('test', 'fatal'), metrics: createMetrics('test') },
    });
    await callbacks.start();
    return callbacks;
  };
  const answer = { status: 200, answer: { body: Buffer.from('{"outputs":[]}'), jsonBytes: undefined } } as const;
  const begin = (callbacks: Callbacks, id: string) => callbacks.accept({ id, url: address, model: 'm' });
  /** Lets time pass until the callback is as told. */
  const reach = async (callbacks: Callbacks, id: string, reached: (callback: Callback) => boolean) => {
    for (;;) {
      const callback = callbacks.find(id);
      if (callback && reached(callback)) return callback;
      await clock.advance(900_000);
    }
  };
  const statuses = ({ attempts }: Callback) => attempts.map(({ answer: text }) => text.slice(0, 3));

  test('are sent again under the same id until they are taken', async () => {
    statusOf = (count) => (count < 3 ? 503 : 204);
    const callbacks = await open();
    await begin(callbacks, 'r-1');
    callbacks.settle('r-1', answer);
    const over = await reach(callbacks, 'r-1', ({ status }) => status === 'delivered');
    await callbacks.close();

    assert.deepEqual(statuses(over), ['503', '503', '204']);
    assert.deepEqual(new Set(received.map(({ headers }) => headers['webhook-id'])), new Set(['r-1']));
    assert.equal(new Set(received.map(({ body }) => body)).size, 1);
    const [first, second] = over.attempts.map(({ at }) => at);
    assert.ok(Number(second) > Number(first));
  });

  test('are given up after the last attempt', async () => {
    statusOf = () => 500;
    const callbacks = await open();
    await begin(callbacks, 'r-1');
    callbacks.settle('r-1', answer);
    const over = await reach(callbacks, 'r-1', ({ status }) => status === 'failed');
    await callbacks.close();
    assert.deepEqual([over.attempts.length, received.length], [ATTEMPTS_MAX, ATTEMPTS_MAX]);
  });

  test('go on after an end of the gateway, also in the process that takes the place of another', async () => {
    statusOf = () => 503;
    const first = await open();
    await begin(first, 'untaken');
    first.settle('untaken', answer);
    await reach(first, 'untaken', ({ attempts }) => attempts.length > 0);
    await begin(first, 'unanswered');
    await first.close();
    const before = join(folder, `kept-${opened}`);

    statusOf = () => 200;
    const second = await open([before], join(folder, `kept-${opened}-later`));
    const taken = await reach(second, 'untaken', ({ status }) => status === 'delivered');
    await reach(second, 'unanswered', ({ status }) => status === 'delivered');
    await second.close();

    assert.equal(statuses(taken).at(-1), '200');
    const bodies = received.map(({ body }) => JSON.parse(body) as { id: string; status: number; error?: string });
    assert.deepEqual(bodies.find(({ id }) => id === 'untaken')?.status, 200);
    const unanswered = bodies.find(({ id }) => id === 'unanswered');
    assert.equal(unanswered?.status, 503);
    assert.match(String(unanswered?.error), /ended before there was an answer/);
    assert.deepEqual((await readdir(before)).length, 0);
  });

  test('that were not taken up after all leave nothing', async () => {
    const callbacks = await open();
    await begin(callbacks, 'r-1');
    await callbacks.drop('r-1');
    await callbacks.close();
    assert.equal(callbacks.find('r-1'), undefined);
    assert.deepEqual(await readdir(join(folder, `kept-${opened}`)), []);
  });
});
