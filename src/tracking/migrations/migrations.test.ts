import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Context } from '#platform/db';
import { applyMigrations } from '#platform/db';
import type { BlobStore } from '#ports/blob-store';
import { forEachDialect } from '#testing/databases';
import { TrackingService } from '../service.ts';
import { ExperimentService } from '../services/experiments.ts';
import { trackingMigrations } from './index.ts';

const ada: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };
const RELEASED = trackingMigrations.filter(({ name }) => /^tracking\/00[123]-/.test(name));
const LATER = trackingMigrations.filter((migration) => !RELEASED.includes(migration));

forEachDialect('Migrations of tracking', RELEASED, (openDb) => {
  test('what an earlier schema held is there, and experiment 0 is added, also where its name is taken', async () => {
    const database = await openDb();
    const { db, deps, close } = database;
    const store = {
      dialect: db.dialect,
      reader: db.reader,
      transaction: <T>(work: (trx: never) => Promise<T>) => db.maintain((tx) => work(tx.db as never)),
      close,
    };
    await db.maintain(async ({ db: trx }) => {
      const experiment = { created_at: 5, created_by: 'user:ada', deleted_at: null };
      await trx
        .insertInto('tracking_experiment')
        .values({ id: '1', number: 1, name: 'Default', ...experiment })
        .execute();
      const run = {
        experiment: '1',
        name: 'r',
        status: 'finished',
        started_by: 'user:ada',
        started_at: 6,
        ended_at: 7,
      };
      const rest = {
        source_run: null,
        source_step: null,
        cause: '{"kind":"user","id":"user:ada","depth":0}',
        deleted_at: null,
      };
      await trx
        .insertInto('tracking_run')
        .values({ id: 'r1', ...run, ...rest, deleted_with_experiment: 0 })
        .execute();
      const point = { run: 'r1', key: 'auc', special: '' };
      const points = [
        { ...point, step: 0, timestamp: 1, value: 0.5 },
        { ...point, step: 1, timestamp: 2, value: 0.75 },
        { ...point, step: 2, timestamp: 3, value: 0, special: 'NaN' },
      ];
      await trx.insertInto('tracking_metric').values(points).execute();
      await trx.insertInto('tracking_latest_metric').values(points.slice(2)).execute();
      await trx.insertInto('tracking_param').values({ run: 'r1', key: 'lr', value: '0.1' }).execute();
    });

    await applyMigrations(store as never, LATER);

    const service = new TrackingService({ ...deps, blobs: {} as BlobStore });
    const run = await service.getRun('r1');
    assert.deepEqual(run.params, { lr: '0.1' });
    assert.equal(run.artifactUri, 'mlflow-artifacts:/1/r1/artifacts');
    assert.deepEqual(run.metrics['auc'], { value: Number.NaN, step: 2, timestamp: 3 });
    const history = await service.metricHistory('r1', 'auc', { limit: 10 });
    assert.deepEqual(
      history.items.map(({ value }) => value),
      [0.5, 0.75, Number.NaN],
    );
    const experiments = new ExperimentService({ ...deps, blobs: {} as BlobStore });
    assert.deepEqual(
      [(await experiments.get(ada, '0')).name, (await experiments.get(ada, '1')).name],
      ['Default (0)', 'Default'],
    );
    await service.log(ada, 'r1', {
      metrics: [
        { key: 'auc', value: 1, step: 3 },
        { key: 'new', value: 1 },
      ],
    });
    assert.equal((await service.getRun('r1')).metrics['auc']?.value, 1);
    await close();
  });
});
