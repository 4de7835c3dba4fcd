import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '#core/random';
import { AuditLog } from '#platform/audit';
import { collectGarbage } from '#platform/blobs';
import { childEnvironment } from '#platform/config';
import { compileCache } from '#testing/compile-cache';
import { CrashClient, call } from './artifacts-crash-client.ts';
import { ArtifactServer } from './artifacts-server.ts';
import { STORES } from './artifacts-stores.ts';

const KEDGE = fileURLToPath(new URL('../../../src/apps/cli/main.ts', import.meta.url));
const SEED = Number(process.env['KEDGE_CRASH_SEED'] ?? 20_261_121);
const CLIENTS = 20;
const KILLS = 3;
const DAY_MS = 86_400_000;
const WITHIN_MS = 600_000;

for (const stores of STORES) {
  const { name, skip } = stores;
  test(`a kill -9 amid ${CLIENTS} clients loses, halves and doubles nothing, on ${name}`, {
    skip,
    timeout: WITHIN_MS,
  }, async (t) => {
    t.diagnostic(`KEDGE_CRASH_SEED=${SEED}`);
    const random = seededRandom(SEED);
    const server = await ArtifactServer.open(await stores.make(t));
    t.after(() => server.close());
    const experiment = (await call(server.url, '/api/2.0/mlflow/experiments/create', { name: 'crash' })) as {
      experiment_id: string;
    };
    const clients: CrashClient[] = [];
    for (let i = 0; i < CLIENTS; i++) {
      clients.push(await CrashClient.begin(server.url, experiment.experiment_id, seededRandom(SEED + i)));
    }

    const committed = { yes: 0, no: 0 };
    for (let kill = 0; kill < KILLS; kill++) {
      await workUntilKilled(server, clients, { writes: 30 + random.int(60), delayMs: random.int(150) });
      assert.ok(clients.every(({ unanswered }) => unanswered !== undefined));
      await server.start();
      for (const client of clients) {
        const found = await client.found(server.url);
        const isCommitted = JSON.stringify(found) === JSON.stringify(client.expected(true));
        committed[isCommitted ? 'yes' : 'no'] += 1;
        if (!isCommitted) assert.deepEqual(found, client.expected(false));
        // Half of the clients send it again. Of what the others had sent, only garbage is left.
        if (random.int(2) === 0) client.giveUp(isCommitted);
      }
    }
    for (const client of clients) {
      await client.retry(server.url);
      assert.deepEqual(await client.found(server.url), client.expected(false));
    }
    const writes = clients.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
    t.diagnostic(`${writes} writes; of ${KILLS * CLIENTS} cut off by ${KILLS} kills ${committed.yes} were committed`);

    await server.end('SIGTERM');
    assert.match(await verifyAudit(server), /entries, all as signed by|entries, the chain is whole/);
    await checkEntries(server, clients);
    t.diagnostic(`gc removed ${await collectAll(server, clients)} blobs`);
    await server.start();
    for (const client of clients) assert.deepEqual(await client.found(server.url), client.expected(false));
  });
}

/** Lets every client write, and kills the server so long after so many of their writes were acknowledged. */
async function workUntilKilled(
  server: ArtifactServer,
  clients: readonly CrashClient[],
  when: { readonly writes: number; readonly delayMs: number },
): Promise<void> {
  let left = when.writes;
  const killed = Promise.withResolvers<void>();
  const count = (): void => {
    left -= 1;
    if (left === 0) {
      pause(when.delayMs)
        .then(() => server.end('SIGKILL'))
        .then(killed.resolve, killed.reject);
    }
  };
  const { url } = server;
  await Promise.all([...clients.map((client) => client.work(url, count)), killed.promise]);
}

/** What `kedge audit verify` says about the data directory. */
function verifyAudit({ config }: ArtifactServer): Promise<string> {
  const args = ['--disable-warning=ExperimentalWarning', KEDGE, 'audit', 'verify', '--data', config.dataDir];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { env: { ...compileCache, ...childEnvironment(config) } }, (error, out, err) => {
      if (error) reject(new Error(`kedge audit verify: ${out}${err}`));
      else resolve(out);
    });
  });
}

/** The audit log has every file once, and every batch as often as it arrived. */
async function checkEntries(server: ArtifactServer, clients: readonly CrashClient[]): Promise<void> {
  await server.withStores(async ({ db }) => {
    const log = new AuditLog(db.reader);
    for (const client of clients) {
      const entries = await log.about(`tracking-run/${client.run}`, { after: 0, limit: 10_000 });
      const about = (action: string) => entries.filter((entry) => entry.action === action).map(({ detail }) => detail);
      const files = about('artifact.put') as { path: string; digest: string }[];
      assert.deepEqual(files.map(({ path, digest }) => `${path} ${digest}`).sort(), client.expected(false).files);
      const batches = about('tracking-run.log') as { params: string[] }[];
      assert.deepEqual(
        [...new Set(batches.flatMap(({ params }) => params))].sort(),
        client.expected(false).params.map((param) => param.split('=')[0]),
      );
    }
  });
}

/** Collects garbage as it would be done in two days. Answers how many blobs went. */
async function collectAll(server: ArtifactServer, clients: readonly CrashClient[]): Promise<number> {
  return server.withStores(async ({ db, blobs }) => {
    const options = { db, blobs, now: Date.now() + 2 * DAY_MS };
    const plan = await collectGarbage({ ...options, dryRun: true });
    const { removed } = await collectGarbage({ ...options, dryRun: false });
    assert.deepEqual(removed, plan.removed);
    const left = await collectGarbage({ ...options, dryRun: true });
    const files = clients.flatMap((client) => client.acknowledged.filter(({ kind }) => kind === 'file')).length;
    assert.deepEqual([left.kept.blobs, left.removed.blobs, left.recent.blobs], [files, 0, 0]);
    return removed.blobs;
  });
}
