import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSqlite } from '#adapters/sql/sqlite';
import { applyMigrations, platformMigrations } from '#platform/db';
import { pipelineMigrations } from '../index.ts';
import { findGeneration, openChildren } from './store.ts';

test('a pipeline of before may be run by another as it is declared, and runs of before lie in none', async (t) => {
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  const before = pipelineMigrations.filter(({ name }) => name !== 'pipelines/014-nested');
  assert.equal(before.length, pipelineMigrations.length - 1);
  await applyMigrations(store, [...platformMigrations, ...before]);
  const spec = { steps: [{ name: 'fit' }] };
  const run = { pipeline: 'p', generation: 3, status: 'running', params: '{}', seed: 1, cause: '{}', outputs: '{}' };
  await store.transaction(async (trx) => {
    await trx
      .insertInto('pipeline')
      .values({ name: 'p', generation: 3, spec: JSON.stringify(spec) })
      .execute();
    await trx
      .insertInto('pipeline_run')
      .values({ ...run, id: 'r', created_at: 5 })
      .execute();
  });

  await applyMigrations(store, [...platformMigrations, ...pipelineMigrations]);

  assert.deepEqual(await findGeneration(store.reader, 'p', 3), spec);
  assert.equal(await findGeneration(store.reader, 'p', 2), undefined);
  assert.deepEqual(await openChildren(store.reader, 'r'), []);
});
