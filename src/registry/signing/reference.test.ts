import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseBundle } from './bundle.ts';
import { readCertificates } from './certificates.ts';
import { folderFiles, problemsOf } from './files.ts';
import { readPrivateKey, readPublicKey } from './keys.ts';
import { signStatement } from './sign.ts';
import { statementOf } from './statement.ts';
import { makeChain, pemOf } from './testing.ts';
import { verifyBundle } from './verify.ts';

/** The reference implementation of the format: tools/ci/model-signing.sh installs it. */
const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
const installed = join(cache, 'kedge-ci/model-signing/bin/model_signing');
const command = process.env['KEDGE_TEST_MODEL_SIGNING'] ?? installed;
const skip = existsSync(command) ? false : 'model_signing is not installed: run tools/ci/model-signing.sh';

const model = {
  MLmodel: 'flavors: {}\n',
  'model.onnx': 'weights '.repeat(1_000),
  'data/a.bin': 'a',
  'data-b/c.bin': '',
  'näme/書.txt': 'text',
};
const files = Object.entries(model).map(([path, content]) => ({
  path,
  sha256: createHash('sha256').update(content).digest('hex'),
}));
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-reference-'));
  for (const [path, content] of Object.entries(model)) await put(path, content);
});
after(() => rm(folder, { recursive: true }));

async function put(path: string, content: string): Promise<string> {
  const target = join(folder, 'delays', path);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, content);
  return target;
}
async function beside(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}
function reference(...args: readonly string[]): { readonly ok: boolean; readonly words: string } {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd: folder });
  return { ok: status === 0, words: stdout + stderr };
}

for (const curve of ['prime256v1', 'secp384r1', 'secp521r1']) {
  test(`the reference implementation verifies what we sign on ${curve}, and we what it signs`, { skip }, async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: curve });
    const publicFile = await beside('key.pub', pemOf(publicKey));
    const privateFile = await beside('key.priv', pemOf(privateKey));
    const signature = await beside(
      'ours.sig',
      signStatement(statementOf('delays@1', files), readPrivateKey(pemOf(privateKey))),
    );
    const verify = (sig: string) =>
      reference('verify', 'key', 'delays', '--signature', sig, '--public_key', publicFile);

    const verified = verify(signature);
    assert.ok(verified.ok, verified.words);
    const signed = reference('sign', 'key', 'delays', '--signature', 'theirs.sig', '--private_key', privateFile);
    assert.ok(signed.ok, signed.words);

    const theirs = parseBundle(await readFile(join(folder, 'theirs.sig')));
    const trust = { keys: [readPublicKey(pemOf(publicKey))], authorities: [] };
    const { manifest } = verifyBundle(theirs, trust);
    assert.deepEqual(await problemsOf(manifest, folderFiles(join(folder, 'delays'))), []);

    const changed = await put('data/a.bin', 'b');
    const refused = verify(signature);
    assert.deepEqual(
      [refused.ok, /Hash mismatch for 'data\/a\.bin'/.test(refused.words)],
      [false, true],
      refused.words,
    );
    const problems = await problemsOf(manifest, folderFiles(join(folder, 'delays')));
    assert.deepEqual(
      problems.map((problem) => problem.file),
      ['data/a.bin'],
    );
    await writeFile(changed, model['data/a.bin']);
  });
}

test('the reference implementation verifies a chain that we signed with, and we one that it signed with', {
  skip,
}, async () => {
  const { root, issuing, leaf } = makeChain();
  const names = { root: root.pem, issuing: issuing.pem, leaf: leaf.pem };
  for (const [name, pem] of Object.entries(names)) await beside(`${name}.crt`, pem);
  await beside('leaf.key', pemOf(leaf.privateKey));
  const certificates = readCertificates(leaf.pem + issuing.pem);
  const ours = signStatement(statementOf('delays', files), { ...readPrivateKey(pemOf(leaf.privateKey)), certificates });
  await beside('chain.sig', ours);

  const verified = reference(
    ...['verify', 'certificate', 'delays', '--signature', 'chain.sig', '--certificate_chain', 'root.crt'],
  );
  assert.ok(verified.ok, verified.words);
  const signed = reference(
    ...['sign', 'certificate', 'delays', '--signature', 'theirs.sig', '--private_key', 'leaf.key'],
    ...['--signing_certificate', 'leaf.crt', '--certificate_chain', 'issuing.crt'],
  );
  assert.ok(signed.ok, signed.words);

  const theirs = parseBundle(await readFile(join(folder, 'theirs.sig')));
  const { manifest, signer } = verifyBundle(theirs, { keys: [], authorities: readCertificates(root.pem) });
  assert.equal(signer.subject, 'CN=Model Team');
  assert.deepEqual(await problemsOf(manifest, folderFiles(join(folder, 'delays'))), []);
});

test('what the reference implementation signs over a folder with ignored files and its own signature verifies', {
  skip,
}, async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  await beside('own.priv', pemOf(privateKey));
  const copy = join(folder, 'copy');
  await cp(join(folder, 'delays'), copy, { recursive: true });
  await writeFile(join(copy, 'draft.txt'), 'not part of it');
  const signed = reference(
    ...['sign', 'key', 'copy', '--signature', 'copy/model.sig', '--private_key', 'own.priv'],
    ...['--ignore-paths', 'copy/draft.txt'],
  );
  assert.ok(signed.ok, signed.words);

  const { manifest } = verifyBundle(parseBundle(await readFile(join(copy, 'model.sig'))), {
    keys: [readPublicKey(pemOf(publicKey))],
    authorities: [],
  });

  assert.deepEqual([...manifest.ignoredPaths].filter((path) => !path.startsWith('.')).sort(), [
    'draft.txt',
    'model.sig',
  ]);
  assert.deepEqual(await problemsOf(manifest, folderFiles(copy)), []);
  const strict = await problemsOf(manifest, folderFiles(copy), { mayIgnore: (path) => path.endsWith('.sig') });
  assert.deepEqual(strict, [{ file: 'draft.txt', message: "'draft.txt' was not signed" }]);
});
