import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import type { Level } from '#platform/access';
import { createClient, ProblemError } from '#platform/contract';
import { openHttpServer } from '#platform/http';
import { forEachDialect } from '#testing/databases';
import { trackingContract } from './contract.ts';
import { createTracking, trackingMigrations } from './index.ts';

const refused = (status: number) => (error: unknown) =>
  error instanceof ProblemError && error.problem.status === status;

forEachDialect('Tracking for holders of single experiments', trackingMigrations, (openDb) => {
  /** `eve` holds levels on experiments that `root` made, and nothing on the project. */
  async function open(t: TestContext, levels: readonly (Level | undefined)[]) {
    const database = await openDb();
    const folder = await mkdtemp(join(tmpdir(), 'kedge-grants-'));
    const tracking = createTracking({ ...database.deps, blobs: await openFsBlobStore({ root: folder }) });
    const objects = new Map<`${string}/${string}`, Level>();
    const grants = new Map([['risk', { level: undefined, objects }]]);
    const senders = new Map([
      ['root', { actor: { id: 'user:root', roles: ['admin'] }, grants: new Map() }],
      ['eve', { actor: { id: 'user:eve', roles: [] }, grants }],
    ]);
    const server = openHttpServer({
      ...database.deps,
      groups: tracking.parts.routes,
      authenticator: { authenticate: ({ token = '' }) => senders.get(token), hasProject: () => true },
    });
    const baseUrl = await server.listen('127.0.0.1', 0);
    t.after(async () => {
      await server.close();
      await database.close();
      await rm(folder, { recursive: true, force: true });
    });
    const as = (token: string) => createClient(trackingContract, { baseUrl, token, project: 'risk' });
    const experiments: { id: string; name: string; run: string }[] = [];
    for (const [i, level] of levels.entries()) {
      const { id, experiment } = await as('root').createTrackingRun({ body: { experiment: `exp-${i}` } });
      experiments.push({ id: experiment.id, name: experiment.name, run: id });
      if (level !== undefined) objects.set(`experiment/${experiment.id}`, level);
    }
    return { root: as('root'), eve: as('eve'), experiments, objects };
  }

  test('they read and write what they hold, as far as their level goes', async (t) => {
    const { eve, experiments } = await open(t, ['EDIT', 'READ', undefined]);
    const [edit, read, none] = experiments.map(({ id, name, run }) => ({ id, name, run }));
    assert.ok(edit && read && none);
    const made = await eve.createTrackingRun({ body: { experiment: edit.name, params: { a: '1' } } });
    const upload = { contentType: 'application/octet-stream', bytes: new TextEncoder().encode('x') };
    for (const run of [made.id, edit.run]) {
      await eve.logToTrackingRun({ params: { run }, body: { metrics: [{ key: 'm', value: 1 }], tags: { t: '1' } } });
      await eve.putArtifact({ params: { run }, query: { path: 'a.txt' }, upload });
    }
    await eve.finishTrackingRun({ params: { run: made.id }, body: { status: 'finished' } });
    await eve.deleteTrackingRun({ params: { run: made.id } });
    await eve.restoreTrackingRun({ params: { run: made.id } });
    assert.equal((await eve.ensureExperiment({ body: { name: edit.name } })).id, edit.id);
    assert.equal((await eve.listArtifacts({ params: { run: edit.run } })).items.length, 1);
    assert.equal((await eve.getArtifact({ params: { run: edit.run }, query: { path: 'a.txt' } })).bytes, 1);

    for (const { id, run } of [edit, read]) {
      assert.equal((await eve.getExperiment({ params: { experiment: id } })).id, id);
      assert.ok((await eve.findRuns({ params: { experiment: id } })).items.length > 0);
      assert.ok((await eve.countRuns({ params: { experiment: id } })).runs > 0);
      await eve.listRunKeys({ params: { experiment: id } });
      assert.equal((await eve.getTrackingRun({ params: { run } })).id, run);
      await eve.metricHistory({ params: { run }, query: { key: 'm' } });
      await eve.metricSeries({ params: { run }, query: { key: 'm' } });
      await eve.getRunLineage({ params: { run } });
    }
    await assert.rejects(eve.logToTrackingRun({ params: { run: read.run }, body: { tags: { t: '1' } } }), refused(403));
    await assert.rejects(eve.createTrackingRun({ body: { experiment: read.name } }), refused(403));
    await assert.rejects(eve.ensureExperiment({ body: { name: read.name } }), refused(403));
    await assert.rejects(eve.putArtifact({ params: { run: read.run }, query: { path: 'a' }, upload }), refused(403));
    await assert.rejects(eve.deleteExperiment({ params: { experiment: edit.id } }), refused(403));
    for (const call of [
      () => eve.getTrackingRun({ params: { run: none.run } }),
      () => eve.getExperiment({ params: { experiment: none.id } }),
      () => eve.logToTrackingRun({ params: { run: none.run }, body: { tags: { t: '1' } } }),
      () => eve.restoreExperiment({ params: { experiment: none.id } }),
    ]) {
      await assert.rejects(call, refused(404));
    }
  });

  test('lists show what they hold by pages, and a name they may not see looks like one that is free', async (t) => {
    const { eve, root, experiments } = await open(t, ['READ', undefined, 'READ', undefined, 'MANAGE']);
    const held = [experiments[4], experiments[2], experiments[0]];
    const found: string[] = [];
    for (let after: string | undefined = ''; after !== undefined; ) {
      const query = after === '' ? { limit: 1 } : { limit: 1, after };
      const page: { items: { id: string }[]; next?: string | undefined } = await eve.listExperiments({ query });
      found.push(...page.items.map(({ id }) => id));
      after = page.next;
    }
    assert.deepEqual(
      found,
      held.map((one) => one?.id),
    );
    assert.deepEqual((await eve.listExperiments({ query: { name: 'exp-1' } })).items, []);
    assert.equal((await eve.listExperiments({ query: { name: 'exp-2' } })).items.length, 1);
    const runs = (await eve.searchTrackingRuns({})).items.map(({ id }) => id).sort();
    assert.deepEqual(runs, held.map((one) => one?.run).sort());
    assert.deepEqual((await eve.searchTrackingRuns({ query: { experiment: 'exp-1' } })).items, []);
    assert.equal((await eve.searchTrackingRuns({ query: { experiment: 'exp-0' } })).items.length, 1);
    assert.equal((await root.searchTrackingRuns({})).items.length, 5);

    const problems = [];
    for (const name of ['exp-1', 'free']) {
      for (const call of [
        () => eve.ensureExperiment({ body: { name } }),
        () => eve.createTrackingRun({ body: { experiment: name } }),
      ]) {
        const { code, detail } = await call().then(
          () => assert.fail('it was made'),
          (error: ProblemError) => error.problem,
        );
        problems.push(`${code} ${detail}`);
      }
    }
    assert.equal(new Set(problems).size, 1, problems.join('\n'));
    assert.equal(
      (await eve.deleteExperiment({ params: { experiment: experiments[4]?.id ?? '' } })).lifecycle,
      'deleted',
    );
  });

  test('who holds something else in the project finds nothing to list', async (t) => {
    const { eve, objects } = await open(t, [undefined]);
    objects.set('model/churn', 'MANAGE');
    assert.deepEqual((await eve.listExperiments({})).items, []);
    assert.deepEqual((await eve.searchTrackingRuns({})).items, []);
  });
});
