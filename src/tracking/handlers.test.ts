import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { tokenAuthenticator } from '#platform/access';
import { createClient, ProblemError } from '#platform/contract';
import { openHttpServer } from '#platform/http';
import { forEachDialect } from '#testing/databases';
import { trackingContract } from './contract.ts';
import { createTracking, trackingMigrations } from './index.ts';

const problem = (status: number, code: string) => (error: unknown) =>
  error instanceof ProblemError && error.problem.status === status && error.code === code;

forEachDialect('Tracking over HTTP', trackingMigrations, (openDb) => {
  async function serve(role: string) {
    const database = await openDb();
    const root = await mkdtemp(join(tmpdir(), 'kedge-tracking-'));
    const { parts } = createTracking({ ...database.deps, blobs: await openFsBlobStore({ root }) });
    const authenticator = tokenAuthenticator(new Map(), { localRole: role });
    const server = openHttpServer({ ...database.deps, groups: parts.routes, authenticator });
    const client = createClient(trackingContract, { baseUrl: await server.listen('127.0.0.1', 0) });
    const close = async () => {
      await server.close();
      await database.close();
      await rm(root, { recursive: true, force: true });
    };
    return { client, close };
  }

  test('a run is started, logged to, given a file and ended', async () => {
    const { client, close } = await serve('editor');
    const { id: run } = await client.createTrackingRun({ body: { experiment: 'Flight delays' } });

    await client.logToTrackingRun({
      params: { run },
      body: {
        params: { trees: '10' },
        metrics: [
          { key: 'val/auc', value: 'NaN' },
          { key: 'loss', value: 0.25, step: 3 },
        ],
      },
    });
    const bytes = new TextEncoder().encode('{"a":1}');
    const artifact = await client.putArtifact({
      params: { run },
      query: { path: 'notes/a b.json' },
      upload: { contentType: 'application/octet-stream', bytes },
    });
    const ended = await client.finishTrackingRun({ params: { run }, body: { status: 'finished' } });

    assert.equal(ended.metrics['val/auc']?.value, 'NaN');
    assert.equal(ended.metrics['loss']?.step, 3);
    assert.deepEqual((await client.listArtifacts({ params: { run } })).items, [artifact]);
    assert.deepEqual(await client.getArtifact({ params: { run }, query: { path: 'notes/a b.json' } }), artifact);
    const { items } = await client.metricHistory({ params: { run }, query: { key: 'val/auc' } });
    assert.equal(items[0]?.value, 'NaN');
    assert.deepEqual((await client.searchTrackingRuns({ query: { experiment: 'Flight delays' } })).items, [ended]);
    assert.equal((await client.listExperiments()).items[0]?.name, 'Flight delays');
    await close();
  });

  test('runs are found by a filter in an order, page by page, with their keys and their number', async () => {
    const { client, close } = await serve('editor');
    for (let i = 0; i < 5; i++) {
      const params = { trees: String(i) };
      const { id: run } = await client.createTrackingRun({ body: { experiment: 'found', params } });
      const body = { metrics: [{ key: 'val/auc', value: i / 10 }], tags: { team: i % 2 ? 'risk' : 'ops' } };
      await client.logToTrackingRun({ params: { run }, body });
    }
    const experiment = (await client.listExperiments({ query: { name: 'found' } })).items[0]?.id ?? '';
    const question = { filter: "metrics.`val/auc` > 0 AND (tags.team = 'risk' OR params.trees = '2')" };
    const asked = { ...question, order: 'metrics.`val/auc` DESC', limit: 2 };

    const first = await client.findRuns({ params: { experiment }, query: asked });
    const second = await client.findRuns({ params: { experiment }, query: { ...asked, after: first.next } });
    const found = [...first.items, ...second.items].map(({ params }) => params['trees']);
    assert.deepEqual(found, ['3', '2', '1']);
    assert.equal(second.next, undefined);
    assert.deepEqual(await client.countRuns({ params: { experiment }, query: question }), { runs: 3 });
    assert.deepEqual(await client.listRunKeys({ params: { experiment } }), {
      metrics: ['val/auc'],
      params: ['trees'],
      tags: ['team'],
    });
    assert.equal((await client.getExperiment({ params: { experiment } })).name, 'found');

    const wrong = client.findRuns({ params: { experiment }, query: { filter: 'metrics.auc >' } });
    await assert.rejects(wrong, (error: unknown) => {
      assert.ok(problem(400, 'search/invalid-filter')(error));
      assert.match((error as ProblemError).problem.detail, /position 13/);
      return true;
    });
    const nowhere = client.findRuns({ params: { experiment: '999' } });
    await assert.rejects(nowhere, problem(404, 'tracking/experiment-not-found'));
    await close();
  });

  test('a whole curve comes by column in pages, and what a run read and made with it', async () => {
    const { client, close } = await serve('editor');
    const { id: run } = await client.createTrackingRun({ body: { experiment: 'curve' } });
    const metrics = Array.from({ length: 7 }, (_, step) => ({
      key: 'loss',
      value: step === 3 ? ('NaN' as const) : 1 / (step + 1),
      step,
      timestamp: 1_000 + step,
    }));
    await client.logToTrackingRun({ params: { run }, body: { metrics } });

    const first = await client.metricSeries({ params: { run }, query: { key: 'loss', limit: 4 } });
    const rest = await client.metricSeries({ params: { run }, query: { key: 'loss', limit: 4, after: first.next } });
    assert.deepEqual([...first.steps, ...rest.steps], [0, 1, 2, 3, 4, 5, 6]);
    assert.deepEqual(first.values, [1, 1 / 2, 1 / 3, 'NaN']);
    assert.deepEqual(rest.timestamps, [1_004, 1_005, 1_006]);
    assert.equal(rest.next, undefined);
    const none = { datasets: [], inputModels: [], outputModels: [] };
    assert.deepEqual(await client.getRunLineage({ params: { run } }), none);
    const forged = client.metricSeries({ params: { run }, query: { key: 'loss', after: 'x' } });
    await assert.rejects(forged, problem(400, 'search/invalid-page-token'));
    await close();
  });

  test('bad input is refused with 400, an unknown run with 404, a viewer who writes with 403', async () => {
    const { client, close } = await serve('editor');
    const { id: run } = await client.createTrackingRun({ body: { experiment: 'e' } });
    const upload = { contentType: 'application/octet-stream', bytes: new Uint8Array(1) };

    for (const path of ['../x', '/x', 'a\0']) {
      const put = client.putArtifact({ params: { run }, query: { path }, upload });
      await assert.rejects(put, problem(400, 'http/invalid-input'));
    }
    const infinite = client.logToTrackingRun({ params: { run }, body: { metrics: [{ key: 'a', value: Infinity }] } });
    await assert.rejects(infinite, problem(400, 'http/invalid-input'));
    await assert.rejects(client.getTrackingRun({ params: { run: 'no' } }), problem(404, 'tracking/run-not-found'));
    await close();

    const viewer = await serve('viewer');
    await assert.rejects(
      viewer.client.createTrackingRun({ body: { experiment: 'e' } }),
      problem(403, 'access/forbidden'),
    );
    await viewer.close();
  });
});
