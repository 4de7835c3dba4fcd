import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { tokenAuthenticator } from '#platform/access';
import { createClient, ProblemError } from '#platform/contract';
import { openHttpServer } from '#platform/http';
import { PACKED_PREDICTIONS } from '#serving/contract';
import { forEachDialect } from '#testing/databases';
import { monitoringContract, type PredictionRecord } from './contract.ts';
import { monitoringMigrations } from './index.ts';
import { DAY_MS, openMonitoring, START, traffic } from './testing.ts';

/** Three predictions of the endpoint `delays` as a gateway sends them: `a` and `b` in one record, `c` in another. */
const PACKED =
  'XAAAAAIAACAHAAAAWyJkZWxheXMiLCJtQDEiLCJjdXJyZW50IiwgIAAAALl8j2xCeAAAAAAAAD8BYSAgAgAACNwF0AdQAOAAAACA' +
  'PgFiICACAAAADAAAAFVVVVVVVdU/mAAAAAEAAEhfAQAAAEABuXyPbEIAYAG5fI9sQu4CAAD0AQAAeGMBAGDwAABbImRlbGF5cyIs' +
  'Im1AMiIsImNhbmRpZGF0ZSIsImMiLHsiY2F0ZWdvcmllcyI6WyJBQSJdLCJzaGFkb3ciOnsicmV2aXNpb24iOiJtQDEiLCJzY29y' +
  'ZSI6MC41fSwicm9sbG91dCI6InJvXzEifV0g';

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

  test('predictions come packed from gateways and are held to the same schema; what is at fault is told', async (t) => {
    const { client } = await serve(t, 'gateway');
    const send = (bytes: Uint8Array<ArrayBuffer>, contentType = PACKED_PREDICTIONS) =>
      client.recordPackedPredictions({ upload: { contentType, bytes } });

    assert.deepEqual(await send(Buffer.from(PACKED, 'base64')), { recorded: 3, duplicates: 0 });
    assert.deepEqual(await send(Buffer.from(PACKED, 'base64')), { recorded: 0, duplicates: 3 });

    const cut = Buffer.from(PACKED, 'base64').subarray(0, 100);
    await assert.rejects(send(cut), (error) => {
      assert.ok(problem(422, 'monitoring/packed-predictions')(error));
      return error instanceof ProblemError && error.problem.detail === 'record 2 is not all there';
    });
    const nameless = Buffer.from(PACKED, 'base64');
    nameless[nameless.indexOf('"delays"') + 1] = 0x20;
    await assert.rejects(
      send(nameless),
      (error) => error instanceof ProblemError && /^body\.records\.0\.endpoint: /.test(error.problem.detail),
    );
    await assert.rejects(send(Buffer.alloc(0)), problem(400, 'http/invalid-input'));
    const later = PACKED_PREDICTIONS.replace('v1', 'v2');
    await assert.rejects(send(Buffer.from(PACKED, 'base64'), later), problem(415, 'http/unsupported-media-type'));
    await assert.rejects(send(Buffer.alloc(9 * 1_048_576)), problem(413, 'http/too-large'));
  });

  test('what a gateway packed is kept whole', async (t) => {
    const { client } = await serve(t, 'admin');
    await client.recordPackedPredictions({
      upload: { contentType: PACKED_PREDICTIONS, bytes: Buffer.from(PACKED, 'base64') },
    });

    const [b, c] = await Promise.all(['b', 'c'].map((prediction) => client.getPrediction({ params: { prediction } })));
    assert.deepEqual(
      [b?.score, b?.latencyUs, b?.at, Object.values(b?.inputs ?? {})],
      [0.25, 80, 981_331_200_007, [null, Math.fround(1 / 3)]],
    );
    assert.deepEqual([c?.shadow?.score, c?.rollout, Object.values(c?.inputs ?? {})], [0.5, 'ro_1', [-4, 'AA']]);
  });
});
