import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calibratedThreshold } from '#math/drift/calibrated-threshold';
import { psi } from '#math/drift/psi';
import { logLoss } from '#math/metric/binary';
import { countBins } from '#math/summary/binning';
import { type ColumnProfile, countsOf } from '#math/summary/profile';
import { eventsAfter } from '#platform/events';
import { comparisonBlock } from '#serving';
import { forEachDialect } from '#testing/databases';
import type { BlockView, Label, PredictionRecord } from './contract.ts';
import { monitoringMigrations } from './index.ts';
import { DAY_MS, HOUR_MS, openMonitoring, resultsOf, START, traffic } from './testing.ts';

const driftSpec = {
  metrics: [],
  drift: {},
  alerts: [{ name: 'inputs-moved', metric: 'psi', above: 'calibrated', k: 2, n: 3 }],
};

forEachDialect('Drift', monitoringMigrations, (open) => {
  test('each feature, and the scores, have their PSI against frozen bins and a calibrated threshold', async () => {
    const opened = await openMonitoring(open);
    await opened.declare(driftSpec);
    const { records } = traffic({ hours: 24, shift: 4 });
    await opened.monitoring.recordPredictions(records);

    await opened.monitoring.advance('delays', START + DAY_MS);

    const range = { from: START, to: START + DAY_MS };
    const { windows, features } = await opened.monitoring.readings.drift('delays', range);
    const delay = opened.frozen.profile.columns['delay'] as ColumnProfile & { kind: 'numeric' };
    const values = Float32Array.from(records, (record) => record.numeric[0] ?? Number.NaN);
    const { bins, missing } = countBins(delay.edges, values);
    const found = features.find(({ feature }) => feature === 'delay')?.cells[0];
    assert.deepEqual(windows, [START]);
    assert.deepEqual(
      features.map(({ feature }) => feature),
      ['carrier', 'delay', 'distance', 'prediction'],
    );
    assert.equal(found?.value, psi(countsOf(delay), [...bins, missing]));
    assert.equal(found?.threshold, calibratedThreshold(opened.frozen.heldOut.delay).threshold);
    assert.equal(features.find(({ feature }) => feature === 'carrier')?.cells[0]?.threshold, null);
    const histogram = await opened.monitoring.readings.histograms('delays', { feature: 'delay', window: START });
    assert.deepEqual(histogram.edges, delay.edges);
    assert.deepEqual(histogram.reference, countsOf(delay));
    assert.deepEqual(histogram.current, [...bins, missing]);
    assert.equal(histogram.bins.length, histogram.current.length);
    const carrier = await opened.monitoring.readings.histograms('delays', { feature: 'carrier', window: START });
    const empty = records.filter((record) => record.categories[0] === '').length;
    assert.equal(carrier.bins.at(-1), 'missing');
    assert.equal(carrier.current.at(-1), empty);
    const absent = opened.monitoring.readings.histograms('delays', { feature: 'absent', window: START });
    await assert.rejects(absent, { code: 'monitoring/no-figure' });
    await opened.close();
  });

  test('rows of a revision with other inputs are not read with the signature of this one', async () => {
    const inputs = [{ name: 'other', kind: 'numeric' as const }];
    const { frozen, ...opened } = await openMonitoring(open, {
      signatureOf: async (revision) =>
        revision === 'm@2' ? { inputs } : { inputs: [{ name: 'delay', kind: 'numeric' as const }] },
    });
    await opened.declare(driftSpec);
    const { records } = traffic({ hours: 24 });
    const delayOnly = records.map((record, i) => ({
      ...record,
      revision: i < 20 ? 'm@2' : 'm@1',
      numeric: [record.numeric[0] ?? 0],
      categories: [],
    }));
    await opened.monitoring.recordPredictions(delayOnly);

    await opened.monitoring.advance('delays', START + DAY_MS);

    const range = { from: START, to: START + DAY_MS };
    const { features } = await opened.monitoring.readings.drift('delays', range);
    const [delay] = features.find(({ feature }) => feature === 'delay')?.cells ?? [];
    assert.deepEqual([delay?.revision, delay?.requests], ['m@1', 124]);
    assert.ok(frozen.profile.columns['distance']);
    assert.equal(
      features.some(({ feature }) => feature === 'distance'),
      false,
    );
    await opened.close();
  });

  test('an alert fires once at its second window, says why, and is resolved once', async () => {
    const opened = await openMonitoring(open);
    await opened.declare(driftSpec);
    const days = [0, 4, 4, 4, 0, 0, 0].flatMap(
      (shift, day) => traffic({ hours: 24, from: START + day * DAY_MS, seed: day + 20, shift }).records,
    );
    for (let i = 0; i < days.length; i += 500) await opened.monitoring.recordPredictions(days.slice(i, i + 500));

    await opened.monitoring.advance('delays', START + 3 * DAY_MS);
    const firing = await opened.monitoring.readings.summary('delays');
    await opened.monitoring.advance('delays', START + 7 * DAY_MS);

    const { events } = await resultsOf(opened);
    const signals = events.filter(({ type }) => type === 'monitoring.signal').map(({ data }) => data);
    assert.deepEqual(
      signals.map((s) => [s.monitor, s.endpoint, s.alert, s.metric, s.feature, s.state, (s.at - START) / DAY_MS]),
      [
        ['daily', 'delays', 'inputs-moved', 'psi', 'delay', 'firing', 3],
        ['daily', 'delays', 'inputs-moved', 'psi', 'delay', 'resolved', 6],
      ],
    );
    assert.ok(signals[0].value > signals[0].threshold);
    assert.match(signals[0].sentence, /^psi of delay is above its limit in 2 of the last 3 windows: 2001-02-05T00:00 /);
    assert.deepEqual(
      firing.monitors[0]?.firing.map((signal) => signal.alert),
      ['inputs-moved'],
    );
    const [resolved, fired] = await opened.monitoring.readings.signals({ endpoint: 'delays', limit: 10 });
    assert.deepEqual([fired?.state, resolved?.state], ['firing', 'resolved']);
    assert.deepEqual(
      fired?.windows.map((window) => [(window.start - START) / DAY_MS, window.beyond]),
      [
        [0, false],
        [1, true],
        [2, true],
      ],
    );
    assert.deepEqual((await opened.monitoring.readings.summary('delays')).monitors[0]?.firing, []);
    await opened.close();
  });
});

forEachDialect('Comparison blocks', monitoringMigrations, (open) => {
  test('a block is read by serving with every figure that is published', async (t) => {
    const opened = await openMonitoring(open);
    t.after(opened.close);
    await opened.declare({ labelLateness: '1h', metrics: [] });
    const { records, labels } = traffic({ hours: 1 });
    const failed = records.map((record, i) =>
      i === 0
        ? { ...record, arm: 'current' as const, shadow: { revision: 'm@2', score: null, error: 'late' } }
        : record,
    );
    await opened.monitoring.recordPredictions(failed);
    await opened.monitoring.recordLabels(labels);
    await opened.monitoring.advance('delays', START + 2 * HOUR_MS);

    const [event] = (await eventsAfter(opened.db.reader, 0, 1_000)).filter(({ type }) => type === comparisonBlock.type);

    assert.ok(event);
    const read = comparisonBlock.read(event);
    assert.deepEqual(read, event.data);
    assert.deepEqual([read.endpoint, read.current, read.candidate], ['delays', 'm@1', 'm@2']);
    assert.equal(read.block.candidateFailures, 1);
  });

  test('a request whose arm was chosen and not drawn is in no block, and is kept with who chose it', async (t) => {
    const opened = await openMonitoring(open);
    t.after(opened.close);
    await opened.declare({ labelLateness: '1h', metrics: [] });
    const { records, labels } = traffic({ hours: 1 });
    const chosen = records.map((record, i) => (i < 2 ? { ...record, propensity: 1, chosenBy: 'flag:staff' } : record));
    await opened.monitoring.recordPredictions(chosen);
    await opened.monitoring.recordLabels(labels);
    await opened.monitoring.advance('delays', START + 2 * HOUR_MS);

    const [event] = (await eventsAfter(opened.db.reader, 0, 1_000)).filter(({ type }) => type === comparisonBlock.type);
    assert.ok(event);
    assert.equal(comparisonBlock.read(event).block.requests, records.length - 2);
    const [first] = await opened.monitoring.readings.newestRequests('delays', 'm@1');
    assert.equal(first?.id, records.at(-2)?.id);
    const kept = await opened.monitoring.readings.prediction(records[1]?.id ?? '');
    assert.deepEqual([kept.chosenBy, kept.propensity], ['flag:staff', 1]);
  });

  const lossSum = (scores: number[], labels: number[]) =>
    (logLoss(Float64Array.from(scores), Float64Array.from(labels)) ?? 0) * scores.length;

  test('each hour of a rollout becomes one event, in order, when its labels had their time', async () => {
    const opened = await openMonitoring(open);
    await opened.declare({ labelLateness: '2h', metrics: [] });
    await opened.declare({ labelLateness: '4h', metrics: [] }, 'slower');
    const { records, labels } = traffic({ hours: 5 });
    const quiet = records.filter((record) => record.at < START + 2 * HOUR_MS || record.at >= START + 3 * HOUR_MS);
    await opened.monitoring.recordPredictions(quiet);
    await opened.monitoring.recordLabels(labels);
    const counts: number[] = [];

    for (let hour = 1; hour <= 10; hour++) {
      await opened.monitoring.advance('delays', START + hour * HOUR_MS);
      counts.push((await resultsOf(opened)).blocks.length);
    }

    const { blocks: events } = await resultsOf(opened);
    assert.deepEqual(counts, [0, 0, 0, 0, 1, 2, 2, 3, 4, 4]);
    assert.deepEqual(
      events.map(({ data }) => (data.block.start - START) / HOUR_MS),
      [0, 1, 3, 4],
    );
    const { rollout, endpoint, current, candidate, block } = events[0]?.data ?? {};
    assert.deepEqual([rollout, endpoint, current, candidate], ['ro_1', 'delays', 'm@1', 'm@2']);
    const hour = records.slice(0, 6);
    const truth = labels.slice(0, 6).map((label) => label.value);
    const scoresOf = (revision: string) =>
      hour.map((record) => (record.revision === revision ? record.score : (record.shadow?.score ?? -1)));
    const [currentLossSum, candidateLossSum] = [lossSum(scoresOf('m@1'), truth), lossSum(scoresOf('m@2'), truth)];
    const lossDifferenceSum = currentLossSum - candidateLossSum;
    const expected: BlockView = {
      start: START,
      requests: 6,
      lossDifferenceSum,
      currentLossSum,
      candidateLossSum,
      candidateFailures: 0,
    };
    assert.deepEqual(block, expected);
    const stored = await opened.monitoring.readings.blocks('delays', 'ro_1');
    assert.deepEqual(
      stored.items,
      events.map(({ data }) => data.block),
    );
    await opened.close();
  });

  test('a request without label or a score is no pair; a score that the candidate lacks is its failure', async () => {
    const opened = await openMonitoring(open);
    const { records, labels } = traffic({ hours: 1 });
    const failing = records.map((record, i): PredictionRecord => {
      if (i === 0) return { ...record, shadow: { revision: 'm@2', score: null, error: 'boom' } };
      if (i === 3) return { ...record, shadow: { revision: 'm@1', score: null, error: 'boom' } };
      if (i !== 1) return record;
      const { shadow: _shadow, ...rest } = record;
      return { ...rest, arm: 'current', revision: 'm@1', fallback: { revision: 'm@2', error: 'late' } };
    });
    await opened.monitoring.recordPredictions(failing);
    await opened.monitoring.recordLabels(labels.slice(0, 5));

    await opened.monitoring.advance('delays', START + HOUR_MS);

    const [event] = (await resultsOf(opened)).blocks;
    assert.deepEqual([event?.data.block.requests, event?.data.block.candidateFailures], [2, 2]);
    await opened.close();
  });

  test('what comes after its block was published changes no block', async () => {
    const opened = await openMonitoring(open);
    const { records, labels } = traffic({ hours: 2 });
    await opened.monitoring.recordPredictions(records.slice(1));
    await opened.monitoring.recordLabels(labels.slice(2));
    await opened.monitoring.advance('delays', START + HOUR_MS);
    const before = await resultsOf(opened);

    await opened.monitoring.recordPredictions(records);
    await opened.monitoring.recordLabels([labels[0] as Label, labels[1] as Label]);
    await opened.monitoring.advance('delays', START + HOUR_MS);

    assert.equal(before.blocks.length, 1);
    assert.deepEqual(await resultsOf(opened), before);
    await opened.close();
  });
});
