import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { tokenAuthenticator } from '#platform/access';
import { createClient, ProblemError } from '#platform/contract';
import { openHttpServer } from '#platform/http';
import { forEachDialect } from '#testing/databases';
import { monitoringContract, type PredictionRecord } from './contract.ts';
import { monitoringMigrations } from './index.ts';
import { DAY_MS, openMonitoring, START, traffic } from './testing.ts';

const problem = (status: number, code: string) => (error: unknown) =>
  error instanceof ProblemError && error.problem.status === status && error.code === code;

forEachDialect('Monitoring over HTTP', monitoringMigrations, (open) => {
  async function serve(t: TestContext, role: string) {
    const opened = await openMonitoring(open);
    const authenticator = tokenAuthenticator(new Map(), { localRole: role });
    const server = openHttpServer({ ...opened.deps, groups: opened.monitoring.parts.routes, authenticator });
    const client = createClient(monitoringContract, { baseUrl: await server.listen('127.0.0.1', 0) });
    t.after(async () => {
      await server.close();
      await opened.close();
    });
    return { ...opened, client };
  }

  test('a stream is recorded, labelled, evaluated and read', async (t) => {
    const { client, declare } = await serve(t, 'admin');
    await declare({ drift: {}, alerts: [{ name: 'weak', metric: 'auc', below: 0.99, k: 1, n: 1 }] });
    const { records, labels } = traffic({ hours: 24 });
    const params = { endpoint: 'delays' };
    const range = { from: START, to: START + DAY_MS };

    await client.recordPredictions({ body: { records } });
    await client.recordLabels({ body: { labels } });
    const advanced = await client.advanceWatermark({ params, body: { to: START + DAY_MS } });

    const figures = await client.listFigures({ params, query: { metric: 'auc', revision: '*' } });
    const drift = await client.getDrift({ params });
    const histograms = await client.getHistograms({
      params: { ...params, feature: 'delay' },
      query: { window: START },
    });
    const signals = await client.listSignals({ query: { state: 'firing' } });
    const blocks = await client.listBlocks({ params, query: { rollout: 'ro_1' } });
    const compared = await client.compareScores({ params, query: { a: 'm@1', b: 'm@2', ...range } });
    const coverage = await client.listLabelCoverage({ params, query: range });
    const audit = await client.auditSkew({ params, body: { ...range, sample: 5 } });
    const summary = await client.getSummary({ params });
    assert.deepEqual([advanced.count, advanced.signals[0]?.alert], [26, 'weak']);
    assert.deepEqual([figures.items.length, figures.items[0]?.requests], [1, 144]);
    assert.deepEqual([drift.monitor, drift.features.length], ['daily', 4]);
    assert.equal(histograms.reference.length, histograms.current.length);
    assert.equal(signals.items[0]?.metric, 'auc');
    assert.deepEqual([blocks.items.length, blocks.current, blocks.candidate], [24, 'm@1', 'm@2']);
    assert.deepEqual([compared.requests, compared.difference], [144, null]);
    assert.equal(coverage.items[0]?.share, 1);
    assert.equal(audit.values, 5);
    assert.equal(summary.monitors[0]?.firing.length, 1);
    assert.equal(
      (await client.getPrediction({ params: { prediction: records[0]?.id ?? '' } })).label?.knownAt,
      981338400000,
    );
  });

  test('a gateway may record predictions and nothing else; a bad record is named', async (t) => {
    const { client } = await serve(t, 'gateway');
    const [first] = traffic({ hours: 1 }).records as [PredictionRecord];

    assert.deepEqual(await client.recordPredictions({ body: { records: [first] } }), { recorded: 1, duplicates: 0 });
    const bad = client.recordPredictions({ body: { records: [first, { ...first, at: 0.5 }] } });
    await assert.rejects(
      bad,
      (error) => error instanceof ProblemError && /^body\.records\.1\.at: /.test(error.problem.detail),
    );
    const many = client.recordPredictions({ body: { records: new Array(2_001).fill(first) } });
    await assert.rejects(many, problem(400, 'http/invalid-input'));
    const advance = client.advanceWatermark({ params: { endpoint: 'delays' }, body: { to: START } });
    await assert.rejects(advance, problem(403, 'access/forbidden'));
  });
});
