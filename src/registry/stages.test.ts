import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KedgeError } from '#core/errors';
import { type Digest, digestOf } from '#core/hash';
import { fullAccess } from '#platform/access';
import type { RequestContext } from '#platform/http';
import { forEachDialect } from '#testing/databases';
import { holderOf } from './holders.ts';
import { createRegistry, type RegistryGateRequest, registryMigrations, type VersionDraft } from './index.ts';
import type { VersionArtifact } from './shapes.ts';
import { parseSource, type SourceOwner } from './sources.ts';

const ada: RequestContext = {
  actor: { id: 'user:ada', roles: ['admin'] },
  ...{ action: 'test', requestId: 'r', project: 'default', access: fullAccess() },
};
const fails = (code: string, text?: RegExp) => (error: unknown) =>
  error instanceof KedgeError && error.code === `registry/${code}` && (text?.test(error.message) ?? true);
const draft = (run: string): VersionDraft => ({
  ...{ model: 'delays', run },
  artifacts: [{ path: 'model.onnx', digest: digestOf('m'), bytes: 1 }],
  signature: { inputs: [{ name: 'distance', kind: 'numeric' }], output: 'probability' },
});

forEachDialect('Stages, names and sources of the registry', registryMigrations, (openDb) => {
  async function open() {
    const database = await openDb();
    const asked: RegistryGateRequest[] = [];
    const contents = new Map<string, Uint8Array>();
    const stored = (path: string, text: string): VersionArtifact => {
      const digest = digestOf(text);
      contents.set(digest, Buffer.from(text));
      return { path, digest, bytes: Buffer.byteLength(text) };
    };
    const files: VersionArtifact[] = [];
    const owner: SourceOwner = {
      ...{ runId: 'r1', metrics: { auc: 0.8 } },
      files: async (folder) => {
        const below = folder === '' ? '' : `${folder}/`;
        const found = files.filter(({ path }) => path.startsWith(below));
        return found.map((file) => ({ ...file, path: file.path.slice(below.length) }));
      },
    };
    const state = { allow: false };
    const registry = createRegistry({
      ...database.deps,
      gate: {
        async decide(request) {
          asked.push(request);
          if (state.allow) return { allow: true, policy: 'p', satisfied: [] };
          return { allow: false, policy: 'p', missing: ['scan: there is none'] };
        },
      },
      blobs: {
        has: async (digest) => contents.has(digest) || digest === digestOf('m'),
        size: async (digest) => contents.get(digest)?.length ?? 1,
        read: async (digest: Digest) => contents.get(digest) ?? new Uint8Array(),
      },
      sources: { run: async () => owner, loggedModel: async () => owner },
    });
    return { ...database, registry, asked, state, files, stored };
  }
  const source = (change: object = {}) => ({
    ...{ model: 'delays', source: 'runs:/r1/model', runLink: '', description: '', tags: {} },
    ...change,
  });

  test('Production is reached only through the gate, other stages freely, and each move is kept', async () => {
    const { registry, asked, state, close } = await open();
    await registry.registerVersion(ada, draft('a'));
    await registry.registerVersion(ada, draft('b'));
    const key = { model: 'delays', version: 1 };

    assert.equal((await registry.setStage(ada, { ...key, stage: 'QA' })).stageStatus, 'InProgress');
    const refused = registry.setStage(ada, { ...key, stage: 'Production' });
    await assert.rejects(refused, fails('gate-denied', /reach the stage Production.*scan: there is none/));
    state.allow = true;
    await registry.setStage(ada, { ...key, stage: 'Production' });
    const second = { model: 'delays', version: 2, stage: 'Production', archive: ['Production'] } as const;
    const moved = await registry.setStage(ada, { ...second, reason: 'better' });

    assert.deepEqual([moved.stage, moved.stageStatus], ['Production', 'Approved']);
    const first = await registry.getVersion('delays', 1);
    assert.deepEqual([first.stage, first.stageStatus], ['Archived', 'Retired']);
    assert.deepEqual(
      asked.map(({ transition, target, version }) => [transition, target, version]),
      [
        ['stage', 'Production', 1],
        ['stage', 'Production', 1],
        ['stage', 'Production', 2],
      ],
    );
    const { items } = await registry.stageHistory(key, { limit: 9 });
    assert.deepEqual(
      items.map(({ to }) => to.stage),
      ['Archived', 'Production', 'QA'],
    );
    await assert.rejects(registry.deleteVersion(ada, { model: 'delays', version: 2 }, ''), fails('version-in-use'));
    await close();
  });

  test('the history of a renamed model goes on under its former name, up to the rename', async () => {
    const { registry, files, stored, close } = await open();
    files.push(stored('model/model.onnx', 'graph'));
    const rename = { ...ada, action: 'model.rename' };
    await registry.createModel(ada, { model: 'first' });
    await registry.registerFromSource(ada, source({ model: 'first' }));
    await registry.renameModel(rename, 'first', 'second');
    await registry.describeModel(ada, 'second', { description: 'renamed once' });
    await registry.renameModel(rename, 'second', 'third');
    await registry.createModel(ada, { model: 'first' });
    await registry.describeModel(ada, 'first', { description: 'another model' });

    const told = async (limit: number) => {
      const entries = [];
      for (let after: string | undefined = ''; after !== undefined; ) {
        const query = after === '' ? { limit } : { limit, after };
        const found: Awaited<ReturnType<typeof registry.modelHistory>> = await registry.modelHistory('third', query);
        entries.push(...found.items);
        after = found.next;
      }
      return entries;
    };
    const all = await told(100);
    assert.deepEqual(
      all.map(({ subject }) => subject.slice('model/'.length)),
      ['third', 'second', 'second', 'second', 'first', 'first', 'first'],
    );
    assert.ok(!JSON.stringify(all).includes('another model'));
    assert.deepEqual(await told(2), all, 'page by page it is the same');
    const version = await registry.versionHistory('third', 1, { limit: 10 });
    assert.deepEqual(
      version.items.map(({ subject }) => subject),
      ['model-version/first@1', 'model-version/first@1'],
    );
    await close();
  });

  test('a rename passes the gate for protected places as the new name, and the old one keeps its numbers', async () => {
    const { registry, asked, state, close } = await open();
    await registry.registerVersion(ada, draft('a'));
    state.allow = true;
    await registry.moveAlias(ada, { model: 'delays', alias: 'champion', version: 1 });
    state.allow = false;

    await assert.rejects(registry.renameModel(ada, 'delays', 'late'), fails('gate-denied'));
    assert.equal(asked.at(-1)?.model, 'late');
    state.allow = true;
    const renamed = await registry.renameModel(ada, 'delays', 'late');

    assert.deepEqual([renamed.name, renamed.aliases, renamed.lastVersion], ['late', { champion: 1 }, 1]);
    await assert.rejects(registry.getModel('delays'), fails('model-not-found'));
    assert.equal((await registry.registerVersion(ada, draft('b'))).version, 2);
    await assert.rejects(registry.renameModel(ada, 'late', 'delays'), fails('model-exists'));
    await close();
  });

  test('a deleted model is a tombstone whose numbers go on', async () => {
    const { registry, close } = await open();
    await registry.registerVersion(ada, draft('a'));
    await registry.deleteModel(ada, 'delays', 'wrong');

    await assert.rejects(registry.getModel('delays'), fails('model-not-found'));
    assert.notEqual((await registry.getVersion('delays', 1)).deletedAt, null);
    assert.deepEqual(await registry.heldAmong([digestOf('m'), digestOf('other')]), [digestOf('m')]);
    await registry.createModel(ada, { model: 'delays' });
    assert.equal((await registry.registerVersion(ada, draft('a'))).version, 2);
    await close();
  });

  test('a version from a source has the files of that moment, their signature and the evidence there', async () => {
    const { registry, files, stored, close } = await open();
    const columns = '[{"type": "double", "name": "distance"}]';
    files.push(
      stored('model/MLmodel', `flavors: {onnx: {data: model.onnx}}\nsignature: {inputs: '${columns}'}\n`),
      stored('model/model.onnx', 'graph'),
      stored('kedge-evidence/scan.json', '{"passed": true, "summary": "clean"}'),
    );
    await registry.createModel(ada, { model: 'delays' });
    const version = await registry.registerFromSource(ada, source());
    files.splice(1, 1, stored('model/model.onnx', 'another graph'));

    assert.equal(version.modelFile.digest, digestOf('graph'));
    assert.deepEqual((await registry.versionWithFile('delays', 1)).signature.inputs, [
      { name: 'distance', kind: 'numeric' },
    ]);
    assert.equal((await registry.getVersion('delays', 1)).modelFile.digest, digestOf('graph'));
    const evidence = await registry.evidence('delays', 1);
    assert.deepEqual(
      evidence.map(({ kind, passed }) => [kind, passed]),
      [
        ['scan', true],
        ['evaluation', null],
      ],
    );
    await close();
  });

  test('what is part of a version is held where it was logged, until the version is deleted', async () => {
    const { registry, db, files, stored, close } = await open();
    files.push(stored('model/model.onnx', 'graph'));
    await registry.createModel(ada, { model: 'delays' });
    await registry.registerFromSource(ada, source());
    await registry.registerFromSource(ada, source({ source: 'models:/m-1', modelId: 'm-1' }));
    const holder = async (text: string) => (await holderOf(db.reader, parseSource(text)))?.version;
    const expected = {
      'runs:/r1/model/model.onnx': 1,
      'runs:/r1/model/more/notes.txt': 1,
      'mlflow-artifacts:/0/r1/artifacts/model': 1,
      'mlflow-artifacts:/0/r1/artifacts': 1,
      'mlflow-artifacts:/0/models/m-1/artifacts/model.onnx': 2,
      'runs:/r1/models/model.onnx': undefined,
      'runs:/r2/model/model.onnx': undefined,
      'mlflow-artifacts:/0/models/m-2/artifacts/model.onnx': undefined,
      's3://bucket/model': undefined,
    };
    for (const [text, version] of Object.entries(expected)) assert.equal(await holder(text), version, text);
    await registry.deleteVersion(ada, { model: 'delays', version: 1 }, '');
    assert.equal(await holder('runs:/r1/model/model.onnx'), undefined);
    await close();
  });

  test('a source without files fails, one that leads elsewhere is refused, and bad evidence is named', async () => {
    const { registry, state, files, stored, close } = await open();
    state.allow = true;
    await registry.createModel(ada, { model: 'delays' });
    const empty = await registry.registerFromSource(ada, source());

    assert.deepEqual([empty.status, empty.modelFile.path], ['failed', '']);
    await assert.rejects(registry.versionWithFile('delays', 1), fails('not-ready'));
    await assert.rejects(
      registry.setStage(ada, { model: empty.model, version: empty.version, stage: 'Production' }),
      fails('not-ready'),
    );
    await assert.rejects(registry.moveAlias(ada, { ...empty, alias: 'champion' }), fails('not-ready'));
    for (const text of ['/etc/passwd', 'file:///tmp/x', 'runs:/r1/../x', 'runs:/r1/%2e%2e/x', 'models:/', 'x:y']) {
      await assert.rejects(registry.registerFromSource(ada, source({ source: text })), fails('source'));
    }
    files.push(stored('model/model.onnx', 'graph'), stored('kedge-evidence/approval.json', '{"passed": true}'));
    await assert.rejects(registry.registerFromSource(ada, source()), fails('source', /approval\.json.*approving/));
    await close();
  });
});
