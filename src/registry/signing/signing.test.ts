import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { KedgeError } from '#core/errors';
import { parseBundle } from './bundle.ts';
import { readCertificates } from './certificates.ts';
import { type FileProblem, folderFiles, type ModelFiles, problemsOf } from './files.ts';
import { BUNDLE_BYTES_MAX } from './format.ts';
import { readPrivateKey, readPublicKey } from './keys.ts';
import { type Signer, signStatement } from './sign.ts';
import { parseStatement, statementOf } from './statement.ts';
import { makeCertificate, makeChain, pemOf } from './testing.ts';
import { type Trust, verifyBundle } from './verify.ts';

const fails = (code: string, text?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof KedgeError, String(error));
  assert.equal(error.code, `signing/${code}`, error.message);
  if (text) assert.match(error.message, text);
  return true;
};

const sha256 = (content: string) => createHash('sha256').update(content).digest('hex');
const listed = (contents: Readonly<Record<string, string>>) =>
  Object.entries(contents).map(([path, content]) => ({ path, sha256: sha256(content) }));
const inMemory = (contents: Readonly<Record<string, string>>): ModelFiles => ({
  list: async () => Object.entries(contents).map(([path, content]) => ({ path, bytes: Buffer.byteLength(content) })),
  async read(path, range) {
    const content = Buffer.from(contents[path] ?? '');
    return (async function* () {
      yield range ? content.subarray(range.start, range.end) : content;
    })();
  },
});

const keyPair = (curve: string) =>
  curve === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: curve });
const { publicKey, privateKey } = keyPair('prime256v1');
const signer = readPrivateKey(pemOf(privateKey));
const trust: Trust = { keys: [readPublicKey(pemOf(publicKey))], authorities: [] };
const model = { 'model.onnx': 'weights', 'notes/card.md': 'A card', MLmodel: 'flavors: {}' };
const statement = statementOf('delays@1', listed(model));
const bundleOf = (text: string, by: Signer = signer) => parseBundle(Buffer.from(signStatement(text, by)));
const files = (problems: readonly FileProblem[]) => problems.map((problem) => problem.file);

for (const curve of ['prime256v1', 'secp384r1', 'secp521r1', 'ed25519']) {
  test(`what a key on ${curve} signs verifies with its public key and covers every file`, async () => {
    const pair = keyPair(curve);
    const key = readPublicKey(pemOf(pair.publicKey));

    const { manifest, signer: proven } = verifyBundle(bundleOf(statement, readPrivateKey(pemOf(pair.privateKey))), {
      keys: [...trust.keys, key],
      authorities: [],
    });

    assert.deepEqual([proven.kind, proven.hint, proven.trustedBy], ['key', key.hint, key.hint]);
    assert.deepEqual(
      manifest.resources.map((resource) => resource.name),
      ['MLmodel', 'model.onnx', 'notes/card.md'],
    );
    assert.deepEqual(await problemsOf(manifest, inMemory(model)), []);
    assert.throws(
      () => verifyBundle(bundleOf(statement, readPrivateKey(pemOf(pair.privateKey))), trust),
      (error) => fails('untrusted-signer', new RegExp(key.hint))(error),
    );
  });
}

test('the root digest is SHA-256 over the digests of the files in the order of their names', () => {
  const digests = ['MLmodel', 'model.onnx', 'notes/card.md'].map((path) => sha256(model[path as keyof typeof model]));
  const root = createHash('sha256')
    .update(Buffer.from(digests.join(''), 'hex'))
    .digest('hex');

  assert.equal(JSON.parse(statement).subject[0].digest.sha256, root);
  assert.equal(parseStatement(Buffer.from(statement)).root, root);
});

test('a changed, missing or added file is named, whatever the files are', async () => {
  const content = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}(\/[a-z]{1,8})?\.bin$/), fc.string(), {
    minKeys: 1,
    maxKeys: 6,
  });
  await fc.assert(
    fc.asyncProperty(content, fc.nat(), fc.constantFrom('change', 'remove', 'add'), async (contents, pick, how) => {
      const { manifest } = verifyBundle(bundleOf(statementOf('m', listed(contents))), trust);
      assert.deepEqual(await problemsOf(manifest, inMemory(contents)), []);

      const paths = Object.keys(contents);
      const path = how === 'add' ? 'added.exe' : (paths[pick % paths.length] as string);
      const { [path]: before = '', ...others } = contents;
      const after = how === 'remove' ? others : { ...others, [path]: `${before}!` };

      const problems = await problemsOf(manifest, inMemory(after));
      assert.deepEqual(files(problems), [path]);
      assert.ok(problems[0]?.message.includes(`'${path}'`));
    }),
    { numRuns: 60 },
  );
});

test('a statement in which any byte was changed is refused', () => {
  const bundle = bundleOf(statement);
  fc.assert(
    fc.property(fc.nat(bundle.payload.length - 1), fc.integer({ min: 1, max: 255 }), (index, change) => {
      const payload = Buffer.from(bundle.payload);
      payload[index] = (payload[index] ?? 0) ^ change;
      assert.throws(() => verifyBundle({ ...bundle, payload }, trust), fails('bad-signature', /over this statement/));
    }),
    { numRuns: 100 },
  );
});

test('a signature of another statement, a damaged one or one of another key under the same hint is refused', () => {
  const bundle = bundleOf(statement);
  const other = bundleOf(statementOf('delays@2', listed({ ...model, extra: '1' })));
  const forger = readPrivateKey(pemOf(keyPair('prime256v1').privateKey));
  const forged = bundleOf(statement, { ...forger, hint: signer.hint });
  const damaged = Buffer.from(bundle.signature);
  damaged[10] = (damaged[10] ?? 0) ^ 1;

  for (const signature of [other.signature, forged.signature, damaged, bundle.signature.subarray(1)]) {
    assert.throws(() => verifyBundle({ ...bundle, signature }, trust), fails('bad-signature'));
  }
});

test('a bundle without a hint is checked with each trusted key', () => {
  const bundle = { ...bundleOf(statement), material: { kind: 'key', hint: undefined } } as const;
  const others = readPublicKey(pemOf(keyPair('ed25519').publicKey));

  assert.equal(verifyBundle(bundle, { keys: [others, ...trust.keys], authorities: [] }).signer.hint, signer.hint);
  assert.throws(() => verifyBundle(bundle, { keys: [others], authorities: [] }), fails('untrusted-signer'));
});

test('a certificate chain verifies up to a trusted root, and says who signed', () => {
  const { root, issuing, leaf } = makeChain();
  const certificates = readCertificates(leaf.pem + issuing.pem);
  const bundle = bundleOf(statement, { ...readPrivateKey(pemOf(leaf.privateKey)), certificates });

  const { signer: proven } = verifyBundle(bundle, { keys: [], authorities: readCertificates(root.pem) });

  assert.deepEqual([proven.kind, proven.subject, proven.algorithm], ['certificate', 'CN=Model Team', 'ECDSA P-256']);
  assert.throws(() => verifyBundle(bundle, trust), fails('untrusted-signer', /Model Team does not lead/));
  assert.throws(
    () => signStatement(statement, { ...readPrivateKey(pemOf(root.privateKey)), certificates }),
    fails('invalid-key', /not about the private key/),
  );
});

test('a chain that a careful verifier must not follow is refused with the reason', () => {
  const root = makeCertificate('Root', { isAuthority: true });
  const authorities = readCertificates(root.pem);
  const issuing = makeCertificate('Issuing', { issuer: root, isAuthority: true, pathLength: 0 });
  const below = makeCertificate('Below', { issuer: issuing, isAuthority: true });
  const notAnAuthority = makeCertificate('Employee', { issuer: root });
  const onlySigns = makeCertificate('Signer', { issuer: root, maySign: true });
  const impostor = makeCertificate('Issuing', { isAuthority: true });
  const leafOf = (issuer: typeof root, change = {}) => makeCertificate('Leaf', { issuer, maySign: true, ...change });
  const cases: [ReturnType<typeof leafOf>, readonly (typeof root)[], RegExp][] = [
    [leafOf(notAnAuthority), [notAnAuthority], /CN=Employee may not issue/],
    [leafOf(onlySigns), [onlySigns], /does not lead to an authority/],
    [leafOf(below), [below, issuing], /CN=Issuing may issue through 0 authorities, not 1/],
    [leafOf(impostor), [issuing], /does not lead to an authority/],
    [leafOf(impostor), [impostor], /does not lead to an authority/],
    [leafOf(root, { maySign: false }), [], /neither for digital signatures nor for signing code/],
    [leafOf(root, { from: '2025-01-01T00:00:00Z' }), [], /CN=Root is not valid at 2025-01-01/],
    [leafOf(root, { to: '2026-02-01T00:00:00Z' }), [], /CN=Leaf is not valid at 2026-06-01/],
    [leafOf(root, { criticalExtension: '1.2.3.4' }), [], /critical extension 1\.2\.3\.4/],
  ];
  for (const [leaf, others, reason] of cases) {
    const certificates = readCertificates([leaf, ...others].map((one) => one.pem).join(''));
    const bundle = bundleOf(statement, { ...readPrivateKey(pemOf(leaf.privateKey)), certificates });
    const verify = () => verifyBundle(bundle, { keys: [], authorities }, Date.parse('2026-06-01T00:00:00Z'));
    assert.throws(verify, fails('untrusted-signer', reason));
  }
});

test('names that could leave the folder, or that are there twice, are refused in a statement that is signed', () => {
  const names = ['../etc/passwd', '/etc/passwd', 'a/../../b', './a', 'a//b', 'a/', '', 'C:/a', 'a\\b', 'a\0b', '..'];
  for (const path of names) {
    const signed = bundleOf(statementOf('m', [{ path, sha256: sha256('x') }]));
    assert.throws(() => verifyBundle(signed, trust), fails('invalid-statement', /expected a plain relative path/));
  }
  const twice = [...listed({ a: '1' }), ...listed({ a: '2' })];
  assert.throws(() => verifyBundle(bundleOf(statementOf('m', twice)), trust), fails('invalid-statement', /'a'.*twice/));
});

test('a statement of another kind, or that contradicts itself, is refused', () => {
  const good = JSON.parse(statement);
  const changed = (change: object) => bundleOf(JSON.stringify({ ...good, ...change }));
  const serialized = (change: object) =>
    changed({ predicate: { ...good.predicate, serialization: { ...good.predicate.serialization, ...change } } });
  const [subject] = good.subject;
  const cases: [ReturnType<typeof changed>, RegExp][] = [
    [changed({ _type: 'https://in-toto.io/Statement/v0.1' }), /statement\._type/],
    [changed({ predicateType: 'https://slsa.dev/provenance/v1' }), /statement\.predicateType/],
    [changed({ subject: [subject, subject] }), /exactly one subject/],
    [changed({ subject: [{ ...subject, digest: { sha256: '00' } }] }), /manifest is inconsistent/],
    [serialized({ hash_type: 'md5' }), /hash type 'md5' is not supported/],
    [serialized({ hash_type: 'blake2b' }), /'MLmodel': algorithm sha256 is not blake2b/],
    [serialized({ method: 'shards' }), /shard_size/],
    [serialized({ method: 'shards', shard_size: 4 }), /'MLmodel': expected <path>:<start>:<end>/],
    [bundleOf('[]'), /statement/],
    [bundleOf('nonsense'), /not JSON/],
  ];
  for (const [bundle, reason] of cases) {
    assert.throws(() => verifyBundle(bundle, trust), fails('invalid-statement', reason));
  }
});

test('a file that is no bundle of model signing is refused before anything in it is believed', () => {
  const good = JSON.parse(signStatement(statement, signer));
  const envelope = good.dsseEnvelope;
  const material = good.verificationMaterial;
  const cases: [unknown, RegExp][] = [
    [{ ...good, mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.2' }, /bundle\.mediaType/],
    [{ ...good, dsseEnvelope: { ...envelope, payloadType: 'text/plain' } }, /bundle\.dsseEnvelope\.payloadType/],
    [{ ...good, dsseEnvelope: { ...envelope, signatures: [] } }, /exactly one signature/],
    [{ ...good, dsseEnvelope: { ...envelope, payload: `${envelope.payload}=` } }, /payload: expected base64/],
    [{ ...good, verificationMaterial: {} }, /exactly one of publicKey/],
    [{ ...good, verificationMaterial: { ...material, certificate: { rawBytes: 'AA==' } } }, /tlogEntries/],
    [{ ...good, verificationMaterial: { x509CertificateChain: { certificates: [] } } }, /certificates/],
    [null, /bundle/],
    ['x'.repeat(BUNDLE_BYTES_MAX), /the limit is/],
  ];
  for (const [value, reason] of cases) {
    assert.throws(() => parseBundle(Buffer.from(JSON.stringify(value))), fails('invalid-bundle', reason));
  }
  for (const text of ['', '{', '\u{feff}{}', '[[[']) {
    assert.throws(() => parseBundle(Buffer.from(text)), fails('invalid-bundle'));
  }
  assert.throws(() => parseBundle(Buffer.from([0x22, 0xff, 0x22])), fails('invalid-bundle', /UTF-8/));
});

test('whatever JSON arrives as bundle or statement is parsed or refused with a code', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      for (const read of [parseBundle, parseStatement]) {
        try {
          read(Buffer.from(text));
        } catch (error) {
          assert.ok(error instanceof KedgeError, String(error));
        }
      }
    }),
  );
});

test('shards cover their file from the first byte to the last', async () => {
  const content = 'abcdefghij';
  const parts = [
    [0, 4],
    [4, 8],
    [8, 10],
  ].map(([start, end]) => ({ path: `big.bin:${start}:${end}`, sha256: sha256(content.slice(start, end)) }));
  const sharded = (resources: typeof parts) => {
    const one = JSON.parse(statementOf('m', resources));
    Object.assign(one.predicate.serialization, { method: 'shards', shard_size: 4 });
    return verifyBundle(bundleOf(JSON.stringify(one)), trust).manifest;
  };

  assert.deepEqual(await problemsOf(sharded(parts), inMemory({ 'big.bin': content, empty: '' })), []);
  const changed = await problemsOf(sharded(parts), inMemory({ 'big.bin': 'abcdEfghij' }));
  assert.match(changed[0]?.message ?? '', /'big\.bin:4:8' was changed/);
  const longer = await problemsOf(sharded(parts), inMemory({ 'big.bin': `${content}k` }));
  assert.match(longer[0]?.message ?? '', /'big\.bin' has 11 bytes, 10 were signed/);
  const gap = await problemsOf(sharded([parts[0]!, parts[2]!]), inMemory({ 'big.bin': content }));
  assert.match(gap[0]?.message ?? '', /10 bytes, 6 were signed/);
});

test('keys that model signing does not have are refused by name', () => {
  for (const pair of [generateKeyPairSync('rsa', { modulusLength: 2_048 }), keyPair('secp256k1')]) {
    assert.throws(() => readPublicKey(pemOf(pair.publicKey)), fails('invalid-key', /found (rsa|ec secp256k1)/));
    assert.throws(() => readPrivateKey(pemOf(pair.privateKey)), fails('invalid-key'));
  }
  assert.throws(() => readPublicKey(pemOf(privateKey)), fails('invalid-key', /expected a public key/));
  assert.throws(() => readPublicKey('nonsense'), fails('invalid-key', /cannot be read/));
  assert.throws(() => readCertificates('nonsense'), fails('invalid-key', /found 0/));
});

test('an encrypted key signs with its passphrase only', () => {
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open' }).toString();

  assert.equal(readPrivateKey(pem, 'open').hint, signer.hint);
  assert.throws(() => readPrivateKey(pem, 'wrong'), fails('invalid-key'));
  assert.throws(() => readPrivateKey(pem), fails('invalid-key'));
});

test('a folder is verified by its regular files; a symbolic link in it is refused by name', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-signing-'));
  const contents: Record<string, string> = { ...model, '.gitattributes': '*.onnx lfs', '.git/HEAD': 'ref' };
  for (const [path, content] of Object.entries(contents)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  await writeFile(join(folder, 'model.sig'), 'signature');
  const { manifest } = verifyBundle(bundleOf(statement), trust);

  assert.deepEqual(await problemsOf(manifest, folderFiles(folder)), []);
  await writeFile(join(folder, 'notes/card.md'), 'A cart');
  assert.deepEqual(files(await problemsOf(manifest, folderFiles(folder))), ['notes/card.md']);
  await symlink('/etc/passwd', join(folder, 'notes/link'));
  await assert.rejects(
    problemsOf(manifest, folderFiles(folder)),
    fails('invalid-folder', /'notes\/link' is a symbolic/),
  );
  await rm(folder, { recursive: true });
});
