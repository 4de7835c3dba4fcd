import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { KedgeError } from '#core/errors';
import { type Level, objectAccess } from '#platform/access';
import { forEachDialect } from '#testing/databases';
import { trackingMigrations } from '../index.ts';
import { ExperimentService } from './experiments.ts';
import { LogService } from './logging.ts';
import { LoggedModelService } from './models.ts';
import { RunService } from './runs.ts';

const admin = { id: 'user:admin', roles: ['admin'] };
const root = { actor: admin, action: 'test', project: 'risk', access: objectAccess(admin, 'risk') };
const fails = (code: string) => (error: unknown) => error instanceof KedgeError && error.code === code;

/** Somebody who holds levels on single experiments of the project. */
function holding(levels: Readonly<Record<string, Level>>) {
  const actor = { id: 'user:eve', roles: [] };
  const objects = new Map(Object.entries(levels).map(([id, level]) => [`experiment/${id}` as const, level]));
  const access = objectAccess(actor, 'risk', new Map([['risk', { level: undefined, objects }]]));
  return { actor, action: 'test', project: 'risk', access };
}

forEachDialect('Metrics of logged models', trackingMigrations, (openDb) => {
  test('whoever logs a metric of a logged model may write to that model too, by every way to log', async () => {
    const { deps: common, close } = await openDb();
    const folder = await mkdtemp(join(tmpdir(), 'kedge-log-metrics-'));
    const deps = { ...common, blobs: await openFsBlobStore({ root: folder }) };
    const [experiments, models, runs] = [
      new ExperimentService(deps),
      new LoggedModelService(deps),
      new RunService(deps),
    ] as const;
    const [own, other] = [
      (await experiments.create(root, { name: 'own', tags: [] })).id,
      (await experiments.create(root, { name: 'other', tags: [] })).id,
    ] as const;
    const model = (await models.create(root, { experiment: other, params: {}, tags: {} })).id;
    const run = (await runs.create(root, { experiment: own, tags: {} })).id;
    const log = new LogService(deps);
    const metrics = [{ key: 'auc', value: 0.9, step: 0, timestamp: 1, model: { id: model } }];

    for (const params of [{}, { depth: '3' }]) {
      const batch = { metrics, params, tags: {} };
      const read = holding({ [own]: 'EDIT', [other]: 'READ' });
      await assert.rejects(log.batch(read, run, batch), fails('access/forbidden'));
      await assert.rejects(log.batch(holding({ [own]: 'EDIT' }), run, batch), fails('access/not-found'));
    }
    assert.deepEqual([...(await models.get(root, model)).metrics], []);
    assert.deepEqual((await runs.get(root, run)).metrics, {});

    await log.batch(holding({ [own]: 'EDIT', [other]: 'EDIT' }), run, { metrics, params: {}, tags: {} });
    assert.deepEqual(
      (await models.get(root, model)).metrics.map(({ key, value }) => [key, value]),
      [['auc', 0.9]],
    );
    await close();
    await rm(folder, { recursive: true, force: true });
  });
});
