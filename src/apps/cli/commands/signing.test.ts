import assert from 'node:assert/strict';
import { fork, spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect } from '#client';
import { compileCache } from '#testing/compile-cache';
import { openDataDir } from '../../data-dir.ts';
import type { ReadyMessage } from '../../process.ts';

const contents = {
  'model.onnx': 'weights',
  'requirements.txt': 'scikit-learn==1.9.1\n',
  'notes/card.md': 'A card',
};

/** A control plane with the model `delays@1`, a folder with its files, and the command line that talks to it. */
async function start(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'kedge-cli-signing-'));
  const dataDir = openDataDir(join(root, 'data'));
  const child = fork(fileURLToPath(new URL('../../control-plane/main.ts', import.meta.url)), [], {
    env: { ...compileCache, KEDGE_DATA: dataDir.root, KEDGE_PORT: '0', KEDGE_LOG_LEVEL: 'fatal' },
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  t.after(async () => {
    const isRunning = child.exitCode === null && child.signalCode === null;
    if (isRunning && child.kill('SIGKILL')) await once(child, 'exit');
    await rm(root, { recursive: true, maxRetries: 5 });
  });
  const [{ ready }] = (await once(child, 'message')) as [ReadyMessage];
  const url = ready['url'] ?? '';
  const token = dataDir.tokens.admin;
  await register({ url, token });
  const model = join(root, 'delays');
  await mkdir(join(model, 'notes'), { recursive: true });
  for (const [path, content] of Object.entries(contents)) await writeFile(join(model, path), content);
  const kedge = async (...args: readonly string[]) => {
    const main = fileURLToPath(new URL('../main.ts', import.meta.url));
    const run = spawn(process.execPath, [main, ...args, '--url', url, '--token', token], { cwd: root });
    const output: Buffer[] = [];
    for (const stream of [run.stdout, run.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk));
    const [code] = (await once(run, 'close')) as [number];
    return { code, words: Buffer.concat(output).toString() };
  };
  return { root, model, kedge };
}

async function register(at: { readonly url: string; readonly token: string }): Promise<void> {
  const kedge = connect(at);
  const { id: run } = await kedge.tracking.createTrackingRun({ body: { experiment: 'delays' } });
  const artifacts = [];
  for (const [path, content] of Object.entries(contents)) {
    const upload = { contentType: 'application/octet-stream', bytes: new Uint8Array(Buffer.from(content)) };
    const { digest, bytes } = await kedge.tracking.putArtifact({ params: { run }, query: { path }, upload });
    artifacts.push({ path, digest, bytes });
  }
  await kedge.tracking.logToTrackingRun({ params: { run }, body: { params: { depth: '6' } } });
  const dataset = { name: 'flights', digest: 'a1b2c3d4', source_type: 's3', source: 's3://bucket/flights' };
  const tags = [{ key: 'mlflow.data.context', value: 'training' }];
  const logged = await fetch(`${at.url}/api/2.0/mlflow/runs/log-inputs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${at.token}` },
    body: JSON.stringify({ run_id: run, datasets: [{ dataset, tags }] }),
  });
  assert.equal(logged.status, 200, await logged.text());
  const signature = { inputs: [{ name: 'distance', kind: 'numeric' as const }], output: 'probability' as const };
  await kedge.registry.registerVersion({ params: { model: 'delays' }, body: { run, artifacts, signature } });
}

async function keyFiles(root: string, name: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const [key, pub] = [join(root, `${name}.key`), join(root, `${name}.pub`)];
  await writeFile(key, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(pub, publicKey.export({ type: 'spki', format: 'pem' }));
  return { key, pub };
}

test('a version is signed on the command line, and anybody with the public key can verify it', {
  timeout: 300_000,
}, async (t) => {
  const { root, model, kedge } = await start(t);
  const team = await keyFiles(root, 'team');
  const other = await keyFiles(root, 'other');
  const signature = join(root, 'delays.sig');

  const unsigned = await kedge('versions', 'verify', 'delays@1');
  assert.deepEqual([unsigned.code, unsigned.words], [1, 'delays@1 is not signed\n']);
  const untrusted = await kedge('versions', 'sign', 'delays@1', '--key', team.key);
  assert.equal(untrusted.code, 1);
  assert.match(untrusted.words, /none that is trusted/);
  const added = await kedge('signers', 'add', 'team', '--key', team.pub);
  assert.equal(added.code, 0, added.words);
  const signed = await kedge(
    'versions',
    'sign',
    'delays@1',
    '--key',
    team.key,
    '--directory',
    model,
    '--output',
    signature,
  );
  assert.equal(signed.code, 0, signed.words);
  assert.match(signed.words, /delays@1: 3 files signed by team \(ECDSA P-256/);

  for (const how of [[], ['--key', team.pub], ['--key', team.pub, '--directory', model, '--signature', signature]]) {
    const verified = await kedge('versions', 'verify', 'delays@1', ...how);
    assert.deepEqual([verified.code, /delays@1 is verified/.test(verified.words)], [0, true], verified.words);
  }
  const wrongKey = await kedge('versions', 'verify', 'delays@1', '--key', other.pub);
  assert.deepEqual([wrongKey.code, /none that is trusted/.test(wrongKey.words)], [1, true], wrongKey.words);

  const reference =
    process.env['KEDGE_TEST_MODEL_SIGNING'] ?? join(homedir(), '.cache/kedge-ci/model-signing/bin/model_signing');
  if (existsSync(reference)) {
    const args = ['verify', 'key', model, '--signature', signature, '--public_key', team.pub];
    const { status, stderr } = spawnSync(reference, args, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  } else t.diagnostic('not verified by model_signing: run tools/ci/model-signing.sh');

  await writeFile(join(model, 'notes/card.md'), 'Another card');
  const tampered = await kedge('versions', 'verify', 'delays@1', '--key', team.pub, '--directory', model);
  assert.deepEqual([tampered.code, /'notes\/card\.md' was changed/.test(tampered.words)], [1, true], tampered.words);
  const refused = await kedge('versions', 'sign', 'delays@1', '--key', team.key, '--directory', model);
  assert.deepEqual([refused.code, /nothing was signed/.test(refused.words)], [1, true], refused.words);

  await kedge('signers', 'revoke', 'team', '--reason', 'left the company');
  const revoked = await kedge('versions', 'verify', 'delays@1');
  assert.deepEqual([revoked.code, /NOT verified/.test(revoked.words)], [1, true], revoked.words);
});

test('the bill of materials of a version is written, valid and with the run that made it', {
  timeout: 300_000,
}, async (t) => {
  const { root, kedge } = await start(t);
  const output = join(root, 'bom.json');

  const written = await kedge('versions', 'bom', 'delays@1', '--output', output);

  assert.deepEqual([written.code, written.words], [0, `${output}: CycloneDX 1.7, valid by its schema\n`]);
  const document = JSON.parse(await readFile(output, 'utf8'));
  const [library, data] = document.components;
  assert.deepEqual([library.purl, data.type], ['pkg:pypi/scikit-learn@1.9.1', 'data']);
  assert.deepEqual(data.data[0].contents.properties, [
    { name: 'kedge:digest', value: 'a1b2c3d4' },
    { name: 'kedge:context', value: 'training' },
    { name: 'kedge:source', value: 's3://bucket/flights' },
  ]);
  assert.deepEqual(document.formulation[0].workflows[0].inputs, [
    { resource: { ref: 'dataset:flights@a1b2c3d4' } },
    { parameters: [{ name: 'depth', value: '6' }] },
  ]);
  assert.equal((await kedge('versions', 'bom', 'delays@2')).code, 1);
  assert.match((await kedge('versions', 'bom', 'delays')).words, /expected <model>@<version>/);
});
