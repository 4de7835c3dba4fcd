import assert from 'node:assert/strict';
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect } from 'kedge';
import { compileCache } from '#testing/compile-cache';

const KEDGE = fileURLToPath(new URL('../../bin/kedge.mjs', import.meta.url));
const CONTROL_PLANE = fileURLToPath(new URL('../../src/apps/control-plane/main.ts', import.meta.url));
const PROJECT = fileURLToPath(new URL('./kedge.ts', import.meta.url));
const MODEL = fileURLToPath(new URL('./model.py', import.meta.url));
const WITHIN_MS = 300_000;

/** Why bob approves. */
const REASON = 'looked at the held-out biopsies';

const CLIENTS = process.env['KEDGE_TEST_MLFLOW'] ?? '';
const VERSIONS = ['mlflow-3.11', 'mlflow-3.17'].filter((name) => existsSync(join(CLIENTS, name, 'bin/python')));

interface Ended {
  readonly code: number;
  readonly output: string;
}

interface Bench {
  readonly url: string;
  /** For what is made on the way. */
  readonly folder: string;
  /** The command line of a person, or of the administrator. */
  kedge(person: 'ada' | 'bob' | 'admin', ...args: readonly string[]): Promise<Ended>;
  /** The script with the unmodified client of ada. */
  client(step: 'train' | 'promote'): Promise<Ended>;
  readonly tokens: Readonly<Record<'ada' | 'bob' | 'admin', string>>;
}

test(
  'the unmodified client of MLflow is there for the example of the gate',
  {
    skip: VERSIONS.length > 0 ? false : 'KEDGE_TEST_MLFLOW names no folder made by tools/ci/mlflow.sh',
  },
  () => assert.ok(VERSIONS.length > 0),
);

for (const version of VERSIONS) {
  test(`what ${version} asks for passes the gate when everything is there, and the log proves it`, {
    timeout: WITHIN_MS,
  }, async (t) => {
    const bench = await start(t, join(CLIENTS, version, 'bin/python'));
    await refused(bench);
    await addEvidence(bench);
    await approve(bench);
    const promoted = await bench.client('promote');
    assert.match(promoted.output, /biopsies version 1 is champion/);
    await history(bench);
    await proof(bench);
  });
}

/** What the run shows is there already; everything else is named in the refusal, and nothing moved. */
async function refused({ client, kedge }: Bench): Promise<void> {
  assert.match((await client('train')).output, /registered biopsies with an AUC of 0\.9/);
  const { code, output } = await client('promote');
  assert.equal(code, 1, output);
  const told = output.trim().split('\n').at(-1) ?? '';
  assert.match(
    told,
    /^PERMISSION_DENIED: .*version 1 of 'biopsies' cannot reach the stage Production: policy biopsies/,
  );
  assert.match(told, /scan: there is no evidence of this kind/);
  assert.match(told, /licences: there is no evidence of this kind/);
  assert.match(told, /approvals: 0 of 1 signed/);
  assert.doesNotMatch(told, /evaluation|validation/);

  const check = await kedge('ada', 'versions', 'check', 'biopsies@1');
  assert.equal(check.code, 1);
  assert.match(check.output, /^ok +biopsies +evaluation: auc is 0\.9/m);
  assert.match(check.output, /^missing +biopsies +scan/m);
  assert.match((await kedge('ada', 'versions', 'list', 'biopsies')).output, /^ *1 +1\.0\.0 +Development/m);
}

/** One by the command line, one over the API; that of the validation lay in the run. */
async function addEvidence({ kedge, url, tokens }: Bench): Promise<void> {
  const scan = ['versions', 'evidence', 'biopsies@1', 'scan', '--passed', '--summary', 'nothing found'];
  assert.equal((await kedge('ada', ...scan)).code, 0);
  const { registry } = connect({ url, token: tokens.ada });
  const params = { model: 'biopsies', version: 1 };
  const licences = (list: string[]) => ({ kind: 'licences', passed: null, data: { licences: list } });
  await registry.addEvidence({ params, body: licences(['BSD-3-Clause', 'GPL-3.0-only']) });
  const check = await kedge('ada', 'versions', 'check', 'biopsies@1');
  assert.match(check.output, /^missing +biopsies +licences: licences has GPL-3\.0-only, which is not allowed/m);
  await registry.addEvidence({ params, body: licences(['BSD-3-Clause']) });
}

/** The maker may neither decide nor sign; the checker does, for the stage and for the alias. */
async function approve({ kedge, folder }: Bench): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const [key, pub] = [join(folder, 'bob.pem'), join(folder, 'bob.pub')];
  await writeFile(key, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(pub, publicKey.export({ type: 'spki', format: 'pem' }));
  assert.match((await kedge('bob', 'approvals', 'enrol', pub)).output, /user:bob signs with sha256:/);

  for (const place of [[], ['--alias', 'champion']]) {
    const asked = await kedge('ada', 'approvals', 'request', 'biopsies@1', ...place, '--reason', 'ready');
    const [, request = ''] = /requested (\S+)/.exec(asked.output) ?? [];
    assert.ok(request, asked.output);
    const words = ['approvals', 'approve', request, '--key', key, '--reason', REASON];
    const own = await kedge('ada', ...words);
    assert.deepEqual([own.code, /registry:approve/.test(own.output)], [1, true], own.output);
    const given = await kedge('bob', ...words);
    assert.deepEqual([given.code, given.output.trim()], [0, `request ${request} is approved`]);
  }
  const check = await kedge('ada', 'versions', 'check', 'biopsies@1', '--alias', 'champion');
  assert.deepEqual([check.code, /missing/.test(check.output)], [0, false], check.output);
  assert.match(check.output, /approvals: 1 of 1 signed by user:bob/);
}

async function history({ kedge }: Bench): Promise<void> {
  const { output } = await kedge('admin', 'history', 'model/biopsies');
  const steps = [
    /user:ada +model\.create/,
    /user:ada +model-version\.register/,
    /user:ada +gate\.decide .*allow=false/,
    /user:ada +model-version\.add-evidence .*scan/,
    /user:ada +approval\.request/,
    /user:bob +approval\.decide/,
    /user:ada +gate\.decide .*allow=true/,
    /user:ada +model-version\.set-stage/,
    /user:ada +model-alias\.move/,
  ];
  let at = 0;
  const lines = output.split('\n');
  for (const step of steps) {
    const found = lines.findIndex((line, i) => i >= at && step.test(line));
    assert.ok(found >= 0, `no ${step} after line ${at} of\n${output}`);
    at = found;
  }
}

/** An export and a proof hold without the platform; one byte that is changed is found, and its entry named. */
async function proof({ kedge, folder }: Bench): Promise<void> {
  const [log, proofs] = [join(folder, 'log'), join(folder, 'proofs')];
  const said = await kedge('admin', 'history', 'model/biopsies', '--json');
  const entries = JSON.parse(said.output) as { readonly seq: number; readonly detail: unknown }[];
  const approval = entries.find(({ detail }) => JSON.stringify(detail).includes(REASON))?.seq;
  assert.ok(approval !== undefined);
  const proved = await kedge('admin', 'audit', 'prove', 'model/biopsies@1', '--entry', `${approval}`, '--out', proofs);
  assert.equal(proved.code, 0, proved.output);
  const [file = ''] = (await readdir(proofs)).filter((name) => name.endsWith('.tlog-proof'));
  const exported = await kedge('admin', 'audit', 'export', log);
  assert.match(exported.output, /entries written/);

  const offline = (...args: readonly string[]) => ran(process.execPath, [KEDGE, 'audit', 'verify', ...args], {});
  const held = await offline(join(proofs, file));
  assert.deepEqual([held.code, held.output.includes(`entry ${approval} of the`)], [0, true], held.output);
  const whole = await offline(log);
  assert.deepEqual([whole.code, /all as signed by/.test(whole.output)], [0, true], whole.output);

  const altered = join(folder, 'altered');
  await cp(log, altered, { recursive: true });
  await changeReason(altered);
  const broken = await offline(altered);
  assert.equal(broken.code, 1);
  assert.ok(broken.output.includes(`BROKEN at entry ${approval}`), broken.output);
}

/** Changes one byte of what bob signed: `looked` becomes `hooked`. */
async function changeReason(log: string): Promise<void> {
  const tiles = join(log, 'tile/entries');
  for (const name of await readdir(tiles, { recursive: true })) {
    const path = join(tiles, name);
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    const at = bytes.indexOf(REASON);
    if (at < 0) continue;
    bytes[at] = 'h'.charCodeAt(0);
    await writeFile(path, bytes);
    return;
  }
  assert.fail(`no entry of ${log} has what bob signed`);
}

async function start(t: TestContext, python: string): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-gate-'));
  const data = join(folder, 'data');
  const child = fork(CONTROL_PLANE, [], {
    env: { ...compileCache, KEDGE_DATA: data, KEDGE_PORT: '0', KEDGE_LOG_LEVEL: 'error' },
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  t.after(async () => {
    await ended(child);
    await rm(folder, { recursive: true, maxRetries: 5 });
  });
  const [{ ready }] = (await once(child, 'message')) as [{ readonly ready: { readonly url: string } }];
  const { url } = ready;
  const { admin } = JSON.parse(await readFile(join(data, 'tokens.json'), 'utf8')) as { readonly admin: string };
  const tokens = { admin, ada: '', bob: '' };
  const kedge: Bench['kedge'] = (person, ...args) =>
    ran(process.execPath, [KEDGE, ...args, '--url', url, '--token', tokens[person]], {});
  await kedge('admin', 'apply', PROJECT);
  for (const [name, role] of [
    ['ada', 'editor'],
    ['bob', 'admin'],
  ] as const) {
    await kedge('admin', 'users', 'add', name, '--role', role);
    const made = await kedge('admin', 'keys', 'create', '--user', name, '--label', 'example', '--json');
    tokens[name] = (JSON.parse(made.output) as { readonly key: string }).key;
  }
  const client: Bench['client'] = (step) => {
    const known = { MLFLOW_TRACKING_URI: url, MLFLOW_TRACKING_TOKEN: tokens.ada, OMP_NUM_THREADS: '1' };
    return ran(python, [MODEL, step], { ...known, MLFLOW_DISABLE_TELEMETRY: 'true' });
  };
  return { url, folder, kedge, client, tokens };
}

function ran(file: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  const options = { env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env }, timeout: WITHIN_MS };
  return new Promise((resolve) => {
    execFile(file, args, options, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), output: args.includes('--json') ? stdout : stdout + stderr }),
    );
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}
