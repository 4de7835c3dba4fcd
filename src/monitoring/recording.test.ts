import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import type { Label, PredictionRecord } from './contract.ts';
import { monitoringMigrations } from './index.ts';
import { DAY_MS, HOUR_MS, openMonitoring, START, signature, traffic } from './testing.ts';

forEachDialect('Recording', monitoringMigrations, (open) => {
  test('a repeated id is counted and changes nothing', async () => {
    const { monitoring, close } = await openMonitoring(open);
    const { records } = traffic({ hours: 12 });
    const first = records[0] as PredictionRecord;

    const sent = await monitoring.recordPredictions(records);
    const again = await monitoring.recordPredictions([{ ...first, score: 0.999 }, ...traffic({ hours: 13 }).records]);

    assert.deepEqual(sent, { recorded: 72, duplicates: 0 });
    assert.deepEqual(again, { recorded: 6, duplicates: 73 });
    assert.equal((await monitoring.readings.prediction(first.id)).score, first.score);
    await close();
  });

  test('a prediction is read back as it was sent, with inputs by name, its label and its loss', async () => {
    const { monitoring, close } = await openMonitoring(open);
    const record: PredictionRecord = {
      ...(traffic({ hours: 1 }).records[0] as PredictionRecord),
      score: 0.25,
      shadow: { revision: 'm@2', score: null, error: 'too slow' },
      fallback: { revision: 'm@2', error: 'too slow' },
      nodes: [
        { node: 'part', revision: 'p@1', us: 12.5, error: 'broken' },
        { node: 'mean', us: 1 },
      ],
      numeric: [null, 0.5],
      categories: ['AA'],
      cached: true,
    };

    await monitoring.recordPredictions([record]);
    await monitoring.recordLabels([{ prediction: record.id, value: 1, at: START + 9, knownAt: START + 10 }]);

    const { numeric: _numeric, categories: _categories, ...rest } = record;
    assert.deepEqual(await monitoring.readings.prediction(record.id), {
      ...rest,
      inputs: { delay: null, distance: 0.5, carrier: 'AA' },
      label: { value: 1, at: START + 9, knownAt: START + 10 },
      loss: { answered: -Math.log(0.25), shadow: null },
    });
    await assert.rejects(monitoring.readings.prediction('absent'), { code: 'monitoring/prediction-not-found' });
    await close();
  });

  test('labels may come before their predictions, twice or contradicting: the first one counts', async () => {
    const { monitoring, declare, close } = await openMonitoring(open);
    await declare({ metrics: ['base-rate'] });
    const { records, labels } = traffic({ hours: 24 });

    const early = await monitoring.recordLabels(labels);
    await monitoring.recordPredictions(records);
    const again = await monitoring.recordLabels(
      labels.map((label): Label => ({ ...label, value: label.value === 1 ? 0 : 1 })),
    );
    await monitoring.advance('delays', START + DAY_MS);

    const range = { from: START, to: START + DAY_MS };
    const query = { endpoint: 'delays', ...range, revision: '*', limit: 10, versions: 'all' } as const;
    const [figure, ...others] = await monitoring.readings.figures(query);
    assert.deepEqual(
      [early, again],
      [
        { recorded: 144, duplicates: 0 },
        { recorded: 0, duplicates: 144 },
      ],
    );
    assert.equal(figure?.value, labels.filter((label) => label.value === 1).length / 144);
    assert.deepEqual([figure?.requests, figure?.labelled, others.length], [144, 144, 0]);
    assert.deepEqual(await monitoring.readings.labelCoverage('delays', range), [
      { day: START, requests: 144, labelled: 144, share: 1 },
    ]);
    await close();
  });

  test('a skew audit compares recorded and recomputed values in float32, on the same sample each time', async () => {
    const { records } = traffic({ hours: 24 });
    const broken = records[5] as PredictionRecord;
    const asked: number[][] = [];
    const { monitoring, close } = await openMonitoring(open, {
      signatureOf: async () => signature,
      async recompute(_endpoint, rows) {
        asked.push(rows.map(({ at }) => at));
        const of = new Map(records.map((record) => [record.at, record]));
        const offline = (at: number): number => (at === broken.at ? -1 : ((of.get(at)?.numeric[1] as number) ?? 0));
        const unknown = new Float32Array(rows.length).fill(9);
        return { names: ['distance', 'absent'], values: [Float32Array.from(rows, ({ at }) => offline(at)), unknown] };
      },
    });
    await monitoring.recordPredictions(records);
    const range = { from: START, to: START + DAY_MS };

    const whole = await monitoring.auditSkew('delays', { ...range, sample: 200 });
    const sampled = await monitoring.auditSkew('delays', { ...range, sample: 10 });
    const again = await monitoring.auditSkew('delays', { ...range, sample: 10 });

    assert.deepEqual([whole.rows, whole.values, whole.mismatched], [144, 144, 1]);
    assert.deepEqual(whole.features, [{ feature: 'distance', mismatched: 1 }]);
    assert.deepEqual(whole.examples, [
      { prediction: broken.id, at: broken.at, feature: 'distance', online: broken.numeric[1], offline: -1 },
    ]);
    assert.match(whole.sentence, /144 predictions, 144 feature values: 1 differ offline, most in distance/);
    assert.equal(sampled.rows, 10);
    assert.deepEqual(asked[1], asked[2]);
    assert.deepEqual(sampled, again);
    const empty = monitoring.auditSkew('delays', { from: 0, to: HOUR_MS, sample: 5 });
    await assert.rejects(empty, { code: 'monitoring/nothing-to-audit' });
    await close();
  });

  test('two revisions are compared week by week on the requests that both scored', async () => {
    const { monitoring, close } = await openMonitoring(open);
    const { records, labels } = traffic({ hours: 24 * 9, stepMs: HOUR_MS });
    await monitoring.recordPredictions(records);
    await monitoring.recordLabels(labels);

    const range = { from: START, to: START + 30 * DAY_MS };
    const found = await monitoring.readings.compareScores('delays', { a: 'm@1', b: 'm@2', ...range });

    assert.deepEqual(
      found.weeks.map((week) => [week.start, week.requests]),
      [
        [START, 168],
        [START + 7 * DAY_MS, 48],
      ],
    );
    const means = found.weeks.map((week) => (week.b.logLoss ?? 0) - (week.a.logLoss ?? 0));
    const expected = ((means[0] as number) * 168 + (means[1] as number) * 48) / 216;
    assert.equal(found.requests, 216);
    assert.ok(Math.abs((found.difference?.estimate ?? 0) - expected) < 1e-12);
    assert.equal(found.difference?.days, 9);
    assert.ok((found.difference?.low ?? 1) <= expected && expected <= (found.difference?.high ?? -1));
    await close();
  });
});
