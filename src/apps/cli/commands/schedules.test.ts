import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, freeze, pipeline, schedule, trigger } from '#client';
import { realSystem } from '#core/system';
import { loadConfig } from '#platform/config';
import { createLogger, createMetrics } from '#platform/observe';
import { type OpenControlPlane, openControlPlane } from '../../control-plane/control-plane.ts';
import { openDataDir } from '../../data-dir.ts';
import { kedge } from '../testing.ts';

let plane: OpenControlPlane;
let folder = '';
let connection: readonly string[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-cli-schedules-'));
  const config = loadConfig({ dataDir: join(folder, 'data'), port: 0, logLevel: 'fatal' }, {});
  const [logger, metrics] = [createLogger('test', config.logLevel), createMetrics('test')];
  const dataDir = openDataDir(config.dataDir);
  plane = await openControlPlane({ role: 'test', config, system: realSystem(), logger, metrics, dataDir });
  const url = await plane.start();
  const token = dataDir.tokens.admin;
  connection = ['--url', url, '--token', token];
  const resources = [
    pipeline('regions', {
      params: { region: { type: 'string' } },
      partitions: { param: 'region', values: ['eu', 'us', 'asia'] },
      steps: [{ name: 'a', command: ['/bin/true'] }],
    }),
    pipeline('report', { params: { until: { type: 'timestamp' } }, steps: [{ name: 'a', command: ['/bin/true'] }] }),
    schedule('weekly', {
      pipeline: 'report',
      cron: '30 2 * * sun',
      timeZone: 'Europe/Berlin',
      params: { until: '${at}' },
    }),
    trigger('hook', { pipeline: 'regions', on: { webhook: true }, params: { region: '${event.region}' } }),
    trigger('moved', {
      pipeline: 'report',
      on: { event: 'registry.alias-moved', where: { alias: 'live', to: { above: 1 } } },
      params: { until: '${at}' },
    }),
    freeze('next-century', { reason: 'too late', from: '2100-01-01T00:00:00Z', to: '2101-01-01T00:00:00Z' }),
  ];
  await connect({ url, token }).resources.applyResources({ body: { resources } });
});

after(async () => {
  await plane.stop();
  await rm(folder, { recursive: true, maxRetries: 5 });
});

const run = (...args: readonly string[]) => kedge([...args, ...connection]);

test('schedules are listed, told in their time zone, paused and resumed', async () => {
  const listed = await run('schedules');
  assert.match(
    listed.stdout,
    /^SCHEDULE +PIPELINE +CRON +ZONE +NEXT +LAST\nweekly +report +30 2 \* \* sun +Europe\/Berlin/,
  );
  const next = (await run('schedules', 'next', 'weekly', '-n', '60')).stdout.trim().split('\n');
  assert.equal(next.length, 61);
  assert.match(next[0] ?? '', /^EUROPE\/BERLIN +UTC$/);
  for (const line of next.slice(1)) assert.match(line, /^\d{4}-\d\d-\d\d (02:30|03:00) \+0[12]:00 {2}/);

  assert.equal((await run('schedules', 'pause', 'weekly', '--reason', 'audit')).stdout, 'paused weekly\n');
  assert.match((await run('schedules', 'list', 'report')).stdout, /paused/);
  const got = await run('schedules', 'get', 'weekly');
  assert.match(
    got.stdout,
    /^report at '30 2 \* \* sun' in Europe\/Berlin, catch-up latest\npaused since .* by user:admin: audit\n$/,
  );
  assert.match((await run('schedules', 'resume', 'weekly')).stdout, /^resumed weekly, next \d{4}-/);

  const missing = await run('schedules', 'get', 'none');
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /there is no schedule 'none'/);
});

test('a backfill is started, paused, described and cancelled, and tells what is missing', async () => {
  const started = await run('backfill', 'start', 'regions', '--partition', 'eu', 'us', '--concurrency', '1');
  assert.match(
    started.stdout,
    /^(backfill_\S+) of regions running: 2 partitions, 0 succeeded, .* 1 active, 1 waiting\n$/,
  );
  const id = started.stdout.split(' ')[0] ?? '';
  assert.match((await run('backfill', 'pause', id)).stdout, / paused: /);
  assert.match((await run('backfill', 'get', id)).stdout, /\neu +queued +prun_\S+ +-\nus +waiting +- +-\n$/);
  const missing = await run('backfill', 'missing', 'regions');
  assert.match(missing.stdout, /asia +missing +-\n3 of 3 partitions are missing\n$/);
  assert.match((await run('backfill', 'cancel', id)).stdout, / cancelled: 2 partitions/);
  assert.match((await run('backfill')).stdout, /^BACKFILL +PIPELINE +STATUS/);
});

test('the events that triggers may wait for are listed from all domains, with what their fields hold', async () => {
  const listed = (await run('triggers', 'events')).stdout;
  for (const type of ['dataset.committed', 'incident.opened', 'registry.alias-moved', 'resource.applied']) {
    assert.match(listed, new RegExp(`^${type} +\\w+`, 'm'));
  }
  assert.match((await run('triggers', 'events', 'registry.alias-moved')).stdout, /^cause\.depth +a whole number$/m);
  assert.match(
    (await run('triggers', 'events', 'x')).stderr,
    /there are no events of the type 'x': see kedge triggers/,
  );
});

test('triggers are listed, and the secret of a webhook is made and shown once', async () => {
  assert.match(
    (await run('triggers')).stdout,
    /^TRIGGER +PIPELINE +ON +DUE +LAST\nhook +regions +webhook +- +-\nmoved +report +event registry\.alias-/,
  );
  assert.match((await run('triggers', 'secret', 'hook')).stdout, /^POST http:\S+\/hooks\/triggers\/hook\n[\w-]{43}\n$/);
  assert.match((await run('triggers', 'get', 'none')).stderr, /there is no trigger 'none'/);
});
