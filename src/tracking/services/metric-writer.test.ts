import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Context } from '#platform/db';
import type { BlobStore } from '#ports/blob-store';
import { forEachDialect } from '#testing/databases';
import { trackingMigrations } from '../migrations/index.ts';
import { ExperimentService } from './experiments.ts';
import { LogService } from './logging.ts';
import { MetricService } from './metrics.ts';
import { RunService } from './runs.ts';

const ada: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };

forEachDialect('Metrics logged at the same time', trackingMigrations, (openDb) => {
  async function opened() {
    const database = await openDb();
    // Nothing here touches content.
    const deps = { ...database.deps, blobs: {} as BlobStore };
    const runs = new RunService(deps);
    const log = new LogService(deps);
    const metrics = new MetricService(deps);
    const { id: experiment } = await new ExperimentService(deps).create(ada, { name: 'e', tags: [] });
    const newRun = async () => (await runs.create(ada, { experiment, startedAt: 0, tags: {} })).id;
    const one = (run: string, key: string, i: number, model?: string) =>
      log.batch(ada, run, {
        metrics: [{ key, value: i, step: i, timestamp: i, ...(model === undefined ? {} : { model: { id: model } }) }],
        params: {},
        tags: {},
      });
    const stepsOf = async (run: string, key: string) =>
      (await metrics.history(ada, { run, key }, { limit: 1_000, token: undefined })).items.map(({ step }) => step);
    return { ...database, runs, newRun, one, stepsOf };
  }

  test('all are there once they were answered, whichever run and key they are of', async () => {
    const { runs, newRun, one, stepsOf, close } = await opened();
    const made = [await newRun(), await newRun(), await newRun()];
    const jobs = made.flatMap((run) =>
      ['a', 'b'].flatMap((key) => Array.from({ length: 20 }, (_, i) => [run, key, i])),
    );
    await Promise.all(jobs.map(([run, key, i]) => one(run as string, key as string, i as number)));
    for (const run of made) {
      for (const key of ['a', 'b']) {
        assert.deepEqual(
          await stepsOf(run, key),
          Array.from({ length: 20 }, (_, i) => i),
        );
        assert.equal((await runs.get(ada, run)).metrics[key]?.value, 19);
      }
    }
    await close();
  });

  test('one that is refused is told why, and the others are written', async () => {
    const { runs, newRun, one, stepsOf, close } = await opened();
    const [good, deleted] = [await newRun(), await newRun()];
    await runs.delete(ada, deleted);
    const answers = await Promise.allSettled([
      one(good, 'a', 0),
      one(deleted, 'a', 1),
      one('none', 'a', 2),
      one(good, 'a', 3, 'm-none'),
      one(good, 'a', 4),
    ]);
    assert.deepEqual(
      answers.map((answer) => (answer.status === 'rejected' ? (answer.reason as { code: string }).code : 'written')),
      ['written', 'tracking/run-deleted', 'tracking/run-not-found', 'tracking/model-not-found', 'written'],
    );
    assert.deepEqual(await stepsOf(good, 'a'), [0, 4]);
    await close();
  });
});
