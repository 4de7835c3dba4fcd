import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, type Kedge } from '#client';
import { realSystem } from '#core/system';
import { loadConfig } from '#platform/config';
import { createLogger, createMetrics } from '#platform/observe';
import { type OpenControlPlane, openControlPlane } from '../../control-plane/control-plane.ts';
import { openDataDir } from '../../data-dir.ts';
import { kedge } from '../testing.ts';

let plane: OpenControlPlane;
let folder = '';
let url = '';
const tokens = new Map<string, string>();

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-cli-models-'));
  const config = loadConfig({ dataDir: join(folder, 'data'), port: 0, logLevel: 'fatal' }, {});
  const [logger, metrics] = [createLogger('test', config.logLevel), createMetrics('test')];
  const dataDir = openDataDir(config.dataDir);
  plane = await openControlPlane({ role: 'test', config, system: realSystem(), logger, metrics, dataDir });
  url = await plane.start();
  const context = { actor: { id: 'user:admin', roles: ['admin'] }, action: 'test' };
  for (const [name, roles] of Object.entries({ ada: ['editor'], bob: ['admin'], vic: ['viewer'] } as const)) {
    await plane.accounts.users.create(context, { name, roles: [...roles] });
    tokens.set(name, (await plane.accounts.users.createKey(context, name, { label: 'test' })).key);
  }
  const require = [
    { evidence: 'scan', passed: true },
    { approvals: 1, independent: true, signed: true },
  ];
  const policy = { kind: 'gate-policy', name: 'delays', spec: { model: 'delays', transitions: ['stage'], require } };
  await as('bob').resources.applyResources({ body: { resources: [policy] } });
  await registerDelays(as('ada'));
});

after(async () => {
  await plane.stop();
  await rm(folder, { recursive: true, maxRetries: 5 });
});

const as = (person: string): Kedge => connect({ url, token: tokens.get(person) });

async function run(person: string, ...args: readonly string[]) {
  return kedge([...args, '--url', url, '--token', tokens.get(person) ?? '']);
}

/** A command that is refused says why in one line or names the fields, and never with a stack. */
async function refusal(person: string, ...args: readonly string[]): Promise<string> {
  const { code, stderr } = await run(person, ...args);
  assert.equal(code, 1, args.join(' '));
  assert.doesNotMatch(stderr, /\n\s+at /, stderr);
  return stderr;
}

async function registerDelays({ tracking, registry }: Kedge): Promise<void> {
  const { id } = await tracking.createTrackingRun({ body: { experiment: 'delays' } });
  const signature = { inputs: [{ name: 'distance', kind: 'numeric' as const }], output: 'probability' as const };
  for (const weights of ['first', 'second']) {
    const upload = { contentType: 'application/octet-stream', bytes: Buffer.from(weights) };
    const query = { path: `${weights}/model.onnx` };
    const { digest, bytes } = await tracking.putArtifact({ params: { run: id }, query, upload });
    const artifacts = [{ path: 'model.onnx', digest, bytes }];
    await registry.registerVersion({ params: { model: 'delays' }, body: { run: id, artifacts, signature } });
  }
  await registry.describeModel({ params: { model: 'delays' }, body: { description: 'late\u001b[31m flights' } });
}

test('models and versions are listed, found by a filter, and steer no terminal', async () => {
  const { stdout } = await run('vic', 'models');
  assert.match(stdout, /^MODEL +LAST +ALIASES +DESCRIPTION\ndelays +2 +late·\[31m flights\n$/);
  const none = await run('vic', 'models', '--filter', "tags.team = 'risk'", '--json');
  assert.deepEqual(JSON.parse(none.stdout), []);
  assert.match(await refusal('vic', 'models', '--filter', 'team ~ 1'), /Invalid filter string: '~'/);

  const versions = (await run('vic', 'versions', 'list', 'delays')).stdout.trim().split('\n');
  assert.deepEqual(
    versions.slice(1).map((line) => line.trim().split(/ +/).slice(0, 4)),
    [
      ['2', '1.0.1', 'Development', 'InProgress'],
      ['1', '1.0.0', 'Development', 'InProgress'],
    ],
  );
});

test('a version changes its stage and takes an alias that nobody protects, for whoever may write', async () => {
  const moved = await run('ada', 'versions', 'stage', 'delays@1', 'qa', '--reason', 'try it');
  assert.equal(moved.stdout, 'delays@1 is in QA (InProgress)\n');
  const archived = await run('ada', 'versions', 'stage', 'delays@2', 'QA', '--archive-others', '--json');
  assert.equal(JSON.parse(archived.stdout).stage, 'QA');
  const { stage } = await as('ada').registry.getVersion({ params: { model: 'delays', version: 1 } });
  assert.equal(stage, 'Archived');
  const named = await run('ada', 'versions', 'alias', 'delays@2', 'blue');
  assert.equal(named.stdout, 'delays@2 has the aliases blue\n');

  const asked = (...args: string[]) => refusal('ada', 'versions', ...args);
  assert.match(await asked('stage', 'delays@1', 'Nowhere'), /expected one of Proposal, Development, QA/);
  assert.match(await asked('stage', 'delays', 'QA'), /expected <model>@<version>, as in delays@3/);
  assert.match(await refusal('vic', 'versions', 'stage', 'delays@1', 'QA'), /registry:write/);
});

test('evidence is recorded from words or a file, listed, and refused where it does not fit', async () => {
  const file = join(folder, 'bias.json');
  await writeFile(file, JSON.stringify({ metrics: { gap: 0.02 } }));
  const named = ['versions', 'evidence', 'delays@1', 'bias', '--file', file, '--summary', 'no gap', '--passed'];
  assert.match((await run('ada', ...named)).stdout, /^recorded bias about delays@1 as ev/);
  const failed = await run('ada', 'versions', 'evidence', 'delays@1', 'scan', '--failed', '--json');
  assert.deepEqual(JSON.parse(failed.stdout).passed, false);
  const listed = (await run('vic', 'versions', 'evidence', 'delays@1')).stdout;
  assert.match(listed, /^bias +passed +no gap +user:ada/m);
  assert.match(listed, /^scan +failed +- +user:ada/m);
  const { items } = await as('vic').registry.listEvidence({ params: { model: 'delays', version: 1 } });
  assert.deepEqual(items[0]?.data, { metrics: { gap: 0.02 }, summary: 'no gap' });

  const asked = (...args: string[]) => refusal('ada', 'versions', 'evidence', 'delays@1', ...args);
  assert.match(await asked('scan', '--passed', '--failed'), /give one of --passed and --failed/);
  assert.match(await asked('scan', '--file', join(folder, 'none.json')), /none\.json is no file/);
  await writeFile(file, '{"open": ');
  assert.match(await asked('scan', '--file', file), /is not JSON/);
  await writeFile(file, '[1]');
  assert.match(await asked('scan', '--file', file, '--summary', 'x'), /--summary goes with an object/);
});

test('an approval needs a second person and their signature, and then the gate opens', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const [key, pub, rsa] = ['bob.pem', 'bob.pub', 'rsa.pem'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(key, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(pub, publicKey.export({ type: 'spki', format: 'pem' }));
  const other = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;
  await writeFile(rsa, other.export({ type: 'pkcs8', format: 'pem' }));
  const scan = { kind: 'scan', passed: true };
  await as('ada').registry.addEvidence({ params: { model: 'delays', version: 2 }, body: scan });
  const check = await run('ada', 'versions', 'check', 'delays@2');
  assert.equal(check.code, 1);
  assert.match(check.stdout, /^ok +delays +scan: passed\nmissing +delays +approvals: 0 of 1 signed$/m);
  assert.match(await refusal('ada', 'versions', 'stage', 'delays@2', 'Production'), /approvals: 0 of 1 signed/);

  const request = await requested('delays@2');
  const words = (pem: string) => ['approvals', 'approve', request, '--key', pem, '--reason', 'looked at it'];
  assert.match((await run('bob', 'approvals', 'enrol', pub)).stdout, /^user:bob signs with sha256:/);
  assert.match(await refusal('ada', ...words(key)), /lacks the permission registry:approve/);
  assert.match(await refusal('bob', ...words(rsa)), /expected an Ed25519 private key, this one is rsa/);
  assert.match(await refusal('bob', ...words(join(folder, 'none.pem'))), /none\.pem is no file/);
  assert.equal((await run('bob', ...words(key))).stdout, `request ${request} is approved\n`);
  const moved = await run('ada', 'versions', 'stage', 'delays@2', 'Production');
  assert.equal(moved.stdout, 'delays@2 is in Production (Approved)\n');
});

test('a request is rejected with a reason or withdrawn, and nobody decides about their own', async () => {
  const rejected = await requested('delays@1');
  const key = join(folder, 'bob.pem');
  const given = await run('bob', 'approvals', 'reject', rejected, '--key', key, '--reason', 'the scan failed');
  assert.equal(given.stdout, `request ${rejected} is rejected\n`);
  const withdrawn = await requested('delays@1', '--alias', 'blue');
  assert.equal((await run('ada', 'approvals', 'withdraw', withdrawn)).stdout, `request ${withdrawn} is withdrawn\n`);

  const own = (await run('bob', 'approvals', 'request', 'delays@1', '--json')).stdout;
  const words = ['approvals', 'approve', JSON.parse(own).id, '--key', key, '--reason', 'mine'];
  assert.match(await refusal('bob', ...words), /user:bob proposed version 1 of 'delays': somebody else must decide/);

  const listed = (await run('vic', 'approvals', 'list', '--status', 'rejected')).stdout;
  assert.match(listed, new RegExp(`^${rejected} +delays@1 +stage Production +rejected +1 of 1 +user:ada`, 'm'));
  assert.doesNotMatch(listed, new RegExp(withdrawn));
  assert.match(await refusal('vic', 'approvals', 'list', '--status', 'open'), /expected one of pending, approved/);
});

async function requested(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run('ada', 'approvals', 'request', ...args);
  const [, request] = /^requested (\S+)$/m.exec(stdout) ?? [];
  assert.ok(request !== undefined, stderr);
  return request;
}
