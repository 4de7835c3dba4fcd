import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '#core/hash';
import { pipelineMigrations } from '#pipelines';
import { versionRegistered } from '#registry';
import { forEachDialect } from '#testing/databases';
import type { DeliveryView } from './contract.ts';
import { lineageMigrations, openLineageRunId } from './index.ts';
import type { LineageDataset, RunEvent } from './spec.ts';
import { liveThrough, openLineage } from './testing.ts';

const told = ({ job, eventType }: RunEvent) => `${job.name} ${eventType}`;
const datasetOf = (dataset: LineageDataset | undefined) => [
  dataset?.name,
  dataset?.facets['version']?.['datasetVersion'],
];

forEachDialect('Lineage', [...pipelineMigrations, ...lineageMigrations], (open) => {
  test('a run is told as OpenLineage events: each step with its parent, its datasets and their digests', async (t) => {
    const l = await openLineage(t, open);
    const run = await liveThrough(l);

    const events = await l.events(run);

    assert.deepEqual(events.map(told), [
      'train START',
      'train RUNNING',
      'train.prepare START',
      'train.prepare RUNNING',
      'train.prepare COMPLETE',
      'train.fit START',
      'train.fit FAIL',
      'train FAIL',
    ]);
    const complete = events.find((event) => told(event) === 'train.prepare COMPLETE')!;
    const failed = events.find((event) => told(event) === 'train.fit FAIL')!;
    const { parent, kedge_environment, processing_engine } = complete.run.facets;
    const id = openLineageRunId(run);
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(events[0]?.run.runId, id);
    assert.deepEqual(parent?.['run'], { runId: id });
    assert.equal(complete.run.runId, openLineageRunId(run, 'prepare'));
    assert.deepEqual(processing_engine?.['version'], '1.2.3');
    assert.match(JSON.stringify(kedge_environment), /3\.11\.2/);
    const [rows] = complete.inputs;
    assert.equal(rows?.name, 'dataset/flights');
    assert.deepEqual(rows?.inputFacets?.['dataQualityMetrics']?.['rowCount'], 40);
    assert.deepEqual(rows?.facets['schema']?.['fields'], [
      { name: 'carrier', type: 'text', ordinal_position: 1 },
      { name: 'delay', type: 'number', ordinal_position: 2 },
    ]);
    const table = ['train/prepare.table.csv', digestOf('prepare.table.csv')];
    assert.deepEqual(datasetOf(complete.outputs[0]), table);
    assert.deepEqual(datasetOf(failed.inputs[0]), table);
    assert.deepEqual(failed.outputs, []);
    assert.match(String(failed.run.facets['errorMessage']?.['message']), /no rows/);
    assert.equal(failed.run.facets['errorMessage']?.['programmingLanguage'], 'Python');
    const { url, version, path } = events[0]!.job.facets['sourceCodeLocation']!;
    assert.deepEqual(
      [url, version, path],
      ['ssh://git@git.example/team/models.git', 'a'.repeat(40), 'delay/project.ts'],
    );
    assert.deepEqual(
      (await l.ndjson(run))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
      events,
    );
  });

  test('what was cached is told with what it made, what was skipped or never began is not told of', async (t) => {
    const l = await openLineage(t, open);
    await l.declare({
      steps: [
        { name: 'a', command: ['x'], outputs: ['o'] },
        { name: 'b', command: ['y'], needs: ['a'] },
      ],
    });
    const first = await l.start();
    const [a] = await l.lease();
    await l.succeed(a!);
    const second = await l.start();
    await l.call('cancelPipelineRun', { params: { run: second }, body: {} });

    const events = await l.events(second);

    assert.deepEqual(events.map(told), ['train START', 'train.a START', 'train.a COMPLETE', 'train ABORT']);
    assert.deepEqual(datasetOf(events[2]?.outputs[0]), ['train/a.o', digestOf('a.o')]);
    assert.equal(events[2]?.run.facets['kedge_run']?.['cachedFrom'], first);
  });

  test('events reach the endpoint in order, with its token, and again after a failure and a restart', async (t) => {
    const l = await openLineage(t, open);
    await l.declare({ steps: [{ name: 'a', command: ['x'] }] });
    const run = await l.start();
    const events = await l.events(run);
    l.statuses.push(503, 0);

    await l.send();
    const waiting = await l.call<DeliveryView>('getLineageDelivery', {});
    await l.send();
    assert.equal(l.posted.length, 1, 'a failure is followed by a pause');
    await l.clock.advance(400_000);
    l.restart();
    await l.send();
    await l.clock.advance(400_000);
    const [a] = await l.lease();
    await l.succeed(a!);
    const all = await l.events(run);
    await l.send();

    assert.deepEqual([waiting.waiting, waiting.failures, waiting.answer], [events.length, 1, '503 said']);
    assert.deepEqual(
      l.posted.map(({ body }) => told(JSON.parse(body))),
      [...[all[0], all[0]].map((event) => told(event!)), ...all.map(told)],
    );
    const { path, headers } = l.posted[0]!;
    assert.deepEqual([path, headers['authorization']], ['/api/v1/lineage', 'Bearer secret']);
    const done = await l.call<DeliveryView>('getLineageDelivery', {});
    assert.deepEqual([done.waiting, done.sent, done.failures, done.nextAt], [0, all.length, 0, null]);
    await l.send();
    assert.equal(l.posted.length, all.length + 2, 'nothing is sent twice without a failure');
  });

  test('an event that the endpoint refuses for what it is does not hold up those after it', async (t) => {
    const l = await openLineage(t, open);
    await l.declare({ steps: [{ name: 'a', command: ['x'] }] });
    await l.start();
    await l.start();
    await l.settle();
    l.statuses.push(422);

    await l.send();

    const { sent, refused, waiting, endpoint } = await l.call<DeliveryView>('getLineageDelivery', {});
    assert.deepEqual([sent, refused, waiting], [1, 1, 0]);
    assert.equal(endpoint, `${l.endpoint}/api/v1/lineage`);
  });

  test('of more events than may wait the oldest are given up, and counted', async (t) => {
    const l = await openLineage(t, open);
    await l.declare({ steps: [{ name: 'a', command: ['x'] }] });
    const run = await l.start();
    const [a] = await l.lease();
    assert.ok(a);
    await l.succeed(a);
    const events = await l.events(run);
    l.restart({ waitingMax: 2 });

    await l.send();

    const { sent, dropped, waiting } = await l.call<DeliveryView>('getLineageDelivery', {});
    assert.deepEqual([sent, dropped, waiting], [2, events.length - 2, 0]);
    assert.deepEqual(
      l.posted.map(({ body }) => told(JSON.parse(body))),
      events.slice(-2).map(told),
    );
  });

  test('a version of a model that a run registers is told with the run, and others are not', async (t) => {
    const l = await openLineage(t, open);
    await l.declare({ steps: [{ name: 'a', command: ['x'] }] });
    const run = await l.start();
    const cause = { kind: 'user', id: 'user:ada', depth: 0 } as const;
    await l.db.maintain(async (tx) => {
      for (const runId of [run, 'tracked', null]) {
        tx.emit(versionRegistered.draft('model-version/delays@3', { model: 'delays', version: 3, runId, cause }));
      }
    });

    const events = await l.events(run);

    assert.deepEqual(events.map(told), ['train START', 'train OTHER']);
    const [model] = events[1]?.outputs ?? [];
    assert.deepEqual(datasetOf(model), ['model/delays', '3']);
    assert.equal(model?.facets['datasetType']?.['datasetType'], 'MODEL');
  });
});
