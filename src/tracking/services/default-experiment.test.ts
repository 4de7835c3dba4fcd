import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Context } from '#platform/db';
import type { BlobStore } from '#ports/blob-store';
import { forEachDialect } from '#testing/databases';
import { createTracking, trackingMigrations } from '../index.ts';

const ada: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };

forEachDialect('The experiment 0', trackingMigrations, (openDb) => {
  test('keeps its files where the configuration says, until it has a run', async (t) => {
    const database = await openDb();
    t.after(() => database.close());
    const under = (artifactRoot: string) => createTracking({ ...database.deps, blobs: {} as BlobStore, artifactRoot });
    const placeIn = async (root: string) => {
      const tracking = under(root);
      await tracking.placeDefaultExperiment();
      return (await tracking.listExperiments({ lifecycle: 'active', limit: 1 })).items[0]?.artifactLocation;
    };

    assert.equal(await placeIn('s3://bucket/mlruns'), 's3://bucket/mlruns/0');
    assert.equal(await placeIn('mlflow-artifacts:/'), 'mlflow-artifacts:/0');
    await under('mlflow-artifacts:/').createRun(ada, { experiment: 'Default', name: 'first', params: {}, tags: {} });
    assert.equal(await placeIn('s3://bucket/mlruns'), 'mlflow-artifacts:/0');
  });
});
