import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brier, expectedCalibrationError, logLoss, rocAuc } from '#math/metric/binary';
import { forEachDialect } from '#testing/databases';
import type { FigureView, Label, PredictionRecord } from './contract.ts';
import { createMonitoring, monitoringMigrations } from './index.ts';
import { DAY_MS, HOUR_MS, openMonitoring, reference, resultsOf, START, type Traffic, traffic } from './testing.ts';

const lateSpec = { labelLateness: '6h', metrics: ['auc', 'mean-prediction'] };
const richSpec = {
  labelLateness: '6h',
  drift: {},
  alerts: [
    { name: 'miscalibrated', metric: 'ece', above: 0.05, k: 1, n: 2 },
    { name: 'inputs-moved', metric: 'psi', above: 'calibrated', k: 2, n: 3 },
  ],
};

function columnsOf({ records, labels }: Traffic, revision: string) {
  const rows = records.map((record, i) => ({ record, label: (labels[i] as Label).value }));
  const scoreOf = ({ revision: answering, score, shadow }: PredictionRecord): number =>
    revision === '*' || answering === revision ? score : (shadow?.score ?? Number.NaN);
  return {
    scores: Float64Array.from(rows, ({ record }) => scoreOf(record)),
    labels: Float64Array.from(rows, ({ label }) => label),
  };
}

const keyed = (figures: readonly FigureView[]) =>
  Object.fromEntries(figures.map((f) => [`${f.revision} ${f.metric} ${f.version}`, f.value]));

forEachDialect('Evaluation', monitoringMigrations, (open) => {
  test('figures are those of the metrics over all answers and over all scores of each revision', async () => {
    const opened = await openMonitoring(open);
    await opened.declare();
    const sent = traffic({ hours: 24 });
    await opened.monitoring.recordPredictions(sent.records);
    await opened.monitoring.recordLabels(sent.labels);

    await opened.monitoring.advance('delays', START + DAY_MS);

    const { figures } = await resultsOf(opened);
    const expected = ['*', 'm@1', 'm@2'].flatMap((revision) => {
      const { scores, labels } = columnsOf(sent, revision);
      const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
      return [
        [`${revision} auc 1`, rocAuc(scores, labels)],
        [`${revision} log-loss 1`, logLoss(scores, labels)],
        [`${revision} ece 1`, expectedCalibrationError(scores, labels)],
        [`${revision} brier 1`, brier(scores, labels)],
        [`${revision} base-rate 1`, mean(labels)],
        [`${revision} mean-prediction 1`, mean(scores)],
      ];
    });
    assert.deepEqual(keyed(figures), Object.fromEntries(expected));
    await opened.close();
  });

  test('inputs are measured when a window ends, quality only after the labels had their time', async () => {
    const opened = await openMonitoring(open);
    await opened.declare(lateSpec);
    await opened.monitoring.recordPredictions(traffic({ hours: 24 }).records);
    const metricsAt = async (to: number) => {
      await opened.monitoring.advance('delays', to);
      return [...new Set((await resultsOf(opened)).figures.map((figure) => figure.metric))];
    };

    assert.deepEqual(await metricsAt(START + DAY_MS - 1), []);
    assert.deepEqual(await metricsAt(START + DAY_MS), ['mean-prediction']);
    assert.deepEqual(await metricsAt(START + DAY_MS + 6 * HOUR_MS - 1), ['mean-prediction']);
    assert.deepEqual(await metricsAt(START + DAY_MS + 6 * HOUR_MS), ['auc', 'mean-prediction']);
    await opened.close();
  });

  test('a late label opens its window again: the next watermark publishes version 2 beside version 1', async () => {
    const opened = await openMonitoring(open);
    await opened.declare(lateSpec);
    const { records, labels } = traffic({ hours: 48, rollout: null });
    await opened.monitoring.recordPredictions(records);
    await opened.monitoring.recordLabels(labels.filter((_, i) => i !== 3 && i !== 100));
    const [day1, day2] = [START + DAY_MS + 6 * HOUR_MS, START + 2 * DAY_MS + 6 * HOUR_MS];
    await opened.monitoring.advance('delays', day1);

    await opened.monitoring.recordLabels([labels[3] as Label, labels[100] as Label]);
    const before = (await resultsOf(opened)).figures.length;
    const { evaluated } = await opened.monitoring.advance('delays', day2);

    const auc = (await resultsOf(opened)).figures.filter((f) => f.metric === 'auc' && f.revision === '*');
    const { scores, labels: truth } = columnsOf({ records: records.slice(0, 144), labels }, '*');
    const partly = [...scores.keys()].filter((i) => i !== 3 && i !== 100);
    const partial = (values: Float64Array) => Float64Array.from(partly, (i) => values[i] as number);
    assert.equal(before, 4);
    assert.deepEqual(
      auc.map((f) => [f.window, f.version, f.labelled, f.value, f.at]),
      [
        [START, 1, 142, rocAuc(partial(scores), partial(truth)), day1],
        [START, 2, 144, rocAuc(scores, truth), day2],
        [START + DAY_MS, 1, 144, auc[2]?.value, day2],
      ],
    );
    assert.deepEqual(
      evaluated.map((item) => [item.kind, item.start]),
      [
        ['reopened', START],
        ['inputs', START + DAY_MS],
        ['quality', START + DAY_MS],
      ],
    );
    const query = { endpoint: 'delays', metric: 'auc', revision: '*', from: START, to: START + 1, limit: 10 };
    const latest = await opened.monitoring.readings.figures({ ...query, versions: 'latest' });
    assert.deepEqual(latest, [auc[1]]);
    assert.equal((await opened.monitoring.advance('delays', day2)).count, 0);
    await opened.close();
  });

  test('a late prediction opens inputs and quality again, also when it is the first of its window', async () => {
    const opened = await openMonitoring(open);
    await opened.declare(lateSpec);
    const { records, labels } = traffic({ hours: 72, rollout: null });
    const isLate = (at: number) => at === START || (at >= START + DAY_MS && at < START + 2 * DAY_MS);
    await opened.monitoring.recordLabels(labels);
    await opened.monitoring.recordPredictions(records.filter((record) => !isLate(record.at)));
    await opened.monitoring.advance('delays', START + 4 * DAY_MS);

    await opened.monitoring.recordPredictions(records.filter((record) => isLate(record.at)));
    await opened.monitoring.advance('delays', START + 4 * DAY_MS);

    const { figures } = await resultsOf(opened);
    const all = figures.filter((f) => f.revision === '*');
    assert.deepEqual(
      all.map((f) => [(f.window - START) / DAY_MS, f.metric, f.version, f.requests]),
      [
        [0, 'auc', 1, 143],
        [0, 'auc', 2, 144],
        [0, 'mean-prediction', 1, 143],
        [0, 'mean-prediction', 2, 144],
        [1, 'auc', 1, 144],
        [1, 'mean-prediction', 1, 144],
        [2, 'auc', 1, 144],
        [2, 'mean-prediction', 1, 144],
      ],
    );
    await opened.close();
  });

  test('a window that is measured again with the same result publishes nothing', async () => {
    const opened = await openMonitoring(open);
    await opened.declare(richSpec);
    const { records } = traffic({ hours: 48, rollout: null });
    await opened.monitoring.recordPredictions(records.slice(0, -1));
    await opened.monitoring.advance('delays', START + 1.5 * DAY_MS);

    await opened.monitoring.recordPredictions(records);
    const { evaluated } = await opened.monitoring.advance('delays', START + 1.5 * DAY_MS);

    assert.deepEqual(
      evaluated.map((item) => [item.kind, item.published]),
      [['reopened', 0]],
    );
    await opened.close();
  });

  test('what arrives while its window is being measured again is in the next version', async () => {
    const { records } = traffic({ hours: 24, rollout: null });
    const onMeasure: (() => Promise<unknown>)[] = [];
    const opened = await openMonitoring(open, {
      profileOf: async () => {
        await onMeasure.shift()?.();
        return reference();
      },
    });
    await opened.declare({ metrics: ['mean-prediction'], drift: {} });
    const record = (rows: PredictionRecord[]) => opened.monitoring.recordPredictions(rows);
    await record(records.slice(3));
    const advance = () => opened.monitoring.advance('delays', START + DAY_MS);

    onMeasure.push(() => record(records.slice(2, 3)));
    await advance();
    onMeasure.push(() => record(records.slice(1, 2)));
    await advance();
    await advance();

    const { figures } = await resultsOf(opened);
    assert.deepEqual(
      figures.filter((f) => f.revision === '*').map((f) => [f.version, f.requests]),
      [
        [1, 141],
        [2, 142],
        [3, 143],
      ],
    );
    await opened.close();
  });

  test('a label that comes while its window still waits for labels opens nothing', async () => {
    const opened = await openMonitoring(open);
    await opened.declare(lateSpec);
    const { records, labels } = traffic({ hours: 24, rollout: null });
    await opened.monitoring.recordPredictions(records);
    await opened.monitoring.advance('delays', START + DAY_MS);

    await opened.monitoring.recordLabels(labels);
    const early = await opened.monitoring.advance('delays', START + DAY_MS + HOUR_MS);
    const due = await opened.monitoring.advance('delays', START + DAY_MS + 6 * HOUR_MS);

    assert.deepEqual(early.evaluated, []);
    assert.deepEqual(
      due.evaluated.map((item) => [item.kind, item.published]),
      [['quality', 2]],
    );
    await opened.close();
  });

  test('advancing again, or back, changes nothing', async () => {
    const opened = await openMonitoring(open);
    await opened.declare(richSpec);
    const { records, labels } = traffic({ hours: 72, shift: 4 });
    await opened.monitoring.recordPredictions(records);
    await opened.monitoring.recordLabels(labels);
    const to = START + 4 * DAY_MS;
    const { count } = await opened.monitoring.advance('delays', to);
    const first = await resultsOf(opened);

    const again = await opened.monitoring.advance('delays', to);
    const back = await opened.monitoring.advance('delays', START);

    assert.equal(count, 3 + 3 + 72);
    assert.ok(first.signals > 0);
    assert.deepEqual([again.count, again.watermark, back.count, back.watermark], [0, to, 0, to]);
    assert.deepEqual(await resultsOf(opened), first);
    await opened.close();
  });

  test('one leap of the watermark gives what hourly steps give', async () => {
    const results = [];
    for (const stepMs of [HOUR_MS, 5 * DAY_MS]) {
      const opened = await openMonitoring(open);
      await opened.declare(richSpec);
      const { records, labels } = traffic({ hours: 72, shift: 4 });
      await opened.monitoring.recordPredictions(records);
      await opened.monitoring.recordLabels(labels);
      for (let to = START + stepMs; to <= START + 5 * DAY_MS; to += stepMs)
        await opened.monitoring.advance('delays', to);
      results.push(await resultsOf(opened));
      await opened.close();
    }

    assert.ok((results[0]?.events.length ?? 0) > 72);
    assert.deepEqual(results[0], results[1]);
  });

  test('two processes that advance at once do everything once', async () => {
    const alone = await openMonitoring(open);
    const shared = await openMonitoring(open);
    for (const opened of [alone, shared]) {
      await opened.declare(richSpec);
      const { records, labels } = traffic({ hours: 50, shift: 4, stepMs: HOUR_MS });
      await opened.monitoring.recordPredictions(records);
      await opened.monitoring.recordLabels(labels);
    }
    const other = createMonitoring({ ...shared.deps, ...shared.sources });
    const to = START + 4 * DAY_MS;

    await alone.monitoring.advance('delays', to);
    await Promise.all([shared.monitoring.advance('delays', to), other.advance('delays', to)]);

    const [expected, found] = [await resultsOf(alone), await resultsOf(shared)];
    const ofKind = ({ events }: typeof found, type: string) => events.filter((event) => event.type === type);
    for (const type of ['monitoring.signal', 'monitoring.comparison-block', 'monitoring.watermark-advanced']) {
      assert.deepEqual(ofKind(found, type), ofKind(expected, type));
    }
    assert.deepEqual([found.figures, found.drift], [expected.figures, expected.drift]);
    await alone.close();
    await shared.close();
  });

  test('consumers hear of every window, after its signals, in event order', async () => {
    const opened = await openMonitoring(open);
    await opened.declare({ ...richSpec, alerts: [{ name: 'low', metric: 'mean-prediction', below: 1, k: 1, n: 1 }] });
    await opened.monitoring.recordPredictions(traffic({ hours: 48, rollout: null }).records);

    await opened.monitoring.advance('delays', START + 3 * DAY_MS);

    const { events } = await resultsOf(opened);
    assert.deepEqual(
      events.map(({ type, data }) => [type.slice(11), ((data.to ?? data.at) - START) / HOUR_MS]),
      [
        ['signal', 24],
        ['watermark-advanced', 24],
        ['watermark-advanced', 30],
        ['watermark-advanced', 48],
        ['watermark-advanced', 54],
      ],
    );
    await opened.close();
  });

  test('a late fact changes an alert at the event time that was reached before', async () => {
    const opened = await openMonitoring(open);
    const alert = { name: 'rare', metric: 'base-rate', above: 0.999, k: 1, n: 5 };
    await opened.declare({ metrics: ['base-rate'], alerts: [alert] });
    const { records } = traffic({ hours: 72, rollout: null, stepMs: HOUR_MS });
    await opened.monitoring.recordPredictions(records);
    await opened.monitoring.advance('delays', START + 2 * DAY_MS);

    await opened.monitoring.recordLabels([{ prediction: records[0]?.id ?? '', value: 1, knownAt: START }]);
    const { signals } = await opened.monitoring.advance('delays', START + 9 * DAY_MS);

    assert.deepEqual(
      signals.map((signal) => [signal.state, (signal.at - START) / DAY_MS]),
      [['firing', 2]],
    );
    await opened.close();
  });

  test('a monitor on the wall clock advances by itself, and nobody else may move it', async () => {
    const opened = await openMonitoring(open);
    await opened.declare({ ...lateSpec, clock: 'wall' });
    await opened.monitoring.recordPredictions(traffic({ hours: 24 }).records);
    const [job] = opened.monitoring.parts.jobs;
    await opened.clock.advance(START + DAY_MS - opened.clock.now());

    await job?.run(new AbortController().signal);

    const { figures } = await resultsOf(opened);
    assert.deepEqual([...new Set(figures.map((figure) => figure.metric))], ['mean-prediction']);
    await assert.rejects(opened.monitoring.advance('delays', START), { code: 'monitoring/wall-clock' });
    await opened.close();
  });

  test('the window of a monitor is fixed', async () => {
    const opened = await openMonitoring(open);
    await opened.declare();

    await assert.rejects(opened.declare({ window: '1h' }), { code: 'monitoring/monitor-fixed' });
    await opened.declare({ labelLateness: '3h' });
    await assert.rejects(opened.declare({ window: '90s' }), { code: 'resources/invalid', message: /whole minutes/ });
    await opened.close();
  });
});

/** A death of the process at each of its transactions in turn, before or after the commit, and a new start. */
forEachDialect('Evaluation after a crash', monitoringMigrations, (open) => {
  for (const moment of ['before', 'after'] as const) {
    test(`gives what an undisturbed one gives, when it dies ${moment} any of its commits`, async () => {
      const undisturbed = await historyWith(open, moment, Number.POSITIVE_INFINITY);
      let fault = 0;
      let died = true;

      while (died) {
        fault++;
        const disturbed = await historyWith(open, moment, fault);
        died = disturbed.died;
        assert.deepEqual(disturbed.results, undisturbed.results, `dies at commit ${fault}`);
      }
      assert.equal(fault - 1, undisturbed.commits);
      assert.ok(undisturbed.commits > 15);
      assert.ok(undisturbed.results.figures.some((figure) => figure.version === 2));
      assert.ok(undisturbed.results.signals > 0);
    });
  }
});

async function historyWith(open: Parameters<typeof openMonitoring>[0], moment: 'before' | 'after', fault: number) {
  const opened = await openMonitoring(open);
  const { monitoring, db } = opened;
  await opened.declare({ ...richSpec, labelLateness: '2h' });
  const { records, labels } = traffic({ hours: 50, shift: 4, stepMs: 2 * HOUR_MS });
  await monitoring.recordPredictions(records);
  await monitoring.recordLabels(labels.slice(1));
  await monitoring.advance('delays', START + DAY_MS + 2 * HOUR_MS);
  await monitoring.recordLabels(labels);
  const maintain = db.maintain.bind(db);
  let commits = 0;
  let died = false;
  db.maintain = async (work) => {
    commits++;
    const dies = commits === fault;
    if (dies && moment === 'before') throw new Error('killed');
    const result = await maintain(work);
    if (dies) throw new Error('killed');
    return result;
  };
  await monitoring.advance('delays', START + 5 * DAY_MS).catch(() => {
    died = true;
  });
  db.maintain = maintain;
  await monitoring.advance('delays', START + 5 * DAY_MS);
  const results = await resultsOf(opened);
  await opened.close();
  return { results, died, commits };
}
