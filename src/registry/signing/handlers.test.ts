import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { tokenAuthenticator } from '#platform/access';
import { createClient, ProblemError } from '#platform/contract';
import type { Actor } from '#platform/db';
import { openHttpServer } from '#platform/http';
import { forEachDialect } from '#testing/databases';
import { createBom } from '../bom/bom.ts';
import { bomContract } from '../bom/contract.ts';
import { registryContract } from '../contract.ts';
import { createRegistry, registryMigrations } from '../index.ts';
import { signingContract } from './contract.ts';
import { BUNDLE_BYTES_MAX, BUNDLE_MEDIA_TYPE } from './format.ts';
import { readPrivateKey } from './keys.ts';
import { signStatement } from './sign.ts';
import { createSigning, signingMigrations } from './signing.ts';
import { statementOf } from './statement.ts';
import { pemOf } from './testing.ts';

const problem = (status: number, code: string) => (error: unknown) => {
  assert.ok(error instanceof ProblemError, String(error));
  assert.deepEqual([error.problem.status, error.code], [status, code]);
  return true;
};
const actors: readonly Actor[] = [
  { id: 'user:ada', roles: ['admin'] },
  { id: 'worker:1', roles: ['worker'] },
];
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const sha256 = createHash('sha256').update('weights').digest('hex');
const bundle = signStatement(
  statementOf('delays', [{ path: 'model.onnx', sha256 }]),
  readPrivateKey(pemOf(privateKey)),
);
const upload = (text: string, contentType = BUNDLE_MEDIA_TYPE) => ({
  contentType,
  bytes: new Uint8Array(Buffer.from(text)),
});
const params = { model: 'delays', version: 1 };

forEachDialect('Signing over HTTP', [...registryMigrations, ...signingMigrations], (openDb) => {
  async function serve() {
    const database = await openDb();
    const root = await mkdtemp(join(tmpdir(), 'kedge-signing-http-'));
    const blobs = await openFsBlobStore({ root });
    await database.clock.advance(Date.parse('2026-06-01T00:00:00Z') - database.clock.now());
    const deps = { ...database.deps, blobs };
    const gate = { decide: async () => ({ allow: true, policy: null, satisfied: [] }) as const };
    const parts = [
      createRegistry({ ...deps, gate }).parts,
      createSigning(deps).parts,
      createBom({ ...deps, lineageOf: async () => undefined }).parts,
    ];
    const authenticator = tokenAuthenticator(new Map(actors.map((actor) => [actor.id, actor])));
    const groups = parts.flatMap((part) => part.routes);
    const server = openHttpServer({ ...database.deps, groups, authenticator });
    const baseUrl = await server.listen('127.0.0.1', 0);
    const [admin, worker] = actors.map(({ id: token }) => createClient(signingContract, { baseUrl, token }));
    const registry = createClient(registryContract, { baseUrl, token: 'user:ada' });
    const bom = createClient(bomContract, { baseUrl, token: 'user:ada' });
    assert.ok(admin && worker);
    const artifacts = [{ path: 'model.onnx', ...(await blobs.put(Buffer.from('weights'))) }];
    const signature = { inputs: [{ name: 'distance', kind: 'numeric' as const }], output: 'value' as const };
    await registry.registerVersion({ params: { model: 'delays' }, body: { artifacts, signature } });
    const close = async () => {
      await server.close();
      await database.close();
      await rm(root, { recursive: true });
    };
    return { admin, worker, bom, baseUrl, close };
  }

  test('only who governs says whose signatures count, and whoever may write attaches them', async () => {
    const { admin, worker, bom, close } = await serve();
    const body = { name: 'team', kind: 'key' as const, pem: pemOf(publicKey) };

    await assert.rejects(worker.addSigner({ body }), problem(403, 'access/forbidden'));
    await admin.addSigner({ body });
    const revoke = worker.revokeSigner({ params: { signer: 'team' } });
    await assert.rejects(revoke, problem(403, 'access/forbidden'));
    const signature = await worker.signVersion({ params, upload: upload(bundle) });

    assert.deepEqual([signature.signer, signature.by], ['team', 'worker:1']);
    assert.deepEqual((await worker.listSignatures({ params })).items, [signature]);
    assert.equal((await worker.verifyVersion({ params })).verified, true);
    assert.equal((await worker.listSigners()).items[0]?.addedBy, 'user:ada');
    const exported = JSON.stringify(await bom.exportBom({ params }));
    assert.ok(exported.includes('"digital-signature"') && exported.includes(signature.bundle.digest));
    await close();
  });

  test('another media type, a bundle that is too large and one that is none are refused', async () => {
    const { admin, baseUrl, close } = await serve();
    const send = (text: string, contentType?: string) =>
      admin.signVersion({ params, upload: upload(text, contentType) });

    await assert.rejects(send(bundle, 'application/octet-stream'), problem(415, 'http/unsupported-media-type'));
    await assert.rejects(send(' '.repeat(BUNDLE_BYTES_MAX + 1)), problem(413, 'http/too-large'));
    await assert.rejects(send('{"mediaType":"x"}'), problem(400, 'signing/invalid-bundle'));
    await assert.rejects(send('[['.repeat(1_000_000)), problem(400, 'signing/invalid-bundle'));
    const path = `${baseUrl}/api/v1/models/delays/versions/1/signatures`;
    assert.equal((await fetch(path, { method: 'POST', body: bundle })).status, 401);
    await assert.rejects(
      admin.signVersion({ params: { ...params, version: 2 }, upload: upload(bundle) }),
      problem(404, 'registry/version-not-found'),
    );
    assert.deepEqual((await admin.listSignatures({ params })).items, []);
    await close();
  });
});
