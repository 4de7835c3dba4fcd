import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { KedgeError } from '#core/errors';
import { digestOf } from '#core/hash';
import type { Context } from '#platform/db';
import { recentEvents } from '#platform/events';
import type { Gate, GateRequest } from '#ports/gate';
import { forEachDialect } from '#testing/databases';
import { createRegistry, type Registry, registryMigrations, type VersionDraft } from './index.ts';

const ada: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };
const bob: Context = { actor: { id: 'user:bob', roles: ['admin'] }, action: 'test' };
const fails = (code: string, text?: RegExp) => (error: unknown) =>
  error instanceof KedgeError && error.code === `registry/${code}` && (text?.test(error.message) ?? true);

const file = (path: string, content = path) => ({ path, digest: digestOf(content), bytes: content.length });
const draft = (change: Partial<VersionDraft> = {}): VersionDraft => ({
  model: 'delays',
  run: 'trk_1',
  cause: { kind: 'rule', id: 'rule/retrain', depth: 1 },
  artifacts: [file('model.onnx'), file('notes/card.md')],
  signature: { inputs: [{ name: 'distance', kind: 'numeric' }], output: 'probability' },
  ...change,
});

/** Lets a version pass that shows a validation which passed, and remembers what it was asked. */
function validationGate(): Gate & { readonly asked: GateRequest[] } {
  const asked: GateRequest[] = [];
  return {
    asked,
    async decide(request) {
      asked.push(request);
      const passed = request.evidence.findLast((one) => one.kind === 'validation')?.passed;
      return passed
        ? { allow: true, policy: 'validated', satisfied: ['validation: passed'] }
        : { allow: false, policy: 'validated', missing: ['validation: there is no evidence of this kind'] };
    },
  };
}

forEachDialect('The registry', registryMigrations, (openDb) => {
  async function open(gate: Gate = validationGate()) {
    const database = await openDb();
    return { ...database, registry: createRegistry({ ...database.deps, gate }) };
  }
  const validated = (registry: Registry, version: number) =>
    registry.addEvidence(ada, { model: 'delays', version }, { kind: 'validation', passed: true });

  test('a version keeps its content, evidence, tags and cause, and says so in one event', async () => {
    const { registry, db, close } = await open();
    const evidence = [{ kind: 'evaluation', passed: true, data: { metrics: { auc: 0.74 } } }];

    const version = await registry.registerVersion(ada, draft({ evidence, tags: { stage: 'draft' } }));

    assert.equal(version.version, 1);
    assert.deepEqual(version.modelFile, file('model.onnx'));
    assert.deepEqual([version.runId, version.tags, version.cause], ['trk_1', { stage: 'draft' }, draft().cause]);
    const [recorded] = await registry.evidence('delays', 1);
    assert.deepEqual([recorded?.data, recorded?.passed, recorded?.by], [evidence[0]?.data, true, 'user:ada']);
    const events = (await recentEvents(db.reader, { limit: 9 })).reverse();
    assert.deepEqual(
      events.map((event) => event.type),
      ['registry.model-changed', 'registry.version-registered', 'registry.evidence-added'],
    );
    assert.deepEqual(events[1]?.data, { model: 'delays', version: 1, runId: 'trk_1', cause: draft().cause });
    await close();
  });

  test('the same run registering the same content again gets the same version, and no evidence twice', async () => {
    const { registry, close } = await open();
    const evaluation = { kind: 'evaluation', passed: true, data: { auc: 0.74 } };
    const again = draft({ evidence: [evaluation], artifacts: [...draft().artifacts].reverse() });
    const [first] = await Promise.all([1, 2, 3].map(() => registry.registerVersion(ada, again)));

    const later = await registry.registerVersion(
      ada,
      draft({ evidence: [evaluation, { kind: 'profile', passed: null }] }),
    );

    assert.deepEqual(later, first);
    assert.equal((await registry.listVersions('delays', { limit: 9 })).items.length, 1);
    assert.deepEqual(
      (await registry.evidence('delays', 1)).map((one) => one.kind),
      ['evaluation', 'profile'],
    );
    await close();
  });

  test('whatever differs in the content makes another version', async () => {
    const { registry, close } = await open();
    const changes: Partial<VersionDraft>[] = [
      {},
      { run: 'trk_2' },
      { run: undefined },
      { artifacts: [file('model.onnx', 'other'), file('notes/card.md')] },
      { artifacts: [file('model.onnx')] },
      { signature: { inputs: draft().signature?.inputs ?? [], output: 'value' } },
      { signature: { inputs: [{ name: 'distance', kind: 'category' }], output: 'probability' } },
      { signature: null },
    ];

    for (const change of changes) await registry.registerVersion(ada, draft(change));

    const { items } = await registry.listVersions('delays', { limit: 3 });
    assert.deepEqual(
      items.map((version) => version.version),
      [8, 7, 6],
    );
    const { items: ofRun } = await registry.listVersions('delays', { limit: 9, run: 'trk_2' });
    assert.deepEqual(
      ofRun.map((version) => version.version),
      [2],
    );
    await close();
  });

  test('a version needs exactly one model file, distinct safe paths and distinct inputs', async () => {
    const { registry, close } = await open();
    const refused: [Partial<VersionDraft>, RegExp][] = [
      [{ artifacts: [file('weights.bin')] }, /exactly one file model\.<format>, found 0/],
      [{ artifacts: [file('model.onnx'), file('model.pkl')] }, /found 2/],
      [{ artifacts: [file('model.onnx'), file('a'), file('a')] }, /each path once/],
      [{ artifacts: [file('model.onnx'), file('../a')] }, /artifacts\.1\.path/],
      [{ signature: { inputs: [], output: 'value' } }, /signature\.inputs/],
      [{ model: 'a/b/c' }, /version\.model/],
    ];

    for (const [change, text] of refused) {
      await assert.rejects(registry.registerVersion(ada, draft(change)), fails('invalid', text));
    }
    const nested = draft({ artifacts: [file('model.txt'), file('old/model.onnx')] });
    assert.equal((await registry.registerVersion(ada, nested)).modelFile.path, 'model.txt');
    await close();
  });

  test('evidence is append-only: newest last, bounded in size, and never an approval', async () => {
    const { registry, close } = await open();
    await registry.registerVersion(ada, draft());
    const key = { model: 'delays', version: 1 };
    const add = (kind: string, data: unknown) => registry.addEvidence(ada, key, { kind, passed: false, data } as never);

    await add('leak-check', { rows: 3 });
    await add('leak-check', { rows: 3 });

    const rows = await registry.evidence('delays', 1, 'leak-check');
    assert.equal(rows.length, 2);
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    for (const data of [{ text: 'x'.repeat(262_144) }, deep, { a: Number.NaN }, { a: undefined }]) {
      await assert.rejects(add('note', data), fails('invalid', /evidence\.data/));
    }
    await assert.rejects(add('approval', {}), fails('invalid', /approving the version/));
    const smuggled = draft({ evidence: [{ kind: 'approval', passed: true, data: { approver: 'user:eve' } }] });
    await assert.rejects(registry.registerVersion(ada, smuggled), fails('invalid', /evidence\.0\.kind/));
    await close();
  });

  test('a version takes evidence up to its limit', async () => {
    const { registry, close } = await open();
    await registry.registerVersion(ada, draft());
    const key = { model: 'delays', version: 1 };
    const data = { text: 'x'.repeat(262_000) };
    for (let i = 0; i < 64; i++) await registry.addEvidence(ada, key, { kind: 'note', passed: null, data });

    await assert.rejects(
      registry.addEvidence(ada, key, { kind: 'note', passed: null, data }),
      fails('limit', /16777216/),
    );
    await close();
  });

  test('an approval names the caller, and whether they had a hand in the version', async () => {
    const { registry, close } = await open();
    await registry.registerVersion(ada, draft());
    await registry.registerVersion(ada, draft({ run: 'trk_2', cause: { kind: 'user', id: 'user:bob', depth: 0 } }));
    const independent = async (context: Context, version: number) => {
      const given = await registry.approve(context, { model: 'delays', version }, { approved: true, reason: 'fine' });
      assert.deepEqual([given.kind, given.passed, given.by], ['approval', true, context.actor.id]);
      const { approver, independent } = given.data as { approver: string; independent: boolean };
      assert.equal(approver, context.actor.id);
      return independent;
    };

    assert.equal(await independent(bob, 1), true);
    assert.equal(await independent(ada, 1), false);
    assert.equal(await independent(bob, 2), false);
    await close();
  });

  test('a plain alias moves without the gate and keeps its history', async () => {
    const gate = validationGate();
    const { registry, db, clock, close } = await open(gate);
    for (const run of ['a', 'b']) await registry.registerVersion(ada, draft({ run }));

    await registry.moveAlias(ada, { model: 'delays', alias: 'candidate', version: 1, reason: 'first' });
    await clock.advance(5);
    await registry.moveAlias(bob, { model: 'delays', alias: 'candidate', version: 2 });
    await registry.moveAlias(bob, { model: 'delays', alias: 'candidate', version: 2 });
    assert.equal((await registry.versionByAlias('delays', 'candidate')).version, 2);
    assert.deepEqual((await registry.getModel('delays')).aliases, { candidate: 2 });
    assert.equal(await registry.removeAlias(ada, { model: 'delays', alias: 'candidate', reason: 'done' }), true);
    assert.equal(await registry.removeAlias(ada, { model: 'delays', alias: 'candidate', reason: 'done' }), false);

    const first = await registry.aliasHistory('delays', 'candidate', { limit: 2 });
    const rest = await registry.aliasHistory('delays', 'candidate', { limit: 2, after: first.next });
    assert.deepEqual(
      [...first.items, ...rest.items].map(({ from, to, by }) => [from, to, by]),
      [
        [2, null, 'user:ada'],
        [1, 2, 'user:bob'],
        [null, 1, 'user:ada'],
      ],
    );
    await assert.rejects(registry.versionByAlias('delays', 'candidate'), fails('alias-not-found'));
    assert.equal(gate.asked.length, 0);
    const moves = (await recentEvents(db.reader, { limit: 9 })).filter((e) => e.type === 'registry.alias-moved');
    assert.equal(moves.length, 3);
    await close();
  });

  test('a protected alias moves only when the gate allows it, and the refusal says what is missing', async () => {
    const gate = validationGate();
    const { registry, close } = await open(gate);
    await registry.registerVersion(ada, draft());
    const target = { model: 'delays', alias: 'champion', version: 1 };

    await assert.rejects(registry.moveAlias(ada, target), (error: unknown) => {
      assert.ok(fails('gate-denied', /policy validated misses validation: there is no evidence/)(error));
      assert.equal((error as KedgeError).status, 403);
      assert.equal((error as KedgeError).fields.length, 1);
      return true;
    });
    assert.deepEqual((await registry.getModel('delays')).aliases, {});
    await validated(registry, 1);
    assert.deepEqual((await registry.moveAlias(ada, target)).aliases, ['champion']);
    await registry.moveAlias(ada, target);
    assert.equal(gate.asked.length, 2, 'an alias that is there already passes no gate');

    const { transition, target: alias, actor, evidence } = gate.asked[1] as GateRequest;
    assert.deepEqual([transition, alias, actor, evidence.length], ['alias', 'champion', 'user:ada', 1]);
    await close();
  });

  test('evidence that arrives while the gate decides makes it decide again', async () => {
    const gate = validationGate();
    let arriving = async () => {};
    const { registry, close } = await open({
      async decide(request) {
        const verdict = await gate.decide(request);
        await arriving();
        return verdict;
      },
    });
    await registry.registerVersion(ada, draft());
    await validated(registry, 1);
    const target = { model: 'delays', alias: 'champion', version: 1 };
    const fail = () =>
      registry.addEvidence(ada, { model: 'delays', version: 1 }, { kind: 'validation', passed: false });
    arriving = async () => {
      arriving = async () => {};
      await fail();
    };

    await assert.rejects(registry.moveAlias(ada, target), fails('gate-denied'));

    assert.equal(gate.asked.length, 2);
    await validated(registry, 1);
    arriving = async () => void (await validated(registry, 1));
    await assert.rejects(registry.moveAlias(ada, target), fails('busy'));
    assert.deepEqual((await registry.getModel('delays')).aliases, {});
    await close();
  });

  test('which aliases are protected can be changed for each model', async () => {
    const gate = validationGate();
    const { registry, close } = await open(gate);
    await registry.registerVersion(ada, draft());
    assert.deepEqual((await registry.getModel('delays')).protectedAliases, ['champion', 'production']);

    await registry.protectAliases(bob, 'delays', ['gold', 'gold']);

    await registry.moveAlias(ada, { model: 'delays', alias: 'champion', version: 1 });
    await assert.rejects(registry.moveAlias(ada, { model: 'delays', alias: 'gold', version: 1 }), fails('gate-denied'));
    assert.deepEqual((await registry.getModel('delays')).protectedAliases, ['gold']);
    await close();
  });

  test('a deleted version leaves a tombstone and its number is never given again', async () => {
    const { registry, clock, close } = await open();
    await registry.registerVersion(ada, draft());
    await registry.moveAlias(ada, { model: 'delays', alias: 'candidate', version: 1 });
    const key = { model: 'delays', version: 1 };
    await assert.rejects(registry.deleteVersion(ada, key, 'bad'), fails('version-in-use', /candidate/));
    await registry.removeAlias(ada, { model: 'delays', alias: 'candidate', reason: '' });

    const deleted = await registry.deleteVersion(ada, key, 'bad');

    assert.equal(deleted.deletedAt, clock.now());
    assert.deepEqual(deleted.artifacts, [file('model.onnx'), file('notes/card.md')]);
    await assert.rejects(registry.versionWithFile('delays', 1), fails('version-deleted'));
    await assert.rejects(validated(registry, 1), fails('version-deleted'));
    const move = registry.moveAlias(ada, { model: 'delays', alias: 'candidate', version: 1 });
    await assert.rejects(move, fails('version-deleted'));
    assert.equal((await registry.registerVersion(ada, draft())).version, 2);
    assert.deepEqual((await registry.listVersions('delays', { limit: 9, deleted: true })).items, [deleted]);
    await close();
  });

  test('the description and tags of a version change, its content does not', async () => {
    const { registry, close } = await open();
    const before = await registry.registerVersion(ada, draft({ tags: { a: '1', b: '2' } }));
    const key = { model: 'delays', version: 1 };

    const after = await registry.describeVersion(ada, key, { description: 'Better', tags: { a: null, c: '3' } });

    assert.deepEqual(after, { ...before, description: 'Better', tags: { b: '2', c: '3' } });
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`t${i}`, '']));
    await assert.rejects(registry.describeVersion(ada, key, { tags: many }), fails('limit'));
    await close();
  });

  test('history tells every change of a model and of a version, newest first', async () => {
    const { registry, close } = await open();
    await registry.registerVersion(ada, draft());
    await registry.registerVersion(ada, draft({ run: 'trk_2' }));
    await validated(registry, 1);
    await registry.moveAlias(bob, { model: 'delays', alias: 'champion', version: 1 });

    const model = await registry.modelHistory('delays', { limit: 2 });
    const rest = await registry.modelHistory('delays', { limit: 2, after: model.next });
    const version = await registry.versionHistory('delays', 1, { limit: 9 });

    assert.deepEqual(
      [...model.items, ...rest.items].map(
        (entry) => (entry.detail as { version?: number; to?: number }).version ?? 'to 1',
      ),
      ['to 1', 2, 1, 'to 1'],
    );
    assert.deepEqual(
      version.items.map((entry) => entry.actor),
      ['user:bob', 'user:ada', 'user:ada'],
    );
    await assert.rejects(registry.modelHistory('delays', { limit: 2, after: 'x' }), fails('invalid-cursor'));
    await close();
  });

  test('what does not exist is told apart: the model, the version, the artifact', async () => {
    const { registry, close } = await open();
    await assert.rejects(registry.getVersion('delays', 1), fails('model-not-found'));
    await registry.registerVersion(ada, draft());
    await assert.rejects(registry.getVersion('delays', 2), fails('version-not-found'));
    await assert.rejects(registry.versionArtifact('delays', 1, 'x'), fails('artifact-not-found', /model\.onnx/));
    assert.deepEqual(await registry.versionArtifact('delays', 1, 'notes/card.md'), file('notes/card.md'));
    await close();
  });

  test('with a blob store, a version whose artifacts are not stored as told is refused', async () => {
    const database = await openDb();
    const root = await mkdtemp(join(tmpdir(), 'kedge-registry-'));
    const blobs = await openFsBlobStore({ root });
    const registry = createRegistry({ ...database.deps, gate: validationGate(), blobs });
    const artifacts = [file('model.onnx')];

    await assert.rejects(registry.registerVersion(ada, draft({ artifacts })), fails('missing-artifact', /not in the/));
    await blobs.put(new TextEncoder().encode('model.onnx'));
    const wrong = [{ ...file('model.onnx'), bytes: 3 }];
    await assert.rejects(registry.registerVersion(ada, draft({ artifacts: wrong })), fails('missing-artifact', /10 b/));

    assert.equal((await registry.registerVersion(ada, draft({ artifacts }))).version, 1);
    await database.close();
    await rm(root, { recursive: true, force: true });
  });
});
