import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client, credentials } from '@grpc/grpc-js';
import type { ServiceDefinition } from '@grpc/proto-loader';
import { loadService } from './grpc/service.ts';
import { endpointOf, type GatewayHarness, openGateway } from './testing/gateway-harness.ts';
import { logisticModel } from './testing/models.ts';

const skip = spawnSync('openssl', ['version']).status !== 0 && 'openssl is not installed';

describe('a gateway over TLS that asks its clients for certificates', { skip }, () => {
  let folder: string;
  let harness: GatewayHarness;
  let service: ServiceDefinition;
  const file = (name: string): Buffer => readFileSync(join(folder, name));

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kedge-tls-'));
    makeCertificates(folder);
    service = await loadService();
    harness = await openGateway({
      grpcPort: 0,
      tls: { cert: file('server.pem'), key: file('server.key'), clientCa: file('ca.pem') },
      table: async (put) => ({
        version: 1,
        endpoints: { delays: endpointOf('delays', await put(logisticModel({ a: 1 }), 'delay', 1)) },
      }),
    });
  });
  after(async () => {
    await harness.close();
    rmSync(folder, { recursive: true });
  });

  function statusOverHttps(client: { readonly cert: Buffer; readonly key: Buffer } | undefined): Promise<number> {
    const url = new URL('/v2/models/delays/ready', harness.gateway.url);
    assert.equal(url.protocol, 'https:');
    return new Promise((resolve, reject) => {
      const sent = request(url, { ca: file('ca.pem'), agent: false, ...client }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0));
      });
      sent.on('error', reject).end();
    });
  }

  function readyOverGrpc(key: Buffer | null, cert: Buffer | null): Promise<boolean> {
    const address = harness.gateway.grpcAddress ?? '';
    const options = { 'grpc.ssl_target_name_override': 'localhost' };
    const client = new Client(address, credentials.createSsl(file('ca.pem'), key, cert), options);
    const { path, requestSerialize, responseDeserialize } = service['ServerReady'] ?? assert.fail();
    return new Promise<boolean>((resolve, reject) => {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, {}, (error, reply) => {
        client.close();
        if (error) reject(error);
        else resolve((reply as { readonly ready: boolean }).ready);
      });
    });
  }

  test('answers over HTTP and gRPC whoever shows a certificate of the authority', async () => {
    const [cert, key] = [file('client.pem'), file('client.key')];
    assert.equal(await statusOverHttps({ cert, key }), 200);
    assert.equal(await readyOverGrpc(key, cert), true);
  });

  test('lets nobody in without one, or with one of another authority', async () => {
    const [cert, key] = [file('stranger.pem'), file('stranger.key')];
    await assert.rejects(statusOverHttps(undefined));
    await assert.rejects(statusOverHttps({ cert, key }));
    await assert.rejects(readyOverGrpc(null, null), { code: 14 });
    await assert.rejects(readyOverGrpc(key, cert), { code: 14 });
    assert.equal(await readyOverGrpc(file('client.key'), file('client.pem')), true);
  });
});

/** An authority, a server and a client that it vouches for, and a stranger who vouches for himself. */
function makeCertificates(folder: string): void {
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const name of ['ca', 'stranger']) {
    const out = ['-keyout', `${name}.key`, '-out', `${name}.pem`];
    openssl('req', '-x509', ...newKey, ...out, '-days', '2', '-subj', `/CN=${name}`);
  }
  writeFileSync(join(folder, 'extensions'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  for (const name of ['server', 'client']) {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'extensions'];
    openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-out', `${name}.pem`);
  }
}
