import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { seededRandom } from '#core/random';
import { assertChainHolds } from './audit-chain.ts';
import { type Installation, startInstallation } from './installation.ts';
import { allEnded, startRuns } from './pipeline-workload.ts';
import { openRecorded, type Recorded } from './recorded.ts';

/**
 * Runs of random graphs in flight while a random process is killed with SIGKILL each second. `KEDGE_CRASH_FULL=1` is
 * the long form: 200 runs and a minute of kills. `KEDGE_CRASH_SEED` plays one workload and one order of victims again.
 */
const FULL = process.env['KEDGE_CRASH_FULL'] === '1';
const RUNS = FULL ? 200 : 50;
const KILLING_MS = FULL ? 60_000 : 20_000;
const SEED = Number(process.env['KEDGE_CRASH_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const WORKERS = 3;
const POSTGRES_URL = process.env['KEDGE_TEST_POSTGRES_URL'] ?? '';

test('on SQLite, runs under kills each reach one end, with outputs committed once and nothing held', async (t) => {
  const dir = await temporaryDir(t);
  await playUnderKills(t, { dir, database: '', controlPlanes: 1 });
  await assertChainHolds(dir, SEED);
});

test('on PostgreSQL with two control planes, runs under kills each reach one end, committed once, nothing held', {
  skip: POSTGRES_URL ? false : 'KEDGE_TEST_POSTGRES_URL names no PostgreSQL',
}, async (t) => {
  const database = await temporaryDatabase(t);
  await playUnderKills(t, { dir: await temporaryDir(t), database, controlPlanes: 2 });
});

interface Stage {
  readonly dir: string;
  readonly database: string;
  readonly controlPlanes: number;
}

async function playUnderKills(t: TestContext, stage: Stage): Promise<void> {
  t.diagnostic(`KEDGE_CRASH_SEED=${SEED}, ${RUNS} runs, ${KILLING_MS / 1_000} s of kills`);
  const installation = await startInstallation({ ...stage, workers: WORKERS });
  const recorded = await openRecorded(stage.dir, stage.database);
  try {
    const starting = startRuns({ urls: installation.urls, runs: RUNS, seed: SEED });
    const killed = await killEachSecond(installation, recorded);
    const runs = await starting;
    assert.equal(new Set(runs).size, RUNS);
    const endsAt = performance.now();
    await allEnded(installation.urls, runs);
    await installation.stop();
    t.diagnostic(
      `killed ${JSON.stringify(killed)}; all ended ${seconds(performance.now() - endsAt)} after the last kill`,
    );

    assert.deepEqual(await recorded.judge(), undefined);
    const history = await recorded.history();
    assert.equal(history.runs.length, RUNS);
    t.diagnostic(`runs ${counts(history.runs)}; steps ${counts(history.steps)}; attempts ${counts(history.attempts)}`);
  } finally {
    await installation.stop();
    await recorded.close();
  }
}

/** Kills a process that runs, chosen by the seed, each second, and judges what is recorded after each kill. */
async function killEachSecond(installation: Installation, recorded: Recorded): Promise<Record<string, number>> {
  const random = seededRandom(SEED + 1);
  const killed: Record<string, number> = {};
  for (const until = performance.now() + KILLING_MS; performance.now() < until; await pause(1_000)) {
    const processes = [...installation.pids()];
    const [name, pid] = processes[random.int(processes.length)] ?? [];
    if (name === undefined || pid === undefined) continue;
    process.kill(pid, 'SIGKILL');
    killed[name] = (killed[name] ?? 0) + 1;
    assert.deepEqual(await recorded.look(), undefined, `after ${name} was killed`);
  }
  return killed;
}

async function temporaryDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kedge-crash-'));
  t.after(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
}

async function temporaryDatabase(t: TestContext): Promise<string> {
  const name = `crash_${randomUUID().replaceAll('-', '')}`;
  await administer(`create database ${name}`);
  t.after(() => administer(`drop database ${name} with (force)`));
  const url = new URL(POSTGRES_URL);
  url.pathname = `/${name}`;
  return url.href;
}

async function administer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: POSTGRES_URL });
  await client.connect();
  await client.query(statement);
  await client.end();
}

function counts(rows: readonly { readonly status: string }[]): string {
  const groups = Map.groupBy(rows, (row) => row.status);
  return [...groups].map(([status, group]) => `${status} ${group.length}`).join(', ');
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
