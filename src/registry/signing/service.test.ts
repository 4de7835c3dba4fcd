import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { KedgeError } from '#core/errors';
import { AuditLog } from '#platform/audit';
import type { Context } from '#platform/db';
import { forEachDialect } from '#testing/databases';
import { createRegistry, registryMigrations, type VersionDraft } from '../index.ts';
import { readCertificates } from './certificates.ts';
import { readPrivateKey } from './keys.ts';
import { type Signer, signStatement } from './sign.ts';
import { createSigning, signingMigrations } from './signing.ts';
import { statementOf } from './statement.ts';
import { makeCertificate, makeChain, pemOf } from './testing.ts';

const ada: Context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'test' };
const fails = (code: string, text?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof KedgeError, String(error));
  assert.equal(error.code, code, error.message);
  if (text) assert.match(error.message, text);
  return true;
};
const sha256 = (content: string) => createHash('sha256').update(content).digest('hex');
const newKey = () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return { signer: readPrivateKey(pemOf(privateKey)), pem: pemOf(publicKey) };
};
const team = newKey();
const key = { model: 'delays', version: 1 };
const contents: Readonly<Record<string, string>> = { 'model.onnx': 'weights', 'notes/card.md': 'A card' };
const bundleOf = (files: Readonly<Record<string, string>>, signer: Signer = team.signer) => {
  const listed = Object.entries(files).map(([path, content]) => ({ path, sha256: sha256(content) }));
  return Buffer.from(signStatement(statementOf('delays', listed), signer));
};

forEachDialect('Signatures of versions', [...registryMigrations, ...signingMigrations], (openDb) => {
  async function open(files = contents) {
    const database = await openDb();
    const root = await mkdtemp(join(tmpdir(), 'kedge-signatures-'));
    const blobs = await openFsBlobStore({ root });
    await database.clock.advance(Date.parse('2026-06-01T00:00:00Z') - database.clock.now());
    const gate = { decide: async () => ({ allow: true, policy: null, satisfied: [] }) as const };
    const registry = createRegistry({ ...database.deps, gate, blobs });
    const signing = createSigning({ ...database.deps, blobs });
    const artifacts: VersionDraft['artifacts'] = [];
    for (const [path, content] of Object.entries(files)) {
      artifacts.push({ path, ...(await blobs.put(Buffer.from(content))) });
    }
    const signature = { inputs: [{ name: 'distance', kind: 'numeric' as const }], output: 'probability' as const };
    await registry.registerVersion(ada, { model: 'delays', artifacts, signature });
    const close = async () => {
      await database.close();
      await rm(root, { recursive: true });
    };
    return { ...database, blobs, registry, signing, close };
  }
  const trustTeam = { name: 'team', kind: 'key', pem: team.pem } as const;

  test('a signature of a trusted key becomes evidence, and its file is kept byte for byte', async () => {
    const { registry, signing, blobs, db, close } = await open();
    await signing.signers.add(ada, trustTeam);
    const file = bundleOf(contents);

    const signature = await signing.sign(ada, key, file);
    const again = await signing.sign(ada, key, file);

    assert.deepEqual([signature.signer, signature.files, signature.kind], ['team', 2, 'key']);
    assert.deepEqual(Buffer.from(await blobs.read(signature.bundle.digest)), file);
    assert.deepEqual(again, signature);
    const evidence = await registry.evidence('delays', 1);
    assert.deepEqual(
      evidence.map(({ id, kind, passed }) => [id, kind, passed]),
      [[signature.evidence, 'signature', true]],
    );
    const [entry] = await new AuditLog(db.reader).search({ subject: 'model-version/delays@1', limit: 1 });
    assert.ok(JSON.stringify(entry?.detail).includes(signature.evidence));
    assert.deepEqual(await signing.signatures(key), [signature]);
    assert.equal((await signing.verify(key)).verified, true);
    await close();
  });

  test('a signature by a key that is not trusted, or no longer, is refused and leaves nothing', async () => {
    const { signing, registry, close } = await open();
    await assert.rejects(signing.sign(ada, key, bundleOf(contents)), fails('signing/untrusted-signer'));
    await signing.signers.add(ada, trustTeam);
    await signing.sign(ada, key, bundleOf(contents));

    const revoked = await signing.signers.revoke(ada, 'team', 'the laptop was stolen');

    assert.equal(revoked.revokedBy, 'user:ada');
    assert.deepEqual(await signing.signers.revoke(ada, 'team', ''), revoked);
    await assert.rejects(signing.sign(ada, key, bundleOf(contents)), fails('signing/untrusted-signer'));
    const { verified, signatures } = await signing.verify(key);
    assert.deepEqual([verified, signatures[0]?.verified], [false, false]);
    assert.match(signatures[0]?.problems[0]?.message ?? '', /none that is trusted/);
    assert.equal((await registry.evidence('delays', 1)).length, 1);
    await close();
  });

  test('a signature of other files is refused with the names of the files', async () => {
    const { signing, close } = await open();
    await signing.signers.add(ada, trustTeam);
    const { 'model.onnx': weights = '' } = contents;
    const cases: [Readonly<Record<string, string>>, RegExp][] = [
      [{ ...contents, 'model.onnx': 'other weights' }, /'model\.onnx' was changed/],
      [{ 'model.onnx': weights }, /'notes\/card\.md' was not signed/],
      [{ ...contents, 'extra.bin': '' }, /'extra\.bin' is missing/],
    ];
    for (const [files, reason] of cases) {
      await assert.rejects(signing.sign(ada, key, bundleOf(files)), fails('signing/mismatch', reason));
    }
    await close();
  });

  test('a signer cannot leave a file of the model unsigned by ignoring it, only other attestations', async () => {
    const ignoring = (path: string) => {
      const all: Record<string, string> = { ...contents, 'evil.onnx': 'x', 'provenance.sigstore.json': 'y' };
      const { [path]: _left, ...rest } = all;
      const listed = Object.entries(rest).map(([name, content]) => ({ path: name, sha256: sha256(content) }));
      const statement = JSON.parse(statementOf('delays', listed));
      statement.predicate.serialization.ignore_paths.push(path);
      return Buffer.from(signStatement(JSON.stringify(statement), team.signer));
    };
    const { signing, close } = await open({ ...contents, 'evil.onnx': 'x', 'provenance.sigstore.json': 'y' });
    await signing.signers.add(ada, trustTeam);

    await assert.rejects(
      signing.sign(ada, key, ignoring('evil.onnx')),
      fails('signing/mismatch', /'evil\.onnx' was not signed/),
    );
    assert.equal((await signing.sign(ada, key, ignoring('provenance.sigstore.json'))).files, 3);
    await close();
  });

  test('verification names the stored file that was damaged, and the signature file that was', async () => {
    const { signing, registry, blobs, close } = await open();
    await signing.signers.add(ada, trustTeam);
    const { bundle } = await signing.sign(ada, key, bundleOf(contents));
    const version = await registry.getVersion('delays', 1);
    const card = version.artifacts.find((artifact) => artifact.path === 'notes/card.md');
    assert.ok(card);

    await damage(await blobs.localPath(card.digest), 'A cart');
    const damaged = await signing.verify(key);
    assert.equal(damaged.verified, false);
    assert.deepEqual(
      damaged.signatures[0]?.problems.map((problem) => problem.file),
      ['notes/card.md'],
    );

    await damage(await blobs.localPath(bundle.digest), 'nonsense');
    const [signature] = (await signing.verify(key)).signatures;
    assert.equal(signature?.verified, false);
    assert.match(signature?.problems[0]?.message ?? '', /damaged|corrupt/i);
    await close();
  });

  test('whoever a trusted authority certifies may sign, while the certificate is valid', async () => {
    const { signing, close } = await open();
    const { root, issuing, leaf } = makeChain();
    const expired = makeCertificate('Former Team', { issuer: issuing, maySign: true, to: '2026-02-01T00:00:00Z' });
    await signing.signers.add(ada, { name: 'bank-ca', kind: 'authority', pem: root.pem });
    const signedBy = (one: typeof leaf) => {
      const certificates = readCertificates(one.pem + issuing.pem);
      return bundleOf(contents, { ...readPrivateKey(pemOf(one.privateKey)), certificates });
    };

    const signature = await signing.sign(ada, key, signedBy(leaf));

    assert.deepEqual([signature.signer, signature.subject], ['bank-ca', 'CN=Model Team']);
    assert.match(signature.summary, /2 files signed by CN=Model Team, certified by bank-ca/);
    await assert.rejects(signing.sign(ada, key, signedBy(expired)), fails('signing/untrusted-signer', /not valid at/));
    await close();
  });

  test('a name or a key is trusted once, and what was revoked does not come back under another name', async () => {
    const { signing, close } = await open();
    await signing.signers.add(ada, trustTeam);

    await assert.rejects(
      signing.signers.add(ada, { ...trustTeam, name: 'other' }),
      fails('signing/signer-exists', /is trusted already/),
    );
    await signing.signers.revoke(ada, 'team', '');
    await assert.rejects(
      signing.signers.add(ada, { ...trustTeam, name: 'other' }),
      fails('signing/signer-exists', /was revoked/),
    );
    await assert.rejects(
      signing.signers.add(ada, { name: 'ca', kind: 'authority', pem: team.pem }),
      fails('signing/invalid-key'),
    );
    await assert.rejects(signing.signers.revoke(ada, 'nobody', ''), fails('signing/signer-not-found'));
    await close();
  });

  test('a deleted version takes no signature, and evidence of this kind is not taken without one', async () => {
    const { signing, registry, close } = await open();
    await signing.signers.add(ada, trustTeam);
    await assert.rejects(
      registry.addEvidence(ada, key, { kind: 'signature', passed: true }),
      fails('registry/invalid', /by signing/),
    );
    await registry.deleteVersion(ada, key, '');
    await assert.rejects(signing.sign(ada, key, bundleOf(contents)), fails('registry/version-deleted'));
    await close();
  });
});

async function damage(path: string, content: string): Promise<void> {
  await chmod(path, 0o600);
  await writeFile(path, content);
}
