import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { openHttpNotifier } from '#adapters/notify/http';
import { KedgeError } from '#core/errors';
import { digestOf } from '#core/hash';
import { tokenAuthenticator } from '#platform/access';
import { createClient } from '#platform/contract';
import type { Context } from '#platform/db';
import { Relay } from '#platform/events';
import { openHttpServer } from '#platform/http';
import { createRegistry, registryMigrations } from '#registry';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import { createGovernance, governanceKinds, governanceMigrations } from '../index.ts';
import { webhookContract } from './contract.ts';
import type { HappeningName } from './happenings.ts';

const ada: Context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'test' };
const SECRET = 'a secret of the test';
const HOUR_MS = 3_600_000;
const fails = (code: string) => (error: unknown) => error instanceof KedgeError && error.code === code;

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A server that answers with the next of `answers`, or 200 when there is none, and keeps what it was sent. */
async function openReceiver(t: TestContext, answers: number[] = []) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.writeHead(answers.shift() ?? 200).end('said');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, received };
}

async function open(t: TestContext, openDb: OpenDatabase) {
  const database = await openDb({ kinds: governanceKinds });
  const { deps, db, system, clock } = database;
  const governance = createGovernance({ ...deps, notifier: openHttpNotifier({ insideToo: true }) });
  const registry = createRegistry({ ...deps, gate: governance.gate });
  const server = openHttpServer({
    ...{ system, logger: deps.logger, metrics: deps.metrics },
    groups: governance.parts.routes,
    authenticator: tokenAuthenticator(new Map([['t', ada.actor]])),
  });
  const api = createClient(webhookContract, { baseUrl: await server.listen('127.0.0.1', 0), token: 't' });
  t.after(async () => {
    await server.close();
    await database.close();
  });
  const create = (url: string, events: HappeningName[], secret: string | null = null) =>
    api.createWebhook({ body: { name: 'hook', url, events, secret } });
  const register = () =>
    registry.registerVersion(ada, {
      model: 'delays',
      artifacts: [{ path: 'model.onnx', digest: digestOf('m'), bytes: 1 }],
      signature: { inputs: [{ name: 'x', kind: 'numeric' }], output: 'value' },
    });
  const { consumers } = governance.parts;
  /** Handles every event, and then sends what is due. */
  const deliver = async () => {
    const relay = new Relay({ db, system, consumers, onError: (_, __, message) => assert.fail(message) });
    relay.start();
    while (!(await relay.caughtUp())) await setImmediate();
    await relay.stop();
    for (const job of governance.parts.jobs) await job.run(new AbortController().signal);
  };
  return { ...database, clock, api, consumers, registry, create, register, deliver };
}

forEachDialect('Webhooks', [...registryMigrations, ...governanceMigrations], (openDb) => {
  test('a message says what happened in MLflow’s form, and its signature verifies by MLflow’s scheme', async (t) => {
    const { create, register, deliver } = await open(t, openDb);
    const { url, received } = await openReceiver(t);
    await create(url, ['model_version.created', 'gate_decision.created'], SECRET);
    await register();

    await deliver();

    assert.equal(received.length, 1);
    const [{ headers, body }] = received as [Received];
    const message = JSON.parse(body);
    assert.deepEqual([message.entity, message.action], ['model_version', 'created']);
    assert.deepEqual([message.data.name, message.data.version], ['delays', '1']);
    const signed = `${headers['x-mlflow-delivery-id']}.${headers['x-mlflow-timestamp']}.${body}`;
    const expected = createHmac('sha256', SECRET).update(signed).digest('base64');
    assert.equal(headers['x-mlflow-signature'], `v1,${expected}`);
  });

  test('what is not taken is sent again under the same id after a pause, and the log tells of it', async (t) => {
    const { api, clock, create, register, deliver } = await open(t, openDb);
    const { url, received } = await openReceiver(t, [503]);
    const { id } = await create(url, ['model_version.created']);
    await register();

    await deliver();
    const [waiting] = (await api.listDeliveries({ params: { webhook: id } })).items;
    await deliver();
    assert.equal(received.length, 1, 'it is not due yet');
    clock.advance(HOUR_MS);
    await deliver();

    assert.deepEqual([waiting?.status, waiting?.attempts, waiting?.answer], ['waiting', 1, '503 said']);
    const [delivered] = (await api.listDeliveries({ params: { webhook: id } })).items;
    assert.deepEqual([delivered?.status, delivered?.attempts, delivered?.answer], ['delivered', 2, '200 said']);
    const ids = received.map(({ headers }) => headers['x-mlflow-delivery-id']);
    assert.deepEqual(ids, [delivered?.id, delivered?.id]);
    assert.equal(received[0]?.headers['x-mlflow-signature'], undefined, 'without a secret nothing is signed');
  });

  test('a receiver that never answers well is given up, and can be sent to again by hand', async (t) => {
    const { api, clock, create, register, deliver } = await open(t, openDb);
    const { url, received } = await openReceiver(t, new Array<number>(12).fill(500));
    const { id } = await create(url, ['model_version.created']);
    await register();
    for (let attempt = 0; attempt < 13; attempt++) {
      await deliver();
      clock.advance(HOUR_MS);
    }

    const [failed] = (await api.listDeliveries({ params: { webhook: id } })).items;
    assert.ok(failed);
    assert.deepEqual([failed.status, failed.attempts, received.length], ['failed', 12, 12]);
    await api.redeliver({ params: { webhook: id, delivery: failed.id } });
    await deliver();

    const [again] = (await api.listDeliveries({ params: { webhook: id } })).items;
    assert.deepEqual([again?.status, received.length], ['delivered', 13]);
  });

  test('a webhook is told only of its events, and of none while it is disabled', async (t) => {
    const { api, registry, create, register, deliver } = await open(t, openDb);
    const { url, received } = await openReceiver(t);
    const { id } = await create(url, [
      'model_version_alias.created',
      'model_version_alias.deleted',
      'evidence.created',
    ]);
    await register();
    await registry.moveAlias(ada, { model: 'delays', alias: 'shadow', version: 1, reason: 'try' });
    await registry.addEvidence(ada, { model: 'delays', version: 1 }, { kind: 'leak-check', passed: true, data: {} });
    await deliver();
    await api.updateWebhook({ params: { webhook: id }, body: { status: 'disabled' } });
    await registry.removeAlias(ada, { model: 'delays', alias: 'shadow', reason: 'over' });
    await deliver();

    const told = received.map(({ body }) => {
      const { entity, action } = JSON.parse(body);
      return `${entity}.${action}`;
    });
    // What is due is sent at the same time, and may come in any order.
    assert.deepEqual(told.sort(), ['evidence.created', 'model_version_alias.created']);
  });

  test('what waits when a webhook is disabled is sent when it is active again', async (t) => {
    const { api, clock, create, register, deliver } = await open(t, openDb);
    const { url, received } = await openReceiver(t, [503]);
    const { id } = await create(url, ['model_version.created']);
    const change = (status: 'active' | 'disabled') => api.updateWebhook({ params: { webhook: id }, body: { status } });
    await register();
    await deliver();

    await change('disabled');
    clock.advance(HOUR_MS);
    await deliver();
    assert.equal(received.length, 1);
    const [held] = (await api.listDeliveries({ params: { webhook: id } })).items;
    assert.deepEqual([held?.status, held?.attempts], ['waiting', 1]);

    await change('active');
    await deliver();
    assert.equal(received.length, 2);
  });

  test('a model that is gone is told of, and one that cannot be read is told of when it can', async (t) => {
    const { db, system, clock, consumers, registry, create, register, deliver } = await open(t, openDb);
    const { url, received } = await openReceiver(t);
    await create(url, ['model_version.created']);
    await register();
    const rename = (from: string, to: string) =>
      db.maintain((tx) => tx.db.schema.alterTable(from).renameTo(to).execute());

    await rename('registry_model', 'registry_model_away');
    const failed = Promise.withResolvers<string>();
    const relay = new Relay({ db, system, consumers, onError: (_, __, message) => failed.resolve(message) });
    relay.start();
    assert.match(await failed.promise, /registry_model/);
    const stopped = relay.stop();
    clock.advance(HOUR_MS);
    await stopped;
    await rename('registry_model_away', 'registry_model');
    await registry.deleteModel(ada, 'delays', 'over');
    await deliver();

    assert.deepEqual(
      received.map(({ body }) => JSON.parse(body).data.name),
      ['delays'],
    );
  });

  test('the secret is never answered, and a wrong address or event is refused with its name', async (t) => {
    const { api, create } = await open(t, openDb);
    const { url } = await openReceiver(t);
    const webhook = await create(url, ['model_version.created'], SECRET);
    assert.equal(webhook.signed, true);
    assert.ok(!JSON.stringify([webhook, await api.listWebhooks({ query: {} })]).includes(SECRET));

    const unsigned = await api.updateWebhook({ params: { webhook: webhook.id }, body: { secret: null } });
    assert.equal(unsigned.signed, false);
    await assert.rejects(create('file:///etc/passwd', ['model_version.created']), /is not an http/);
    await assert.rejects(create('http://user:secret@example.org/', ['model_version.created']), /user name or password/);
    await assert.rejects(create(url, ['model.created' as HappeningName]), /body.events/);
    await assert.rejects(api.getWebhook({ params: { webhook: 'whk_none' } }), /there is no webhook 'whk_none'/);
  });

  test('a deleted webhook takes its deliveries with it', async (t) => {
    const { api, create, register, deliver } = await open(t, openDb);
    const { url, received } = await openReceiver(t);
    const { id } = await create(url, ['model_version.created']);
    await register();
    await api.deleteWebhook({ params: { webhook: id } });
    await deliver();

    assert.equal(received.length, 0);
    await assert.rejects(api.listDeliveries({ params: { webhook: id } }), /there is no webhook/);
    assert.deepEqual((await api.listWebhooks({ query: {} })).items, []);
  });
});

test('without leave, a webhook inside is refused when it is made', async (t) => {
  const notifier = openHttpNotifier();
  const { url } = await openReceiver(t);
  await assert.rejects(notifier.check(url), fails('notify/invalid-target'));
});
