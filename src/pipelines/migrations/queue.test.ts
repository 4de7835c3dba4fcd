import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSqlite } from '#adapters/sql/sqlite';
import { applyMigrations, platformMigrations } from '#platform/db';
import { pipelineMigrations } from '../index.ts';
import { queuedClasses, readySteps } from '../store/queue.ts';
import { pipelineMigrations as all } from './index.ts';

test('runs and steps of before the queue had classes are let in, and may be leased', async (t) => {
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  const old = all.filter(({ name }) => name < 'pipelines/004');
  assert.equal(old.length, 3);
  await applyMigrations(store, [...platformMigrations, ...old]);
  const run = { pipeline: 'p', generation: 1, params: '{}', seed: 1, cause: '{}', created_at: 5, outputs: '{}' };
  const step = {
    ...{ run: 'r', pipeline: 'p', needs: '[]', epoch: 0, retries: 2, failures: 0, losses: 0, definition: '{}' },
    ...{ metrics: '{}', outputs: '{}', result: 'null', ready_at: 1 },
  };
  await store.transaction(async (trx) => {
    await trx
      .insertInto('pipeline_run')
      .values({ ...run, id: 'r', status: 'running', project: 'risk' })
      .execute();
    await trx
      .insertInto('pipeline_step')
      .values([
        { ...step, name: 'a', position: 0, status: 'queued', labels: '{"gpu":"a100"}' },
        { ...step, name: 'b', position: 1, status: 'succeeded', labels: '{}' },
      ])
      .execute();
  });

  await applyMigrations(store, [...platformMigrations, ...pipelineMigrations]);

  const [found, ...more] = await queuedClasses(store.reader);
  assert.deepEqual(more, []);
  assert.deepEqual(found?.class, { labels: { gpu: 'a100' }, resources: {}, pool: null, project: 'risk' });
  const ready = await readySteps(store.reader, { now: 10, class: found?.text ?? '', limit: 5 });
  assert.deepEqual(
    ready.map((item) => item.step),
    ['a'],
  );
  const [admitted] = await store.reader.selectFrom('pipeline_run').select(['admitted_at', 'priority']).execute();
  assert.deepEqual({ ...admitted }, { admitted_at: 5, priority: 0 });
});
