import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KedgeError } from '#core/errors';
import { digestOf } from '#core/hash';
import { objectAccess } from '#platform/access';
import { forEachDialect } from '#testing/databases';
import { isIndependent } from '../approve.ts';
import { createRegistry, registryMigrations } from '../index.ts';
import { ModelImportService } from './service.ts';

const actor = { id: 'user:ada', roles: ['admin'] };
const ada = { actor, action: 'test', requestId: 'r', project: 'default', access: objectAccess(actor, 'default') };
const fails = (code: string) => (error: unknown) => error instanceof KedgeError && error.code === code;
const [FIRST, SECOND] = [digestOf('first'), digestOf('second')];
/** Lets nothing pass. */
const gate = { decide: async () => ({ allow: false, policy: 'none', missing: ['a reason'] }) as const };

const churn = { source: 'http://there', author: 'bob', createdAt: 10, description: 'Who leaves', tags: { team: 'x' } };
const version = (number: number, stage: 'None' | 'Production' = 'None') => ({
  version: number,
  author: 'bob',
  createdAt: 10 + number,
  updatedAt: 20 + number,
  from: `s3://there/${number}`,
  runLink: '',
  description: '',
  tags: { n: String(number) },
  stage,
});

forEachDialect('Imports into the registry', registryMigrations, (openDb) => {
  async function open() {
    const database = await openDb();
    const deps = { ...database.deps, gate };
    return { ...database, registry: createRegistry(deps), imports: new ModelImportService(deps) };
  }

  test('versions keep numbers, times and authors, and protected places come along the first time only', async () => {
    const { registry, imports, close } = await open();
    assert.deepEqual(await imports.model(ada, 'churn', churn), { state: 'open', digest: null, made: true });
    assert.deepEqual(await imports.version(ada, 'churn', version(2, 'Production')), { made: true, held: [] });
    const done = await imports.finish(ada, 'churn', { aliases: { champion: 2 }, updatedAt: 50, digest: FIRST });
    assert.deepEqual(done, { state: 'finished', digest: FIRST, held: [] });

    const found = await registry.getVersion('churn', 2);
    assert.deepEqual([found.createdAt, found.updatedAt, found.author], [12, 22, 'bob']);
    assert.deepEqual([found.stage, found.stageStatus, found.aliases], ['Production', 'Approved', ['champion']]);
    const model = await registry.getModel('churn');
    assert.deepEqual([model.createdAt, model.updatedAt, model.author, model.lastVersion], [10, 50, 'bob', 2]);
    assert.deepEqual([isIndependent(found, 'user:bob'), isIndependent(found, 'user:eve')], [false, true]);

    assert.deepEqual(await imports.version(ada, 'churn', version(2, 'Production')), { made: false, held: [] });
    const later = await imports.version(ada, 'churn', version(4, 'Production'));
    assert.deepEqual(later, { made: true, held: ['the stage Production'] });
    const again = await imports.finish(ada, 'churn', {
      aliases: { champion: 4, next: 4 },
      updatedAt: 60,
      digest: SECOND,
    });
    assert.deepEqual(again.held, ["the alias 'champion' on version 4"]);
    assert.deepEqual((await registry.getModel('churn')).aliases, { champion: 2, next: 4 });
    await assert.rejects(imports.version(ada, 'churn', version(3)), fails('registry/version-exists'));
    const other = { ...version(2), createdAt: 99 };
    await assert.rejects(imports.version(ada, 'churn', other), fails('registry/version-exists'));
    await close();
  });

  test('a model that was made here is not written to, nor one that was deleted here', async () => {
    const { registry, imports, close } = await open();
    await registry.createModel(ada, { model: 'own' });
    await assert.rejects(imports.model(ada, 'own', churn), fails('registry/model-exists'));
    await assert.rejects(imports.version(ada, 'own', version(1)), fails('registry/not-imported'));
    const done = { aliases: {}, updatedAt: 1, digest: FIRST };
    await assert.rejects(imports.finish(ada, 'own', done), fails('registry/not-imported'));
    await imports.model(ada, 'churn', churn);
    await registry.deleteModel(ada, 'churn', 'gone');
    await assert.rejects(imports.model(ada, 'churn', churn), fails('registry/model-exists'));
    await close();
  });

  test('a version whose run is not here keeps its number and says that its files are missing', async () => {
    const { registry, imports, close } = await open();
    await imports.model(ada, 'churn', churn);
    await imports.version(ada, 'churn', { ...version(1), from: 'runs:/gone/model', run: 'gone' });
    await imports.version(ada, 'churn', { ...version(2), from: '/home/bob/mlruns/model' });
    for (const number of [1, 2]) {
      const found = await registry.getVersion('churn', number);
      assert.equal(found.status, 'failed');
      assert.match(found.statusMessage, /^imported without its files/);
    }
    await close();
  });

  test('whoever holds less than EDIT on the project brings nothing in', async () => {
    const { imports, close } = await open();
    const viewer = { id: 'user:eve', roles: ['viewer'] };
    const eve = { ...ada, actor: viewer, access: objectAccess(viewer, 'default') };
    await assert.rejects(imports.model(eve, 'churn', churn), fails('access/forbidden'));
    await assert.rejects(imports.state(eve, 'churn'), fails('access/forbidden'));
    await close();
  });
});
