import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { KedgeError } from '#core/errors';
import { digestOf } from '#core/hash';
import { AuditLog } from '#platform/audit';
import type { Context } from '#platform/db';
import { forEachDialect } from '#testing/databases';
import { createTracking, type Run, trackingMigrations } from './index.ts';

const ada: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };
const fails = (code: string, text?: RegExp) => (error: unknown) =>
  error instanceof KedgeError && error.code === `tracking/${code}` && (text?.test(error.message) ?? true);
const ids = (runs: readonly Run[]) => runs.map((run) => run.id);
const metric = (key: string, value: number, step = 0, timestamp = 1) => ({ key, value, step, timestamp });

forEachDialect('Tracking', trackingMigrations, (openDb) => {
  async function open() {
    const database = await openDb();
    const root = await mkdtemp(join(tmpdir(), 'kedge-tracking-'));
    const blobs = await openFsBlobStore({ root });
    const close = async () => {
      await database.close();
      await rm(root, { recursive: true, force: true });
    };
    return { ...database, blobs, close, tracking: createTracking({ ...database.deps, blobs }) };
  }

  test('an experiment is made once and found by its name, also by callers that come at the same time', async () => {
    const { tracking, close } = await open();

    const found = await Promise.all(['delays', 'delays', 'fares'].map((name) => tracking.ensureExperiment(ada, name)));

    const [first, again, fares] = found.map(({ id }) => id);
    assert.deepEqual(
      found.map(({ name }) => name),
      ['delays', 'delays', 'fares'],
    );
    assert.equal(first, again);
    // Which of two names that come at the same time is numbered first is up to the database.
    assert.deepEqual([first, fares].sort(), ['1', '2']);
    const { items } = await tracking.listExperiments({ name: 'fares', lifecycle: 'active', limit: 10 });
    assert.deepEqual(items, [found[2]]);
    await close();
  });

  test('a run keeps its source, cause, params and tags, and is audited', async () => {
    const { tracking, db, clock, close } = await open();
    const cause = { kind: 'rule', id: 'rule/retrain', depth: 2 } as const;
    const source = { run: 'run_1', step: 'train' };

    const run = await tracking.createRun(ada, { experiment: 'delays', source, cause, params: { trees: '10' } });

    assert.equal(run.status, 'running');
    assert.equal(run.startedAt, clock.now());
    assert.deepEqual([run.source, run.cause, run.params], [source, cause, { trees: '10' }]);
    assert.deepEqual(await tracking.getRun(run.id), run);
    const [entry] = await new AuditLog(db.reader).search({ subject: `tracking-run/${run.id}`, limit: 5 });
    assert.equal(entry?.actor, 'user:ada');
    await close();
  });

  test('creating a run again under its id returns it, and never takes it for another', async () => {
    const { tracking, close } = await open();
    const draft = { id: 'import-7', experiment: 'delays', params: { trees: '10' } };
    const first = await tracking.createRun(ada, draft);

    assert.deepEqual(await tracking.createRun(ada, draft), first);
    await assert.rejects(tracking.createRun(ada, { ...draft, experiment: 'fares' }), fails('run-exists'));
    await assert.rejects(tracking.createRun(ada, { ...draft, id: '../x' }), fails('invalid', /run\.id/));
    await close();
  });

  test('a logged param never changes, and a batch with one that would is logged not at all', async () => {
    const { tracking, close } = await open();
    const { id } = await tracking.createRun(ada, { experiment: 'delays' });
    await tracking.log(ada, id, { params: { rate: '0.1' } });

    const changed = tracking.log(ada, id, { params: { rate: '0.2' }, tags: { a: 'b' }, metrics: [metric('auc', 1)] });

    await assert.rejects(changed, fails('param-changed', /'rate'.*'0\.1'/));
    await tracking.log(ada, id, { params: { rate: '0.1' } });
    const run = await tracking.getRun(id);
    assert.deepEqual(run.params, { rate: '0.1' });
    assert.deepEqual([run.tags, run.metrics], [{}, {}]);
    await close();
  });

  test('a tag takes its newest value', async () => {
    const { tracking, close } = await open();
    const { id } = await tracking.createRun(ada, { experiment: 'delays', tags: { stage: 'draft' } });

    await tracking.log(ada, id, { tags: { stage: 'final', owner: 'ada' } });

    assert.deepEqual((await tracking.getRun(id)).tags, { stage: 'final', owner: 'ada' });
    await close();
  });

  test('metrics keep NaN and the infinities, drop repeated points, and page in the order of their steps', async () => {
    const { tracking, close } = await open();
    const { id } = await tracking.createRun(ada, { experiment: 'delays' });
    const values = [0.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-300];
    const points = values.map((value, step) => metric('loss', value, step));

    await tracking.log(ada, id, { metrics: [...points].reverse() });
    await tracking.log(ada, id, { metrics: [...points, metric('auc', 0.9)] });

    const first = await tracking.metricHistory(id, 'loss', { limit: 3 });
    const rest = await tracking.metricHistory(id, 'loss', { limit: 3, after: first.next });
    assert.deepEqual(
      [...first.items, ...rest.items].map((point) => point.value),
      values,
    );
    assert.equal(rest.next, undefined);
    assert.deepEqual((await tracking.getRun(id)).metrics, {
      auc: { value: 0.9, step: 0, timestamp: 1 },
      loss: { value: 1e-300, step: 4, timestamp: 1 },
    });
    await close();
  });

  test('a page of a metric can end at a value that is not finite', async () => {
    const { tracking, close } = await open();
    const { id } = await tracking.createRun(ada, { experiment: 'delays' });
    const values = [Number.NEGATIVE_INFINITY, -1, 0, Number.NaN, 1, Number.POSITIVE_INFINITY];
    await tracking.log(ada, id, { metrics: values.map((value) => metric('loss', value)) });

    const seen: number[] = [];
    for (let after: string | undefined, more = true; more; ) {
      const page = await tracking.metricHistory(id, 'loss', { limit: 1, after });
      seen.push(...page.items.map((point) => point.value));
      after = page.next;
      more = after !== undefined;
    }

    assert.deepEqual(seen, values);
    await close();
  });

  test('an older step that arrives late does not become the latest value', async () => {
    const { tracking, close } = await open();
    const { id } = await tracking.createRun(ada, { experiment: 'delays' });

    await tracking.log(ada, id, { metrics: [metric('auc', 0.8, 5)] });
    await tracking.log(ada, id, { metrics: [metric('auc', 0.9, 4, 100)] });

    assert.equal((await tracking.getRun(id)).metrics['auc']?.value, 0.8);
    await close();
  });

  test('a batch past its limits is refused, naming the field', async () => {
    const { tracking, close } = await open();
    const { id } = await tracking.createRun(ada, { experiment: 'delays' });
    const many = Array.from({ length: 1_001 }, (_, step) => metric('auc', 1, step));

    await assert.rejects(tracking.log(ada, id, { metrics: many }), fails('invalid', /batch\.metrics/));
    await assert.rejects(tracking.log(ada, id, { params: { a: 'x'.repeat(6_001) } }), fails('invalid', /params\.a/));
    await assert.rejects(tracking.log(ada, id, { tags: { a: 'x\0' } }), fails('invalid', /NUL/));
    await tracking.log(ada, id, { metrics: many.slice(1) });
    await close();
  });

  test('a run holds params and tags up to its limit', async () => {
    const { tracking, close } = await open();
    const { id } = await tracking.createRun(ada, { experiment: 'delays' });
    const keys = (from: number) => Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${from + i}`, '']));
    for (let i = 0; i < 5_000; i += 100) await tracking.log(ada, id, { params: keys(i), tags: keys(i) });

    await assert.rejects(tracking.log(ada, id, { params: { one: '' } }), fails('limit', /5000 params/));
    await assert.rejects(tracking.log(ada, id, { tags: { one: '' } }), fails('limit', /5000 tags/));
    assert.equal(Object.keys((await tracking.getRun(id)).tags).length, 5_000);
    await close();
  });

  test('a run ends once', async () => {
    const { tracking, clock, close } = await open();
    const { id } = await tracking.createRun(ada, { experiment: 'delays' });
    await clock.advance(50);

    const ended = await tracking.finishRun(ada, id, { status: 'finished' });
    await clock.advance(50);

    assert.equal(ended.endedAt, ended.startedAt + 50);
    assert.deepEqual(await tracking.finishRun(ada, id, { status: 'finished' }), ended);
    await assert.rejects(tracking.finishRun(ada, id, { status: 'failed' }), fails('run-over', /is finished/));
    await close();
  });

  test('runs are found by experiment, status and source, newest first, page by page', async () => {
    const { tracking, clock, close } = await open();
    const made: string[] = [];
    for (let i = 0; i < 5; i++) {
      // Pairs share their start time, so that a page ends between equal times.
      if (i % 2 === 0) await clock.advance(10);
      const experiment = i === 4 ? 'fares' : 'delays';
      made.push((await tracking.createRun(ada, { experiment, source: { run: `p${i}`, step: 's' } })).id);
    }
    await tracking.finishRun(ada, made[1] as string, { status: 'failed' });

    const pages: string[][] = [];
    for (let after: string | undefined, more = true; more; ) {
      const page = await tracking.searchRuns({ limit: 1, after, experiment: 'delays' });
      pages.push(ids(page.items));
      after = page.next;
      more = after !== undefined;
    }

    assert.deepEqual(pages.flat(), made.slice(0, 4).reverse());
    assert.deepEqual(ids((await tracking.searchRuns({ limit: 9, status: 'failed' })).items), [made[1]]);
    assert.deepEqual(ids((await tracking.searchRuns({ limit: 9, sourceRun: 'p4' })).items), [made[4]]);
    assert.deepEqual(ids((await tracking.searchRuns({ limit: 9, experiment: '2' })).items), [made[4]]);
    assert.deepEqual((await tracking.searchRuns({ limit: 9, experiment: 'none' })).items, []);
    await assert.rejects(tracking.searchRuns({ limit: 9, after: 'x' }), fails('invalid-cursor'));
    await close();
  });

  test('deleting leaves a tombstone: the run is not written to, not listed, and comes back whole', async () => {
    const { tracking, close } = await open();
    const { id } = await tracking.createRun(ada, { experiment: 'delays', params: { a: '1' } });

    await tracking.deleteRun(ada, id);

    await assert.rejects(tracking.log(ada, id, { metrics: [metric('auc', 1)] }), fails('run-deleted'));
    assert.deepEqual((await tracking.searchRuns({ limit: 9 })).items, []);
    assert.deepEqual(ids((await tracking.searchRuns({ limit: 9, lifecycle: 'deleted' })).items), [id]);
    const restored = await tracking.restoreRun(ada, id);
    assert.deepEqual([restored.lifecycle, restored.params], ['active', { a: '1' }]);
    await close();
  });

  test('restoring an experiment restores the runs deleted along with it and no others', async () => {
    const { tracking, close } = await open();
    const early = await tracking.createRun(ada, { experiment: 'delays' });
    const late = await tracking.createRun(ada, { experiment: 'delays' });
    await tracking.deleteRun(ada, early.id);

    await tracking.deleteExperiment(ada, '1');

    await assert.rejects(tracking.createRun(ada, { experiment: 'delays' }), fails('experiment-deleted'));
    await assert.rejects(tracking.restoreRun(ada, late.id), fails('experiment-deleted'));
    await tracking.restoreExperiment(ada, '1');
    assert.deepEqual(ids((await tracking.searchRuns({ limit: 9 })).items), [late.id]);
    await close();
  });

  test('an artifact is stored by its content, listed by path, and replaced under its path', async () => {
    const { tracking, blobs, close } = await open();
    const { id } = await tracking.createRun(ada, { experiment: 'delays' });
    const bytes = new TextEncoder().encode('one');
    async function* chunks() {
      yield bytes.subarray(0, 1);
      yield bytes.subarray(1);
    }

    const first = await tracking.putArtifact(ada, { run: id, path: 'plots/b.txt' }, chunks());
    await tracking.putArtifact(ada, { run: id, path: 'plots/a.txt' }, bytes);
    await tracking.putArtifact(ada, { run: id, path: 'model.onnx' }, new Uint8Array(4));
    await tracking.putArtifact(ada, { run: id, path: 'model.onnx' }, new Uint8Array(5));

    assert.deepEqual([first.digest, first.bytes], [digestOf(bytes), 3]);
    assert.equal(new TextDecoder().decode(await blobs.read(first.digest)), 'one');
    assert.deepEqual(
      (await tracking.listArtifacts(id)).map(({ path, bytes }) => [path, bytes]),
      [
        ['model.onnx', 5],
        ['plots/a.txt', 3],
        ['plots/b.txt', 3],
      ],
    );
    assert.equal((await tracking.listArtifacts(id, 'plots')).length, 2);
    assert.deepEqual(await tracking.listArtifacts(id, 'plot'), []);
    assert.deepEqual(await tracking.getArtifact(id, 'plots/b.txt'), first);
    await assert.rejects(tracking.getArtifact(id, 'plots'), fails('artifact-not-found'));
    await close();
  });

  test('the same content under the same path again changes nothing and is not audited again', async () => {
    const { tracking, db, clock, close } = await open();
    const { id } = await tracking.createRun(ada, { experiment: 'delays' });
    const put = async (text: string) => {
      await clock.advance(1_000);
      return tracking.putArtifact(ada, { run: id, path: 'model.onnx' }, new TextEncoder().encode(text));
    };
    const audited = async () =>
      (await new AuditLog(db.reader).search({ subject: `tracking-run/${id}`, limit: 100 })).length;

    const first = await put('one');
    const entries = await audited();
    const again = await put('one');
    assert.deepEqual(again, first);
    assert.deepEqual(await tracking.getArtifact(id, 'model.onnx'), first);
    assert.equal(await audited(), entries);

    await put('two');
    await put('one');
    assert.equal(await audited(), entries + 2);
    await close();
  });

  test('an artifact path cannot leave the run, nor be a file and a folder at once', async () => {
    const { tracking, close } = await open();
    const { id } = await tracking.createRun(ada, { experiment: 'delays' });
    const put = (path: string) => tracking.putArtifact(ada, { run: id, path }, new Uint8Array(1));
    await put('a/b');

    for (const path of ['../x', '/x', 'x\0y', '']) await assert.rejects(put(path), fails('invalid', /path/));
    await assert.rejects(put('a'), fails('artifact-conflict', /'a\/b'/));
    await assert.rejects(put('a/b/c'), fails('artifact-conflict', /'a\/b'/));
    await put('A');
    await assert.rejects(
      tracking.putArtifact(ada, { run: 'no', path: 'a' }, new Uint8Array(1)),
      fails('run-not-found'),
    );
    await close();
  });
});
