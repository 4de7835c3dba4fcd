import assert from 'node:assert/strict';
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openSqlite } from '#adapters/sql/sqlite';
import { realSystem } from '#core/system';
import { applyMigrations, type Context, Database, platformMigrations } from '#platform/db';
import { compileCache } from '#testing/compile-cache';
import { openDataDir } from '../../../src/apps/data-dir.ts';
import type { ReadyMessage } from '../../../src/apps/process.ts';

const source = (path: string): string => fileURLToPath(new URL(`../../../src/${path}`, import.meta.url));
const TOOLS = process.env['KEDGE_TEST_TLOG'] ?? '';
const ADA: Context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'model.register' };
const FILLERS = 700;

/** A tool of others, or the reason why a test has to do without it. */
function missing(...names: readonly string[]): string | false {
  if (TOOLS === '') return 'KEDGE_TEST_TLOG names no folder of tools: see tools/ci/tlog.sh';
  const absent = names.filter((name) => !existsSync(join(TOOLS, name)));
  return absent.length > 0 && `${absent.join(' and ')} could not be built: they need Go 1.25`;
}

interface Ended {
  readonly code: number | string;
  readonly out: string;
}

function run(file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(file, args, { env, timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? error?.signal ?? 0, out: stdout + stderr }),
    );
  });
}

const tool = (name: string, ...args: readonly string[]): Promise<Ended> => run(join(TOOLS, name), args);
const kedge = (...args: readonly string[]): Promise<Ended> =>
  run(process.execPath, ['--disable-warning=ExperimentalWarning', source('apps/cli/main.ts'), ...args], {
    ...compileCache,
    HOME: '/nonexistent',
  });

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'kedge-tlog-'));
  t.after(() => rm(path, { recursive: true, maxRetries: 5 }));
  return path;
}

/** Writes entries as a control plane would: some about a model and its versions, many about other things. */
async function writeEntries(database: string): Promise<void> {
  const store = openSqlite(database);
  await applyMigrations(store, platformMigrations);
  const db = new Database(store, realSystem());
  await db.transact(ADA, async (tx) => tx.audit('model/churn', { created: true }));
  for (const version of [1, 2]) {
    await db.transact(ADA, async (tx) => {
      tx.audit('model/churn', { version });
      tx.audit(`model-version/churn@${version}`, { version, digest: `sha256:${'0'.repeat(64)}` });
    });
    const check: Context = { actor: { id: 'user:grace', roles: ['editor'] }, action: 'evidence.add' };
    await db.transact(check, async (tx) =>
      tx.audit(`model-version/churn@${version}`, { kind: 'validation', passed: true }),
    );
  }
  await db.transact(ADA, async (tx) => {
    for (let i = 0; i < FILLERS; i++) tx.audit(`run/${i}`, { i });
  });
  await db.close();
}

/** A control plane process over a directory whose audit log has entries already. */
async function start(t: TestContext) {
  const dataDir = openDataDir(join(await folder(t), 'data'));
  await writeEntries(dataDir.database);
  const child = fork(source('apps/control-plane/main.ts'), [], {
    env: { ...compileCache, KEDGE_DATA: dataDir.root, KEDGE_PORT: '0', KEDGE_LOG_LEVEL: 'warn' },
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const endedEarly = exited.then(([code]) => assert.fail(`the control plane ended with ${code} before it was ready`));
  const [{ ready }] = (await Promise.race([once(child, 'message'), endedEarly])) as [ReadyMessage];
  endedEarly.catch(() => {});
  const url = ready['url'] ?? '';
  const token = dataDir.tokens.admin;
  const get = (path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
    fetch(`${url}/api/v1/log/${path}`, { headers: { authorization: `Bearer ${token}`, ...headers } });
  return { dataDir, url, token, get, at: ['--url', url, '--token', token] };
}

async function changeByte(path: string, needle: string): Promise<void> {
  const bytes = await readFile(path);
  const at = bytes.indexOf(needle);
  assert.ok(at > 0);
  bytes[at] = bytes[at]! ^ 1;
  await writeFile(path, bytes);
}

test('the log is served as tlog-tiles has it: checkpoint, tiles, entries, and nothing else', async (t) => {
  const { get, url } = await start(t);

  const checkpoint = await get('checkpoint');
  const [origin = '', size] = (await checkpoint.text()).split('\n');
  assert.equal(checkpoint.headers.get('content-type'), 'text/plain; charset=utf-8');
  assert.equal(checkpoint.headers.get('cache-control'), 'no-store');
  assert.match(origin, /^kedge-[0-9a-f]{12}\/audit$/);
  assert.ok(Number(size) >= FILLERS + 7);
  assert.ok((await (await get('log.vkey')).text()).startsWith(`${origin}+`));

  const tile = await get('tile/0/000');
  assert.equal((await tile.arrayBuffer()).byteLength, 8_192);
  assert.equal(tile.headers.get('content-type'), 'application/octet-stream');
  assert.match(tile.headers.get('cache-control') ?? '', /immutable/);
  assert.equal((await (await get('tile/1/000.p/1')).arrayBuffer()).byteLength, 32);
  const plain = await get('tile/entries/001', { 'accept-encoding': 'identity' });
  assert.equal(plain.headers.get('content-encoding'), null);
  const packed = await get('tile/entries/001', { 'accept-encoding': 'gzip' });
  assert.equal(packed.headers.get('content-encoding'), 'gzip');
  assert.deepEqual(await packed.bytes(), await plain.bytes());

  for (const path of [
    'tile/0/001.p/0',
    'tile/0/000.p/256',
    'tile/00/000',
    'tile/2/000',
    'tile/0/999',
    'tile/entries/999',
  ]) {
    assert.equal((await get(path)).status, 404, path);
  }
  for (const path of ['', 'tile', 'tile/0/..%2f..%2fcheckpoint', 'detail/1', 'detail/x', 'other']) {
    assert.equal((await get(path)).status, 404, path);
  }
  assert.equal(
    (await fetch(`${url}/api/v1/log/checkpoint`, { headers: { authorization: 'Bearer wrong' } })).status,
    401,
  );
});

test("an export is what Go's own log library signs off, grows with its history, and shows one changed byte", {
  skip: missing('tlog-check'),
}, async (t) => {
  const { at, dataDir } = await start(t);
  const [out, former] = [join(await folder(t), 'export'), join(await folder(t), 'former')];
  const key = join(out, 'log.vkey');

  const exported = await kedge('audit', 'export', out, ...at);
  assert.match(exported.out, /^\d+ entries written to /);
  assert.match((await tool('tlog-check', 'log', out, key)).out, /^\d+ entries\n$/);
  await copyFile(join(out, 'checkpoint'), former);

  const db = new Database(openSqlite(dataDir.database), realSystem());
  for (let i = 0; i < 40; i++) await db.transact(ADA, async (tx) => tx.audit('model/churn', { again: i }));
  await db.close();
  assert.equal((await kedge('audit', 'export', out, ...at)).code, 0);
  assert.match((await tool('tlog-check', 'log', out, key, former)).out, /^\d+ entries, \d+ of them as before\n$/);
  const verified = await kedge('audit', 'verify', out, '--key', key, '--since', former);
  assert.match(verified.out, /all as signed by kedge-.*it only grew since/);
  assert.equal(verified.code, 0);

  await changeByte(join(out, 'tile/entries/001'), '"run/400"');
  const altered = await kedge('audit', 'verify', out, '--key', key);
  assert.equal(altered.code, 1);
  // Entries 1 to 7 are about the model.
  assert.match(altered.out, /BROKEN at entry 408, in tile\/entries\/001: entry 408 was altered/);
  const refused = await tool('tlog-check', 'log', out, key);
  assert.deepEqual([refused.code, refused.out], [1, 'entry 408 is not in the signed tree\n']);
});

test('the log passes the check of Tessera, from its files and over HTTP', { skip: missing('fsck') }, async (t) => {
  const { at, url, token } = await start(t);
  const out = join(await folder(t), 'export');
  await kedge('audit', 'export', out, ...at);
  const common = [`--public_key=${join(out, 'log.vkey')}`, '--ui=false', '-v=1'];

  const files = await tool('fsck', `--storage_url=file://${out}/`, ...common);
  assert.match(files.out, /Successfully fsck'd log with size \d+/);
  const served = await tool('fsck', `--storage_url=${url}/api/v1/log/`, `--bearer_token=${token}`, ...common);
  assert.match(served.out, /Successfully fsck'd log with size \d+/);
});

test('a proof of a version is accepted by the tools of others, and for no other entry', {
  skip: missing('tlog-check', 'tlog-proof'),
}, async (t) => {
  const { at, dataDir } = await start(t);
  const out = await folder(t);

  await kedge('audit', 'prove', 'churn@2', '--out', out, '--all', ...at);
  const names = (await readdir(out)).filter((name) => name.endsWith('.tlog-proof')).sort();
  assert.deepEqual(names, ['churn@2.6.tlog-proof', 'churn@2.7.tlog-proof']);
  const [proof = '', other = ''] = names.map((name) => join(out, name));
  const entry = proof.replace('.tlog-proof', '.entry.json');
  const key = join(out, 'log.vkey');
  const { subject, actor } = JSON.parse(await readFile(entry, 'utf8'));
  assert.deepEqual([subject, actor], ['model-version/churn@2', 'user:ada']);
  for (const check of [
    () => tool('tlog-check', 'proof', proof, key, entry),
    () => tool('tlog-proof', proof, key, entry),
  ]) {
    assert.match((await check()).out, /^entry 6 of \d+\n$/);
  }
  const own = await kedge('audit', 'verify', proof, '--key', key);
  assert.match(own.out, /entry 6 of the \d+ that kedge-.*\n\{"action":"model.register"/s);

  assert.equal((await tool('tlog-check', 'proof', other, key, entry)).code, 1);
  assert.equal((await tool('tlog-proof', other, key, entry)).code, 1);
  await changeByte(entry, 'user:ada');
  assert.equal((await tool('tlog-check', 'proof', proof, key, entry)).code, 1);

  // The same without a server, from the data directory.
  const offline = await kedge('audit', 'prove', 'churn@2', '--out', out, '--data', dataDir.root);
  assert.equal(offline.code, 0, offline.out);
  assert.match((await tool('tlog-proof', proof, key, entry)).out, /^entry 6 of \d+\n$/);
});

test('a history tells who did what when and with which evidence, about a model and its versions', async (t) => {
  const { at } = await start(t);

  const table = (await kedge('history', 'model/churn', ...at)).out.split('\n');
  const entries = JSON.parse((await kedge('history', 'model/churn', '--json', ...at)).out);
  const version = JSON.parse((await kedge('history', 'model/churn@1', '--json', ...at)).out);
  assert.deepEqual(JSON.parse((await kedge('history', 'churn@1', '--json', ...at)).out), version);

  assert.match(table[0] ?? '', /^ENTRY +WHEN +WHO +WHAT +SUBJECT +DETAIL$/);
  assert.match(table[3] ?? '', / version=1 digest=sha256:0{12}…$/);
  assert.match(
    table[4] ?? '',
    /^ +4 +\d{4}-.*Z +user:grace +evidence\.add +model-version\/churn@1 +kind=validation passed=true$/,
  );
  assert.deepEqual(
    entries.map(({ seq }: { seq: number }) => seq),
    [1, 2, 3, 4, 5, 6, 7],
  );
  assert.deepEqual(
    version.map(({ action }: { action: string }) => action),
    ['model.register', 'evidence.add'],
  );
  assert.match((await kedge('history', 'model/none', ...at)).out, /nothing about model\/none/);
});
