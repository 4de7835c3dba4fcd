import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dsse } from '@sigstore/core';
import { KedgeError } from '#core/errors';
import { parseBundle } from './bundle.ts';
import { readCertificate, verifyChain } from './certificates.ts';
import { isSignedBy, verifyingKey } from './keys.ts';
import { PAYLOAD_TYPE, parseStatement } from './statement.ts';
import { verifyBundle } from './verify.ts';

/** The vectors that the specification publishes: bundles without the keys and files that belong to them. */
const folder = fileURLToPath(new URL('../../../../shared/data/oms-vectors/v1.0/', import.meta.url));
const skip = existsSync(folder) ? false : 'the published vectors are not in ../shared/data/oms-vectors';
const read = (path: string) => readFileSync(`${folder}${path}.bundle.json`);
const code = (error: unknown) => (error instanceof KedgeError ? error.code : String(error));
const codeOf = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    return code(error);
  }
  return 'accepted';
};

for (const [name, root] of [
  ['key', '92745110b1ab4368471cbe31664e10174e954b113a3df333db860317b2c6dec4'],
  ['certificate', '92745110b1ab4368471cbe31664e10174e954b113a3df333db860317b2c6dec4'],
  ['sigstore', '61d4849d9d90076d6215f4d525f13d6574af8e3f67aef3e6f36fc40a14fdd226'],
]) {
  test(`the published bundle signed by ${name} is read, and its root digest recomputed`, { skip }, () => {
    const { payload } = parseBundle(read(`valid/${name}`));
    const manifest = parseStatement(payload);

    assert.equal(manifest.root, root);
    assert.deepEqual(
      manifest.resources.map((resource) => resource.path),
      ['signme-1', 'signme-2'],
    );
  });
}

test('the published certificate chain verifies up to the authority above the signer, with its signature', {
  skip,
}, () => {
  const bundle = parseBundle(read('valid/certificate'));
  assert.ok(bundle.material.kind === 'chain');
  const [leaf, issuing] = bundle.material.certificates.map(readCertificate);
  assert.ok(leaf && issuing);

  const { signer } = verifyBundle(bundle, { keys: [], authorities: [issuing] });

  assert.deepEqual([signer.algorithm, signer.subject], ['ECDSA P-384', 'CN=intermediate-ca']);
  assert.equal(verifyChain([leaf], [issuing]).authority, issuing);
  assert.equal(
    codeOf(() => verifyBundle(bundle, { keys: [], authorities: [] })),
    'signing/untrusted-signer',
  );
});

test('the published keyless bundle bears the signature of its certificate, whose instance is not trusted', {
  skip,
}, () => {
  const bundle = parseBundle(read('valid/sigstore'));
  assert.ok(bundle.material.kind === 'keyless');
  const { x509 } = readCertificate(bundle.material.certificate);
  const content = dsse.preAuthEncoding(PAYLOAD_TYPE, bundle.payload);

  assert.ok(isSignedBy(verifyingKey(x509.publicKey), content, bundle.signature));
  assert.equal(
    codeOf(() => verifyBundle(bundle, { keys: [], authorities: [] })),
    'signing/untrusted-signer',
  );
});

test('the published bundles that must be rejected are, as bundles or as statements', { skip }, () => {
  for (const name of ['empty', 'missing-envelope', 'missing-tlog-entries', 'missing-verification-material']) {
    assert.equal(
      codeOf(() => parseBundle(read(`invalid/${name}`))),
      'signing/invalid-bundle',
      name,
    );
  }
  const { payload } = parseBundle(read('invalid-payload/wrong-predicate'));
  assert.equal(
    codeOf(() => parseStatement(payload)),
    'signing/invalid-statement',
  );
});
