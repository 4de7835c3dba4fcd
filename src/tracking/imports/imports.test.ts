import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { KedgeError } from '#core/errors';
import { digestOf } from '#core/hash';
import { objectAccess } from '#platform/access';
import { AuditLog } from '#platform/audit';
import { forEachDialect } from '#testing/databases';
import { createTracking, trackingMigrations } from '../index.ts';
import { type ImportedBatch, importRoutes } from './contract.ts';
import { ImportService } from './service.ts';

const actor = { id: 'user:ada', roles: ['admin'] };
const ada = { actor, action: 'test', project: 'default', access: objectAccess(actor, 'default') };
const fails = (code: string) => (error: unknown) => error instanceof KedgeError && error.code === code;
const DIGEST = digestOf('what the source said');
const batch = (given: Partial<ImportedBatch>): ImportedBatch => importRoutes.importBatch.body.parse(given);

const rides = {
  source: 'http://there:5000',
  name: 'rides',
  createdAt: 1_000,
  updatedAt: 2_000,
  lifecycle: 'active',
  tags: { team: 'north' },
} as const;
const run = { source: 'http://there:5000', id: 'a1', name: 'first', userId: 'bob', startedAt: 1_500 };
const key = { kind: 'run', id: 'a1' } as const;

forEachDialect('Imports into tracking', trackingMigrations, (openDb) => {
  async function open() {
    const database = await openDb();
    const root = await mkdtemp(join(tmpdir(), 'kedge-imports-'));
    const deps = { ...database.deps, blobs: await openFsBlobStore({ root }) };
    const close = async () => {
      await database.close();
      await rm(root, { recursive: true, force: true });
    };
    return { ...database, tracking: createTracking(deps), imports: new ImportService(deps), close };
  }

  test('a run keeps its id, author, times and history, and a second import changes nothing', async () => {
    const { tracking, imports, db, close } = await open();
    const { id: experiment } = await imports.experiment(ada, rides);
    const points = [0, 1, 2].map((step) => ({
      key: 'loss',
      value: step === 1 ? Number.NaN : step,
      step,
      timestamp: 9,
    }));
    const bring = async () => {
      assert.equal((await imports.experiment(ada, rides)).id, experiment);
      const begun = await imports.run(ada, { ...run, experiment });
      await imports.batch(ada, key, batch({ params: { depth: '3' }, tags: { kind: 'base' }, metrics: points }));
      const dataset = { name: 'd', digest: '1', sourceType: 'local', source: 'x' };
      await imports.batch(
        ada,
        key,
        batch({ datasets: [{ dataset, tags: [] }], outputModels: [{ model: 'm-1', step: 2 }] }),
      );
      await imports.finish(ada, key, { status: 'failed', endedAt: 1_900, lifecycle: 'active', digest: DIGEST });
      return begun;
    };

    assert.deepEqual(await bring(), { state: 'open', digest: null, made: true });
    const before = await tracking.getRun('a1');
    assert.deepEqual([before.name, before.userId, before.startedBy], ['first', 'bob', 'user:ada']);
    assert.deepEqual([before.startedAt, before.endedAt, before.status], [1_500, 1_900, 'failed']);
    assert.deepEqual([before.params, before.tags], [{ depth: '3' }, { kind: 'base' }]);
    const history = await tracking.metricHistory('a1', 'loss', { limit: 10 });
    assert.deepEqual(
      history.items.map(({ value }) => value),
      [0, Number.NaN, 2],
    );
    const [found] = (await tracking.listExperiments({ name: 'rides', lifecycle: 'active', limit: 1 })).items;
    assert.deepEqual([found?.createdAt, found?.updatedAt], [1_000, 2_000]);

    assert.deepEqual(await bring(), { state: 'finished', digest: DIGEST, made: false });
    assert.deepEqual(await tracking.getRun('a1'), before);
    assert.equal((await tracking.metricHistory('a1', 'loss', { limit: 10 })).items.length, 3);
    const items = await new AuditLog(db.reader).search({ subject: 'tracking-run/a1', limit: 100 });
    assert.ok(items.some(({ detail }) => JSON.stringify(detail).includes('http://there:5000')));
    await close();
  });

  test('what is deleted at its source is deleted here, and comes back with its experiment', async () => {
    const { tracking, imports, close } = await open();
    const { id: experiment } = await imports.experiment(ada, { ...rides, lifecycle: 'deleted' });
    await imports.run(ada, { ...run, experiment });
    await imports.finish(ada, key, { status: 'finished', lifecycle: 'deleted', digest: DIGEST });
    assert.equal((await tracking.getRun('a1')).lifecycle, 'deleted');
    await tracking.restoreExperiment(ada, experiment);
    assert.equal((await tracking.getRun('a1')).lifecycle, 'active');
    await close();
  });

  test('a run that was made here is given no other past, nor one of another experiment or project', async () => {
    const { tracking, imports, close } = await open();
    const made = await tracking.createRun(ada, { experiment: 'own' });
    const { id: experiment } = await imports.experiment(ada, rides);
    await assert.rejects(imports.run(ada, { ...run, id: made.id, experiment }), fails('tracking/run-exists'));
    const own = { kind: 'run', id: made.id } as const;
    await assert.rejects(imports.batch(ada, own, batch({ params: { a: '1' } })), fails('tracking/not-imported'));
    const settled = { status: 'failed', lifecycle: 'deleted', digest: DIGEST } as const;
    await assert.rejects(imports.finish(ada, own, settled), fails('tracking/not-imported'));

    await imports.run(ada, { ...run, experiment });
    const other = await imports.experiment(ada, { ...rides, name: 'other' });
    await assert.rejects(imports.run(ada, { ...run, experiment: other.id }), fails('tracking/run-exists'));
    const elsewhere = { ...ada, project: 'risk', access: objectAccess(actor, 'risk') };
    await assert.rejects(imports.finish(elsewhere, key, settled), fails('tracking/not-imported'));
    assert.equal((await imports.state(elsewhere, key)).state, 'none');
    await assert.rejects(
      imports
        .batch(ada, key, batch({ params: { a: '1' } }))
        .then(() => imports.batch(ada, key, batch({ params: { a: '2' } }))),
      fails('tracking/param-changed'),
    );
    await close();
  });

  test('whoever holds less than EDIT on the project brings nothing in', async () => {
    const { imports, close } = await open();
    const viewer = { id: 'user:eve', roles: ['viewer'] };
    const eve = { ...ada, actor: viewer, access: objectAccess(viewer, 'default') };
    await assert.rejects(imports.experiment(eve, rides), fails('access/forbidden'));
    await assert.rejects(imports.run(eve, { ...run, experiment: '0' }), fails('access/forbidden'));
    await assert.rejects(imports.state(eve, key), fails('access/forbidden'));
    await close();
  });

  test('a logged model keeps its id, author, times and what was measured of it', async () => {
    const { imports, close } = await open();
    const { id: experiment } = await imports.experiment(ada, rides);
    const model = { source: 'http://there:5000', id: 'm-1', experiment, name: 'tree', author: 'bob', createdAt: 5 };
    const modelKey = { kind: 'model', id: 'm-1' } as const;
    assert.equal((await imports.model(ada, model)).made, true);
    const metrics = [{ key: 'auc', value: 0.7, step: 0, timestamp: 3, run: 'a1', datasetName: 'd' }];
    for (let times = 0; times < 2; times++) {
      await imports.batch(ada, modelKey, batch({ params: { p: '1' }, tags: { t: '1' }, metrics }));
    }
    await imports.finish(ada, modelKey, { modelStatus: 'READY', updatedAt: 8, lifecycle: 'active', digest: DIGEST });
    assert.deepEqual(await imports.model(ada, model), { state: 'finished', digest: DIGEST, made: false });
    assert.equal((await imports.state(ada, modelKey)).readable, true);
    const changed = batch({ params: { p: '2' } });
    await assert.rejects(imports.batch(ada, modelKey, changed), fails('tracking/param-changed'));
    await close();
  });
});
