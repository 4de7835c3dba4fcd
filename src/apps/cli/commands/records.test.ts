import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openProcessExecutor } from '#adapters/exec/process';
import { digestOf } from '#core/hash';
import { realSystem } from '#core/system';
import { workContract } from '#pipelines/contract';
import type { RecordView, RunDifference } from '#pipelines/record/contract';
import { loadConfig } from '#platform/config';
import { createClient } from '#platform/contract';
import { createLogger, createMetrics } from '#platform/observe';
import { type OpenControlPlane, openControlPlane } from '../../control-plane/control-plane.ts';
import { openDataDir } from '../../data-dir.ts';
import { environmentDescriber } from '../../worker/environment.ts';
import { runWorker } from '../../worker/run-worker.ts';
import { kedge } from '../testing.ts';

const PROJECT = `
kind: pipeline
name: train
spec:
  params: { depth: { type: integer, default: 3 } }
  steps:
    - name: fit
      command: [node, -e, "require('fs').writeFileSync(process.env.KEDGE_OUTPUT_MODEL, process.env.KEDGE_PARAM_DEPTH)"]
      params: { depth: "\${params.depth}" }
      outputs: [model]
    - name: stamp
      command: [node, -e, "require('fs').writeFileSync(process.env.KEDGE_OUTPUT_AT, String(process.hrtime.bigint()))"]
      needs: [fit]
      outputs: [at]
`;
const LOCK = '{"lockfileVersion":3}';

let plane: OpenControlPlane;
let folder = '';
let connection: readonly string[] = [];
const stop = new AbortController();
let working: Promise<void>;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-cli-records-'));
  const config = loadConfig({ dataDir: join(folder, 'data'), port: 0, logLevel: 'fatal' }, {});
  const system = realSystem();
  const [logger, metrics] = [createLogger('test', config.logLevel), createMetrics('test')];
  const dataDir = openDataDir(config.dataDir);
  plane = await openControlPlane({ role: 'test', config, system, logger, metrics, dataDir });
  const url = await plane.start();
  connection = ['--url', url, '--token', dataDir.tokens.admin];
  const executor = openProcessExecutor({ clock: system.clock, environment: process.env });
  working = runWorker({
    ...{ name: 'w', slots: 1, system, logger, executor, signal: stop.signal },
    client: createClient(workContract, { baseUrl: url, token: dataDir.tokens.worker }),
    connection: { url },
    blobs: await openFsBlobStore({ root: dataDir.blobs }),
    describe: environmentDescriber({ executor, clock: system.clock }),
    scratchDir: join(folder, 'scratch'),
  });
});

after(async () => {
  stop.abort();
  await working;
  await plane.stop();
  await rm(folder, { recursive: true, maxRetries: 5 });
});

const run = (...args: readonly string[]) => kedge([...args, ...connection], { PATH: process.env['PATH'] ?? '' });

/** A repository of git with the project and a lock file, all committed. Answers the commit. */
async function repository(): Promise<{ readonly file: string; readonly commit: string }> {
  const root = join(folder, 'repository');
  await mkdir(join(root, 'delay'), { recursive: true });
  const git = (...args: readonly string[]) => {
    const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org'];
    return execFileSync('git', ['-C', root, ...identity, ...args], { encoding: 'utf8', stdio: 'pipe' }).trim();
  };
  await writeFile(join(root, 'delay', 'project.yaml'), PROJECT);
  await writeFile(join(root, 'package-lock.json'), LOCK);
  git('init', '--quiet', '--initial-branch', 'main');
  git('remote', 'add', 'origin', 'https://ada:secret@git.example/team/models.git');
  git('add', '.');
  git('commit', '--quiet', '-m', 'A pipeline');
  return { file: join(root, 'delay', 'project.yaml'), commit: git('rev-parse', 'HEAD') };
}

test('a run has a record with its commit, is planned and reproduced, and differences are named', async () => {
  const { file, commit } = await repository();
  assert.match((await run('apply', file)).stdout, /^\+ pipeline train/);
  await writeFile(join(file, '..', 'notes.txt'), 'not committed');
  assert.match((await run('apply', file)).stdout, /^= pipeline train/, 'the commit alone changes nothing');
  const { stdout } = await run('run', 'train', '-p', 'depth=7', '--wait', '--json');
  const of = JSON.parse(stdout) as { readonly run: string; readonly status: string };
  assert.equal(of.status, 'succeeded', stdout);

  const { record } = JSON.parse((await run('runs', 'show', of.run, '--json')).stdout) as RecordView;
  const shown = await run('runs', 'show', of.run);
  const again = await run('reproduce', of.run);
  const unknown = await run('reproduce', 'prun_none');
  const other = await run('run', 'train', '-p', 'depth=8', '--wait', '--json');
  const second = JSON.parse(other.stdout) as { readonly run: string };
  const compared = await run('runs', 'compare', of.run, second.run);
  const json = await run('runs', 'compare', of.run, second.run, '--json');
  const alone = await run('runs', 'compare', of.run, 'prun_none');
  const plan = await run('test', 'pipeline', file, '--dry-run', '-p', 'depth=9');

  assert.deepEqual(record.source, {
    repository: 'https://git.example/team/models.git',
    ...{ commit, branch: 'main', dirty: false, path: 'delay/project.yaml' },
    lockFiles: { 'package-lock.json': digestOf(LOCK) },
  });
  assert.deepEqual([record.params, record.steps[0]?.outputs['model']?.digest], [{ depth: 7 }, digestOf('7')]);
  const [where] = Object.values(record.environments);
  assert.deepEqual([where?.platform, where?.interpreter?.name], [process.platform, 'node']);
  assert.match(shown.stdout, new RegExp(`commit ${commit} on main, clean`));
  assert.equal(again.code, 2, again.stderr);
  assert.match(again.stdout, /^fit +model +same +sha256:\w{12} +sha256:\w{12}$/m);
  assert.match(again.stdout, /^stamp +at +different +sha256:\w{12} +sha256:\w{12}$/m);
  assert.match(again.stdout, new RegExp(`did not make what ${of.run} had made`));
  assert.match(plan.stdout, /^fit +run +compared with .+ of run prun_\w+, these differ: params.depth$/m);
  assert.match(plan.stdout, /^stamp +cached +step 'stamp' of run prun_/m);
  assert.match(plan.stdout, /^fit: params.depth was 8, is 9$/m);
  assert.deepEqual([unknown.code, unknown.stdout], [1, '']);
  assert.match(unknown.stderr, /there is no pipeline run 'prun_none'/);
  assert.match(compared.stdout, /^params.depth was 7, is 8$/m);
  assert.match(
    compared.stdout,
    /^fit +succeeded +succeeded +[\d.]+ m?s +[\d.]+ m?s +[+-][\d.]+ m?s +different +params.depth$/m,
  );
  assert.match(compared.stdout, /^stamp +succeeded +cached +[\d.]+ m?s +- +- +same +equal$/m);
  assert.match(compared.stdout, /^fit model: sha256:\w{12} → sha256:\w{12}$/m);
  const difference = JSON.parse(json.stdout) as RunDifference;
  assert.deepEqual(difference.made, [{ name: 'params.depth', before: 7, now: 8 }]);
  assert.deepEqual([alone.code, alone.stdout], [1, '']);
});
