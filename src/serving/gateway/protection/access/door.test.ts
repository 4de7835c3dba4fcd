import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { digestOf } from '#core/hash';
import { loadService } from '../../grpc/service.ts';
import { endpointOf, type GatewayHarness, openGateway } from '../../testing/gateway-harness.ts';
import { logisticModel } from '../../testing/models.ts';

const KEY = 'kedge_0123456789abcdef_the-key-of-an-application';
const keyTable = (tag: string, secrets: readonly string[]) => ({
  tag,
  barred: [],
  keys: secrets.map((secret) => ({
    hash: digestOf(secret).slice('sha256:'.length),
    actor: 'user:app',
    groups: [],
    expiresAt: null,
  })),
});

/** Calls of every protocol that ask for a prediction, as paths with bodies. */
const CALLS: readonly (readonly [string, unknown])[] = [
  ['/v1/endpoints/delays/predict', { inputs: { a: 1 } }],
  ['/v2/models/delays/infer', { inputs: [{ name: 'a', datatype: 'FP32', shape: [1], data: [1] }] }],
  ['/invocations', { instances: [{ a: 1 }] }],
  ['/endpoints/delays/invocations', { instances: [{ a: 1 }] }],
  ['/v1/models/delays:predict', { instances: [{ a: 1 }] }],
];

const INFER = {
  model_name: 'delays',
  inputs: [{ name: 'a', datatype: 'FP32', shape: ['1'], contents: { fp32_contents: [1] } }],
};

describe('a gateway that asks for credentials', () => {
  let harness: GatewayHarness;
  let folder: string;
  let client: Client;
  let sign: (claims: Record<string, unknown>) => Promise<string>;
  const issuer = createServer((request, response) => {
    const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
    response.end(JSON.stringify(request.url === '/keys' ? keys : { issuer: url, jwks_uri: `${url}/keys` }));
  });
  let keys: unknown;

  const call = (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
    fetch(harness.gateway.url + path, { method: 'POST', body: JSON.stringify(body), headers });
  const statuses = (headers?: Readonly<Record<string, string>>) =>
    Promise.all(CALLS.map(async ([path, body]) => (await call(path, body, headers)).status));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kedge-door-'));
    const { publicKey, privateKey } = await generateKeyPair('RS256');
    keys = { keys: [{ ...(await exportJWK(publicKey)), kid: '1', alg: 'RS256' }] };
    await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
    sign = (claims) =>
      new SignJWT({ iss: url, aud: 'kedge', sub: 'app', groups: ['apps'], ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: '1' })
        .setExpirationTime('1h')
        .sign(privateKey);
    const tokens = { issuer: url, audience: 'kedge', roleClaim: 'groups', roles: new Map([['apps', 'caller']]) };
    harness = await openGateway({
      grpcPort: 0,
      access: { kind: 'credentials', callersFile: join(folder, 'callers.json'), tokens },
      table: async (put) => ({
        version: 1,
        endpoints: { delays: endpointOf('delays', await put(logisticModel({ a: 1 }), 'delay', 1)) },
      }),
    });
    client = new Client(harness.gateway.grpcAddress ?? '', credentials.createInsecure());
  });
  after(async () => {
    client.close();
    await harness.close();
    issuer.close();
    await rm(folder, { recursive: true });
  });

  async function grpc(name: string, message: object, key?: string): Promise<unknown> {
    const service = await loadService();
    const definition = service[name];
    assert.ok(definition);
    const metadata = new Metadata();
    if (key !== undefined) metadata.set('authorization', `Bearer ${key}`);
    return new Promise((resolve, reject) =>
      client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        message,
        metadata,
        (error: ServiceError | null, answer) => (error ? reject(error) : resolve(answer)),
      ),
    );
  }

  async function stream(key?: string): Promise<unknown> {
    const definition = (await loadService())['ModelStreamInfer'];
    assert.ok(definition);
    const metadata = new Metadata();
    if (key !== undefined) metadata.set('x-api-key', key);
    const { path, requestSerialize, responseDeserialize } = definition;
    const duplex = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
    return new Promise((resolve, reject) => {
      duplex.on('data', resolve).on('error', reject);
      duplex.write(INFER);
      duplex.end();
    });
  }

  test('lets nobody in without a key, whichever protocol asks, and says how', async () => {
    assert.deepEqual(await statuses(), [401, 401, 401, 401, 401]);
    assert.deepEqual(await statuses({ authorization: 'Bearer wrong' }), [401, 401, 401, 401, 401]);
    const response = await call('/v2/models/delays/infer', {});
    assert.equal(response.headers.get('www-authenticate'), 'Bearer');
    assert.match(((await response.json()) as { error: string }).error, /Authorization: Bearer/);
    assert.equal((await fetch(`${harness.gateway.url}/metrics`)).status, 401);
    await assert.rejects(grpc('ModelInfer', INFER), { code: 16 });
    await assert.rejects(stream(), { code: 16 });
  });

  test('answers probes without a key', async () => {
    for (const path of ['/v2/health/live', '/v2/health/ready', '/ping', '/health']) {
      assert.equal((await fetch(harness.gateway.url + path)).status, 200, path);
    }
    assert.deepEqual(await grpc('ServerLive', {}), { live: true });
  });

  test('lets a key in within seconds of its making, and no more once it is revoked', async () => {
    const settles = async (expected: number): Promise<void> => {
      const deadline = performance.now() + 30_000;
      while ((await call(...(CALLS[0] as [string, unknown]), { 'x-api-key': KEY })).status !== expected) {
        assert.ok(performance.now() < deadline, `the gateway never answered ${expected}`);
      }
    };
    harness.controlPlane.admit(keyTable('1', [KEY]));
    await settles(200);
    assert.deepEqual(await statuses({ authorization: `Bearer ${KEY}` }), [200, 200, 200, 200, 200]);
    assert.ok(await grpc('ModelInfer', INFER, KEY));
    assert.ok(await stream(KEY));

    harness.controlPlane.admit(keyTable('2', []));
    await settles(401);
    await assert.rejects(grpc('ModelInfer', INFER, KEY), { code: 16 });
    // What is kept for a start without the control plane is what counts now, and holds no secret.
    for (;;) {
      const kept = await readFile(join(folder, 'callers.json'), 'utf8').catch(() => '');
      assert.ok(!kept.includes(KEY));
      if (kept.includes('"tag":"2"')) break;
    }
  });

  test('lets in a token that the identity provider signed for it', async () => {
    assert.deepEqual(await statuses({ authorization: `Bearer ${await sign({})}` }), [200, 200, 200, 200, 200]);
    assert.deepEqual((await statuses({ authorization: `Bearer ${await sign({ aud: 'x' })}` }))[0], 401);
    assert.deepEqual((await statuses({ authorization: `Bearer ${await sign({ groups: [] })}` }))[0], 403);
    assert.ok(await grpc('ModelInfer', INFER, await sign({})));
  });
});

describe('a gateway for this machine only', () => {
  test('refuses what a page of another site makes a browser send', async () => {
    const harness = await openGateway({
      table: async (put) => ({
        version: 1,
        endpoints: { delays: endpointOf('delays', await put(logisticModel({ a: 1 }), 'delay', 1)) },
      }),
    });
    const post = (headers: Readonly<Record<string, string>>) =>
      fetch(`${harness.gateway.url}/v1/endpoints/delays/predict`, {
        method: 'POST',
        body: '{"inputs":{"a":1}}',
        headers,
      });

    assert.equal((await post({})).status, 200);
    assert.equal((await post({ origin: 'http://localhost:4600' })).status, 200);
    const refused = await post({ origin: 'https://evil.example' });
    assert.equal(refused.status, 403);
    assert.equal(((await refused.json()) as { code: string }).code, 'gateway/foreign-origin');
    await harness.close();
  });
});
