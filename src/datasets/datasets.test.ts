import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { Columnar, numbersOf } from '#platform/columnar';
import type { Upload } from '#platform/contract';
import type { Context } from '#platform/db';
import { recentEvents } from '#platform/events';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import { createDatasets, datasetKinds, datasetMigrations } from './index.ts';

const context: Context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'dataset.commit' };

const readings = {
  kind: 'dataset',
  name: 'readings',
  spec: {
    eventTime: 'taken',
    knownTime: 'reported',
    repairs: [{ name: 'minus sign lost', when: "sensor = 'old' and value > 0", set: { value: '-value' } }],
    derive: { reported: 'taken + interval 5 minute', hot: 'value > 30' },
    expectations: [
      { name: 'possible value', row: 'value between -100 and 100' },
      { name: 'no duplicates', unique: ['taken', 'sensor'] },
      { name: 'few zeros', share: 'value = 0', max: 0.5, by: 'sensor', minRows: 2, otherwise: 'quarantine-group' },
    ],
  },
};

const csv = (lines: readonly string[]): Upload => ({
  contentType: 'text/csv',
  bytes: (async function* () {
    yield Buffer.from(['taken,sensor,value', ...lines].join('\n'));
  })(),
});

async function openDatasets(t: TestContext, open: OpenDatabase) {
  const root = await mkdtemp(join(tmpdir(), 'kedge-datasets-'));
  const database = await open({ kinds: datasetKinds });
  const blobs = await openFsBlobStore({ root: join(root, 'blobs') });
  const scratchDir = join(root, 'scratch');
  const columnar = await Columnar.open({ directories: [join(root, 'blobs')], scratchDir });
  const datasets = createDatasets({ ...database.deps, blobs, columnar, scratchDir });
  await database.resources.apply({ ...context, action: 'resource.apply' }, [readings]);
  t.after(async () => {
    await columnar.close();
    await database.close();
    await rm(root, { recursive: true });
  });
  return { ...database, datasets, blobs, columnar };
}

const key = (batch: string) => ({ dataset: 'readings', batch });

forEachDialect('Datasets', datasetMigrations, (open) => {
  test('a good batch becomes a commit with repaired, derived and system columns in event order', async (t) => {
    const { datasets, columnar, blobs } = await openDatasets(t, open);

    const view = await datasets.commit(context, key('b1'), csv(['2001-01-01 00:10,new,31', '2001-01-01 00:00,old,99']));

    const [segment] = (await datasets.snapshot('readings')).segments;
    assert.ok(segment);
    const table = await columnar.query(`select * from read_parquet('${await blobs.localPath(segment.digest)}')`);
    assert.equal(view.status, 'committed');
    assert.deepEqual([...numbersOf(table, 'value')], [-99, 31]);
    assert.deepEqual([...numbersOf(table, 'hot')], [0, 1]);
    assert.deepEqual(
      [...numbersOf(table, '_known')],
      [300_000, 900_000].map((ms) => Date.UTC(2001, 0, 1) + ms),
    );
    assert.deepEqual(view.report.repairs, [{ name: 'minus sign lost', rows: 1 }]);
  });

  test('an impossible value, a duplicate and a bad group are held while the other rows pass', async (t) => {
    const { db, datasets } = await openDatasets(t, open);
    const rows = ['00:00,new,10', '00:00,new,11', '00:01,new,500', '00:02,stuck,0', '00:03,stuck,0', '00:04,ok,1'];

    const view = await datasets.commit(context, key('b1'), csv(rows.map((row) => `2001-01-01 ${row}`)));

    const [event] = await recentEvents(db.reader, { subject: 'dataset/readings', limit: 1 });
    assert.equal(view.status, 'partly-held');
    assert.deepEqual([view.report.rows, view.report.accepted, view.report.held], [6, 2, 4]);
    assert.deepEqual(
      view.report.checks.map((check) => [check.name, check.outcome, check.failedRows]),
      [
        ['possible value', 'rejected-rows', 1],
        ['no duplicates', 'rejected-rows', 1],
        ['few zeros', 'quarantined-groups', 2],
      ],
    );
    assert.equal(event?.type, 'dataset.quarantined');
    assert.match(JSON.stringify(event?.data), /few zeros: share 1.000 in stuck, limit 0.5/);
  });

  test('sending the same batch again changes nothing, and other content under its name is refused', async (t) => {
    const { db, datasets } = await openDatasets(t, open);
    const first = await datasets.commit(context, key('b1'), csv(['2001-01-01 00:00,new,1']));

    const again = await datasets.commit(context, key('b1'), csv(['2001-01-01 00:00,new,1']));
    const other = datasets.commit(context, key('b1'), csv(['2001-01-01 00:00,new,2']));

    assert.deepEqual(again, first);
    await assert.rejects(other, { code: 'datasets/batch-conflict' });
    assert.equal((await datasets.snapshot('readings')).commit, 1);
    assert.equal(
      (await db.reader.selectFrom('audit').selectAll().where('action', '=', 'dataset.commit').execute()).length,
      1,
    );
  });

  test('held rows are released under a corrected declaration and are known from their release on', async (t) => {
    const { resources, datasets } = await openDatasets(t, open);
    await datasets.commit(context, key('b1'), csv(['2001-01-01 00:00,new,5000', '2001-01-01 00:01,new,5']));
    const repair = { name: 'hundredths', when: 'value > 100', set: { value: 'value / 100' } };
    const spec = { ...readings.spec, repairs: [repair] };
    await resources.apply({ ...context, action: 'resource.apply' }, [{ ...readings, spec }]);
    const knownAt = Date.UTC(2001, 0, 2);

    const view = await datasets.release({ ...context, action: 'dataset.release' }, key('b1'), knownAt);

    const { commit, rows, segments } = await datasets.snapshot('readings');
    assert.equal(view.status, 'released');
    assert.deepEqual([commit, rows], [2, 2]);
    assert.equal(segments[1]?.minKnownAt, knownAt);
    assert.equal((await datasets.snapshot('readings', 1)).rows, 1);
    const nothing = datasets.release({ ...context, action: 'dataset.release' }, key('b1'), knownAt);
    await assert.rejects(nothing, { code: 'datasets/nothing-held' });
  });

  test('one batch sent twice at once is committed once, and both callers are told so', async (t) => {
    const { datasets } = await openDatasets(t, open);
    const send = () => datasets.commit(context, key('b1'), csv(['2001-01-01 00:00,new,1']));

    const [first, second] = await Promise.all([send(), send()]);

    assert.deepEqual(first, second);
    assert.equal((await datasets.snapshot('readings')).rows, 1);
  });

  test('held rows released twice at once are committed once', async (t) => {
    const { datasets, resources } = await openDatasets(t, open);
    await datasets.commit(context, key('b1'), csv(['2001-01-01 00:00,new,5000', '2001-01-01 00:01,new,5']));
    const spec = { ...readings.spec, expectations: [] };
    await resources.apply({ ...context, action: 'resource.apply' }, [{ ...readings, spec }]);
    const release = () => datasets.release({ ...context, action: 'dataset.release' }, key('b1'), undefined);

    const outcomes = await Promise.allSettled([release(), release()]);

    assert.deepEqual(outcomes.map((outcome) => outcome.status).sort(), ['fulfilled', 'rejected']);
    assert.equal((await datasets.snapshot('readings')).rows, 2);
  });

  test('a row held as a duplicate stays held when the batch is released', async (t) => {
    const { datasets } = await openDatasets(t, open);
    await datasets.commit(context, key('b1'), csv(['2001-01-01 00:00,new,1', '2001-01-01 00:00,new,2']));

    const view = await datasets.release({ ...context, action: 'dataset.release' }, key('b1'), undefined);

    assert.deepEqual([view.status, view.report.accepted, view.report.held], ['held', 0, 1]);
    assert.equal((await datasets.snapshot('readings')).rows, 1);
  });

  test('what cannot be read, has no rows or lacks a column is refused in words and commits nothing', async (t) => {
    const { datasets, resources } = await openDatasets(t, open);
    const parquet: Upload = {
      contentType: 'application/vnd.apache.parquet',
      bytes: (async function* () {
        yield Buffer.from('not parquet');
      })(),
    };

    await assert.rejects(datasets.commit(context, key('b1'), parquet), { code: 'datasets/unreadable-batch' });
    await assert.rejects(datasets.commit(context, key('b2'), csv([])), { code: 'datasets/empty-batch' });
    await assert.rejects(datasets.commit(context, { dataset: 'absent', batch: 'b' }, csv(['x'])), {
      code: 'datasets/not-found',
    });
    const wrong = { ...readings, spec: { ...readings.spec, derive: { reported: 'no_such_column' } } };
    await resources.apply({ ...context, action: 'resource.apply' }, [wrong]);
    const failing = datasets.commit(context, key('b3'), csv(['2001-01-01 00:00,new,1']));
    await assert.rejects(failing, { code: 'datasets/bad-expression', message: /^derive\.reported: / });
    assert.equal((await datasets.snapshot('readings')).commit, 0);
  });
});
