import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { sql } from 'kysely';
import { openPostgres } from '#adapters/sql/postgres';
import { openSqlite } from '#adapters/sql/sqlite';
import { realSystem } from '#core/system';
import { type AuditEntry, applyMigrations, type Context, chainHash, Database, platformMigrations } from '#platform/db';
import type { SqlStore } from '#ports/sql';
import { kedge } from '../testing.ts';

const POSTGRES_URL = process.env['KEDGE_TEST_POSTGRES_URL'];

interface Installation {
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
  /** Opens the store of the installation, as its control plane would. */
  open(): SqlStore | Promise<SqlStore>;
}

type Install = (t: TestContext) => Promise<Installation>;

const onSqlite: Install = async (t) => {
  const dir = await folder(t);
  return { dir, env: {}, open: () => openSqlite(join(dir, 'kedge.sqlite')) };
};

const onPostgres: Install = async (t) => {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const admin = await openPostgres(POSTGRES_URL ?? '', { schema: name });
  await sql`create database ${sql.id(name)}`.execute(admin.reader);
  t.after(async () => {
    await sql`drop database ${sql.id(name)} with (force)`.execute(admin.reader);
    await sql`drop schema ${sql.id(name)}`.execute(admin.reader);
    await admin.close();
  });
  const url = Object.assign(new URL(POSTGRES_URL ?? ''), { pathname: `/${name}` }).href;
  return { dir: await folder(t), env: { KEDGE_DATABASE: url }, open: () => openPostgres(url) };
};

async function folder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kedge-audit-'));
  t.after(() => rm(dir, { recursive: true }));
  return dir;
}

const context: Context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'note.write' };

async function writeFiveEntries({ open }: Installation): Promise<void> {
  const store = await open();
  await applyMigrations(store, platformMigrations);
  const db = new Database(store, realSystem());
  for (let i = 1; i <= 5; i++) await db.transact(context, async (tx) => tx.audit(`note/${i}`, { i }));
  await db.close();
}

async function writeInProject({ open }: Installation, project: string, subjects: readonly string[]): Promise<void> {
  const db = new Database(await open(), realSystem());
  for (const subject of subjects) await db.transact({ ...context, project }, async (tx) => tx.audit(subject));
  await db.close();
}

async function alterEntry({ open }: Installation, seq: number): Promise<void> {
  const store = await open();
  await store.transaction((trx) =>
    trx.updateTable('audit').set({ actor: 'user:eve' }).where('seq', '=', seq).execute(),
  );
  await store.close();
}

/** Gives the entries from `from` on another author and hashes that fit, as whoever can write to the database may. */
async function rewriteFrom({ open }: Installation, from: number): Promise<void> {
  const store = await open();
  const rows = await store.reader.selectFrom('audit').selectAll().orderBy('seq').execute();
  await store.transaction(async (trx) => {
    let hash = String(rows[from - 2]?.['hash']);
    for (const row of rows.slice(from - 1) as (AuditEntry & { readonly detail: string })[]) {
      hash = chainHash(hash, { ...row, actor: 'user:eve', detail: JSON.parse(row.detail) });
      await trx.updateTable('audit').set({ actor: 'user:eve', hash }).where('seq', '=', row.seq).execute();
    }
    await trx.updateTable('log_head').set({ audit_hash: hash }).execute();
  });
  await store.close();
}

async function forgetTree({ open }: Installation): Promise<void> {
  const store = await open();
  await store.transaction(async (trx) => {
    await trx.deleteFrom('audit_tree').execute();
    await trx.deleteFrom('audit_tile').execute();
  });
  await store.close();
}

const skip = POSTGRES_URL ? false : 'KEDGE_TEST_POSTGRES_URL names no PostgreSQL';
const INSTALLATIONS = [
  { name: 'SQLite', install: onSqlite, skip: false },
  { name: 'PostgreSQL', install: onPostgres, skip },
];

for (const { name, install, skip: skipped } of INSTALLATIONS) {
  describe(`kedge audit on ${name}`, { skip: skipped }, () => {
    test('verifies the log of a data directory, and names the entry that was altered', async (t) => {
      const installation = await install(t);
      const { dir, env } = installation;
      await writeFiveEntries(installation);

      const whole = await kedge(['audit', 'verify', '--data', dir], env);
      await alterEntry(installation, 3);
      const broken = await kedge(['audit', 'verify', dir, '--json'], env);

      assert.equal(whole.stderr, '');
      assert.match(whole.stdout, /: 5 entries, the chain is whole, head sha256:/);
      assert.ok(whole.stdout.includes(name === 'SQLite' ? 'kedge.sqlite' : new URL(POSTGRES_URL ?? '').host));
      assert.equal(whole.code, 0);
      assert.deepEqual(JSON.parse(broken.stdout), {
        ok: false,
        entries: 2,
        seq: 3,
        reason: 'entry 3 does not match its hash',
      });
      assert.equal(broken.code, 1);
    });

    test('exports a log that is verified without the database, until it is altered', async (t) => {
      const installation = await install(t);
      const { dir, env } = installation;
      await writeFiveEntries(installation);
      const out = join(await folder(t), 'export');

      const exported = await kedge(['audit', 'export', out, '--data', dir], env);
      const verified = await kedge(['audit', 'verify', out, '--json']);
      const known = await kedge(['audit', 'verify', out, '--key', JSON.parse(verified.stdout).key]);
      const bundle = join(out, 'tile/entries/000.p/5');
      await writeFile(bundle, (await readFile(bundle, 'latin1')).replace('note/4', 'note/9'), 'latin1');
      const altered = await kedge(['audit', 'verify', out]);

      assert.match(exported.stdout, /^5 entries written to /);
      assert.equal(verified.stderr, '');
      assert.deepEqual([exported.code, verified.code, known.code, altered.code], [0, 0, 0, 1]);
      const { ok, entries: count } = JSON.parse(verified.stdout);
      assert.deepEqual([ok, count], [true, 5]);
      assert.match(known.stdout, /: 5 entries, all as signed by kedge-[0-9a-f]{12}\/audit, root \S+=\n$/);
      assert.match(
        altered.stdout,
        /BROKEN at entry 4, in .*: entry 4 was altered.*; the 3 entries before it are whole/,
      );
    });

    test('tells what was rewritten in the database behind a signed log, hashes and all', async (t) => {
      const installation = await install(t);
      const { dir, env } = installation;
      await writeFiveEntries(installation);
      const [former, later] = [join(await folder(t), 'former'), join(await folder(t), 'later')];
      await kedge(['audit', 'export', former, '--data', dir], env);

      await rewriteFrom(installation, 4);
      const rewritten = await kedge(['audit', 'verify', dir], env);
      await kedge(['audit', 'export', later, '--data', dir], env);
      const exported = await kedge(['audit', 'verify', later]);
      await forgetTree(installation);
      const again = await kedge(['audit', 'export', former, '--data', dir], env);
      await kedge(['audit', 'export', `${later}-new`, '--data', dir], env);
      const since = await kedge(['audit', 'verify', `${later}-new`, '--since', former]);

      for (const { stdout, code } of [rewritten, exported]) {
        assert.match(stdout, /BROKEN at entry 4, in .*: entry 4 was altered: its hash was made to fit the hash chain/);
        assert.equal(code, 1);
      }
      assert.match(again.stderr, /was rewritten/);
      assert.match(since.stdout, /REWRITTEN: .*the first entry that differs is 4/);
      assert.deepEqual([again.code, since.code], [1, 1]);
    });

    test('exports, verifies and proves the log of one project', async (t) => {
      const installation = await install(t);
      const { dir, env } = installation;
      await writeFiveEntries(installation);
      await writeInProject(installation, 'risk', ['model-version/risk/churn@3', 'model/risk/churn']);
      const out = join(await folder(t), 'export');
      const proofs = join(await folder(t), 'proofs');

      const of = ['--data', dir, '--project', 'risk'] as const;
      const exported = await kedge(['audit', 'export', out, ...of], env);
      const verified = await kedge(['audit', 'verify', out]);
      const proved = await kedge(['audit', 'prove', 'churn@3', ...of, '--out', proofs], env);
      const proof = await kedge(['audit', 'verify', join(proofs, 'churn@3.1.tlog-proof')]);
      await alterEntry(installation, 7);
      const altered = await kedge(['audit', 'verify', dir, '--project', 'risk'], env);

      assert.match(exported.stdout, /^2 entries written to /);
      assert.match(verified.stdout, /: 2 entries, all as signed by kedge-[0-9a-f]{12}\/audit\/project\/risk, root /);
      assert.match(
        proved.stdout,
        /churn@3\.1\.tlog-proof: entry 1, signed by \S+\/audit\/project\/risk\+/,
        proved.stderr,
      );
      assert.match(proof.stdout, /: entry 1 of the 2 that \S+\/project\/risk signed/);
      assert.match(altered.stdout, /BROKEN at entry 2: entry 2 does not match its hash/);
      assert.deepEqual([exported.code, verified.code, proof.code, altered.code], [0, 0, 0, 1]);
    });

    test('says where it looked when there is no log, and makes nothing', async (t) => {
      const { dir, env } = await install(t);

      const { code, stderr } = await kedge(['audit', 'verify', '--data', dir], env);

      assert.equal(code, 1);
      assert.match(stderr, /^.* holds no audit log/);
      assert.ok(stderr.includes(name === 'SQLite' ? dir : new URL(POSTGRES_URL ?? '').host));
      assert.doesNotMatch(stderr, /\n {4}at /);
      assert.deepEqual(await readdir(dir), []);
    });
  });
}
