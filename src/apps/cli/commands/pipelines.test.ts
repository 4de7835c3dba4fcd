import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, type Kedge, pipeline } from '#client';
import { digestOf } from '#core/hash';
import { realSystem } from '#core/system';
import { workContract } from '#pipelines/contract';
import { loadConfig } from '#platform/config';
import { type Client, createClient } from '#platform/contract';
import { createLogger, createMetrics } from '#platform/observe';
import { type OpenControlPlane, openControlPlane } from '../../control-plane/control-plane.ts';
import { openDataDir } from '../../data-dir.ts';
import { kedge } from '../testing.ts';

let plane: OpenControlPlane;
let folder = '';
let connection: readonly string[] = [];
let api: Kedge;
let work: Client<typeof workContract>;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-cli-pipelines-'));
  const config = loadConfig({ dataDir: join(folder, 'data'), port: 0, logLevel: 'fatal' }, {});
  const [logger, metrics] = [createLogger('test', config.logLevel), createMetrics('test')];
  const dataDir = openDataDir(config.dataDir);
  plane = await openControlPlane({ role: 'test', config, system: realSystem(), logger, metrics, dataDir });
  const url = await plane.start();
  const { admin: token, worker } = dataDir.tokens;
  connection = ['--url', url, '--token', token];
  api = connect({ url, token });
  work = createClient(workContract, { baseUrl: url, token: worker });
  const steps = [
    { name: 'fit', command: ['/bin/true'], params: { depth: '${params.depth}' }, retries: 0 },
    { name: 'ok', approval: {}, needs: ['fit'] },
    { name: 'ship', command: ['/bin/true'], needs: ['ok'] },
  ];
  const resources = [pipeline('train', { params: { depth: { type: 'integer', default: 1 } }, steps })];
  await api.resources.applyResources({ body: { resources } });
});

after(async () => {
  await plane.stop();
  await rm(folder, { recursive: true, maxRetries: 5 });
});

const run = (...args: readonly string[]) => kedge([...args, ...connection]);

/** Plays a worker that does the one step that is ready. */
async function does(step: string, succeeds = true): Promise<void> {
  const lease = () => work.leaseWork({ body: { worker: 'w', slots: 1, waitMs: 10_000 } });
  let { attempts } = await lease();
  // A command that makes work may take long to start.
  for (let waits = 0; attempts.length === 0 && waits < 6; waits++) ({ attempts } = await lease());
  assert.deepEqual(
    attempts.map((attempt) => attempt.step),
    [step],
  );
  const { attempt, epoch } = attempts[0]!;
  const error = { kind: 'threw' as const, message: 'no' };
  const body = succeeds
    ? { status: 'succeeded' as const, epoch, outputs: {} }
    : { status: 'failed' as const, epoch, error };
  await work.finishWork({ params: { attempt }, body });
}

test('a run is started, explained, approved, watched and done again from the command line', async () => {
  assert.match((await run('pipelines')).stdout, /^PIPELINE +GENERATION +STEPS +LAST +ENDED\ntrain +1 +3 +- +-\n$/);
  assert.match((await run('pipelines', 'get', 'train')).stdout, /depth +integer +1\n[\s\S]*ok +waits +fit\n/);
  const started = await run('pipelines', 'start', 'train', '-p', 'depth=3', '--priority', '5', '--json');
  const { run: id } = JSON.parse(started.stdout) as { run: string };
  await does('fit');
  assert.equal((await run('runs', 'approve', id, 'ok', '--reason', 'fine')).stdout, `run ${id} running\n`);
  await does('ship');
  const watched = await run('runs', 'watch', id);
  assert.match(
    watched.stdout,
    /fit: succeeded in .*\nok: succeeded in .*approved by user:admin: fine\n[\s\S]*succeeded\n$/,
  );
  assert.match((await run('runs', 'get', id)).stdout, /^train succeeded, started by user:admin\n/);
  assert.match((await run('cache', 'explain', id, 'fit')).stdout, /^fit: miss, no earlier run of this step/);
  const [verified] = await Promise.all([run('cache', 'verify', id, 'fit'), does('fit')]);
  assert.deepEqual([verified.code, /^fit +equal/m.test(verified.stdout)], [0, true], verified.stdout);
  assert.equal((await run('cache', 'verify', id)).code, 1, 'nothing of it came from the cache');

  const again = JSON.parse((await run('runs', 'rerun', id, '--from', 'fit', '-p', 'depth=4', '--json')).stdout);
  assert.equal(again.params.depth, 4);
  await does('fit', false);
  assert.equal((await run('runs', 'watch', again.run)).code, 1);
  const resumed = JSON.parse((await run('runs', 'resume', again.run, '--json')).stdout);
  assert.equal((await run('runs', 'pause', resumed.run)).stdout, `run ${resumed.run} paused\n`);
  assert.match((await run('runs', 'train')).stdout, /paused/);
  assert.equal((await run('runs', 'unpause', resumed.run)).stdout, `run ${resumed.run} queued\n`);
  await does('fit');
  const rejected = await run('runs', 'reject', resumed.run, 'ok');
  assert.equal(rejected.stdout, `run ${resumed.run} failed\n`);
  const over = await run('runs', 'cancel', resumed.run);
  assert.equal(over.code, 1);
  assert.match(over.stderr, /is failed/);
});

test('runs are listed and described as a tree where a step is a run of its own', async () => {
  const resources = [pipeline('release', { steps: [{ name: 'make', pipeline: 'train', params: { depth: 8 } }] })];
  await api.resources.applyResources({ body: { resources } });
  assert.match((await run('pipelines', 'get', 'release')).stdout, /^make +pipeline train/m);
  const { run: id } = JSON.parse((await run('run', 'release', '--json')).stdout);
  await does('fit');
  const [child] = (await api.pipelines.listPipelineRuns({ query: { within: id } })).items;

  const listed = (await run('runs')).stdout;
  assert.match(
    listed,
    new RegExp(`^${id} +release +running.*\\n  ${child?.run} +train +running +step make of ${id}`, 'm'),
  );
  const tree = (await run('runs', 'get', id)).stdout;
  assert.match(tree, new RegExp(`^make +running +${child?.run}.*\\n  fit +succeeded +1 .*\\n  ok +waiting`, 'm'));
  assert.match((await run('runs', '--within', id)).stdout, new RegExp(`^RUN.*\\n${child?.run} .*\\n$`));
  await run('runs', 'cancel', id);
  assert.match((await run('runs', 'get', `${child?.run}`)).stdout, /^train cancelled, started by step make/);
});

test('apply sends the files of commands, and names one that it may not read', async () => {
  const file = join(folder, 'filed.yaml');
  const step = (from: string) => ({ name: 'say', command: ['sh', 'say.sh'], files: { 'say.sh': from } });
  // JSON is YAML too.
  const declare = (from: string) =>
    writeFile(file, JSON.stringify({ kind: 'pipeline', name: 'filed', spec: { steps: [step(from)] } }));
  await writeFile(join(folder, 'say.sh'), 'echo one\n');
  await declare('./say.sh');
  assert.equal((await run('apply', file)).stdout, '+ pipeline filed\n');
  assert.equal((await run('apply', file)).stdout, '= pipeline filed\n');
  await writeFile(join(folder, 'say.sh'), 'echo two\n');
  assert.match((await run('apply', file)).stdout, /^~ pipeline filed {2}\(steps\)\n$/);

  const started = await api.pipelines.startPipelineRun({ params: { pipeline: 'filed' }, body: { params: {} } });
  const { attempts } = await work.leaseWork({ body: { worker: 'w', slots: 1, waitMs: 10_000 } });
  assert.deepEqual([attempts[0]?.run, attempts[0]?.files], [started.run, { 'say.sh': digestOf('echo two\n') }]);
  const { attempt = '', epoch = 0 } = attempts[0] ?? {};
  await work.finishWork({ params: { attempt }, body: { status: 'succeeded', epoch, outputs: {} } });

  await declare('../../etc/passwd');
  const refused = await run('apply', file);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /pipeline 'filed', step 'say': files\.say\.sh: \.\.\/\.\.\/etc\/passwd/);
});

test('the log of a step or of a unit is printed, and a name that the run has not is told', async () => {
  const steps = [{ name: 'fit', command: ['fit'], map: { count: 2 }, cache: false, retries: 0 }];
  await api.resources.applyResources({ body: { resources: [pipeline('parts', { steps })] } });
  const { run: id } = await api.pipelines.startPipelineRun({ params: { pipeline: 'parts' }, body: { params: {} } });
  const { attempts } = await work.leaseWork({ body: { worker: 'w', slots: 2, waitMs: 10_000 } });
  for (const { attempt, epoch, step } of attempts) {
    const lines = [{ seq: 1, at: 1, stream: 'stdout' as const, text: `I am ${step}` }];
    await work.appendWorkLog({ params: { attempt }, body: { epoch, lines } });
    await work.finishWork({ params: { attempt }, body: { status: 'succeeded', epoch, outputs: {} } });
  }

  assert.equal((await run('logs', id, 'fit:1')).stdout, 'fit:1 | I am fit:1\n');
  const unknown = await run('logs', id, 'fitt');
  assert.deepEqual([unknown.code, unknown.stdout], [1, '']);
  assert.match(unknown.stderr, /has no step 'fitt'/);
});
