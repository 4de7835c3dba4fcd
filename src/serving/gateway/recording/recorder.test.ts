import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openLocalLog } from '#adapters/log/local';
import { ManualClock, systemClock } from '#core/clock';
import { digestOf } from '#core/hash';
import { createLogger, createMetrics } from '#platform/observe';
import { liveEndpoint } from '../live-endpoint.ts';
import { type Prediction, replyTo } from '../prediction.ts';
import { endpointOf } from '../testing/gateway-harness.ts';
import { Backlog } from './backlog.ts';
import { decodeEntries } from './entry-codec.ts';
import type { PredictionRecord } from './prediction-record.ts';
import { Recorder, type RecorderOptions } from './recorder.ts';

const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'value' as const };
const endpoint = liveEndpoint(
  endpointOf('e', { revision: 'm@1', model: 'm', version: 1, digest: digestOf('1'), signature }),
  0,
);

function prediction(i: number): Prediction {
  return {
    ...{ endpoint, candidate: undefined, id: `p-${i}`, at: i, receivedAt: i, startedMs: 0, entities: undefined },
    ...{ row: { numeric: [i], categories: [] }, candidateRow: undefined, reply: replyTo({ waiting: 1, finish() {} }) },
    ...{ named: false, chosenBy: undefined, propensity: 1, arm: 'current', score: i / 4, error: undefined },
    ...{ fallback: undefined, standIn: undefined, cached: false, nodes: undefined, work: undefined },
  };
}

/** A recorder over a log of its own, and the ids of what is in that log. */
async function open(t: TestContext, options: Pick<RecorderOptions, 'clock' | 'delayMs' | 'queueMax'>) {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-recorder-'));
  const log = await openLocalLog({ folder });
  t.after(async () => {
    await log.close();
    await rm(folder, { recursive: true });
  });
  const metrics = createMetrics('gateway');
  const backlog = new Backlog();
  const recorder = new Recorder({
    ...{ log, backlog, metrics, logger: createLogger('recorder', 'fatal'), onRecorded() {} },
    ...options,
  });
  const entries = async (): Promise<readonly PredictionRecord[]> => {
    const records: PredictionRecord[] = [];
    for (let after = 0, end = await log.end(); after < end; ) {
      const page = await log.read({ after });
      for (const entry of page.records.flatMap(({ data }) => decodeEntries(data))) {
        assert.ok('prediction' in entry);
        records.push(entry.prediction);
      }
      after = page.last;
    }
    return records;
  };
  const written = async (): Promise<readonly string[]> => {
    const ids = (await entries()).map(({ id }) => id);
    assert.equal(backlog.waiting, ids.length);
    return ids;
  };
  return { recorder, metrics, backlog, entries, written };
}

const idsOf = (predictions: readonly Prediction[]): readonly string[] => predictions.map(({ id }) => id);

test('what one turn has to record is recorded whole, also where it is more than one append may have', async (t) => {
  const { recorder, metrics, written } = await open(t, { clock: systemClock, delayMs: 0, queueMax: 1_000_000 });

  const all = Array.from({ length: 25_001 }, (_, i) => prediction(i));
  recorder.record(all);

  assert.deepEqual(await written(), idsOf(all));
  assert.match(await metrics.expose(), /kedge_gateway_records_total\{[^}]*outcome="recorded"[^}]*\} 25001/);
});

test('predictions share records where they have nothing of their own, and none loses what it has', async (t) => {
  const { recorder, entries } = await open(t, { clock: systemClock, delayMs: 0, queueMax: 100 });
  const own: readonly Partial<Prediction>[] = [
    ...[{ propensity: 0.5 }, { chosenBy: 'request' }, { cached: true }, { entities: { user: 'u' } }, { receivedAt: 9 }],
    ...[{ fallback: { revision: 'm@2', error: 'late' } }, { nodes: [] }, { row: { numeric: [1], categories: ['c'] } }],
  ];

  recorder.record(own.flatMap((more, i) => [prediction(4 * i), { ...prediction(4 * i + 1), ...more }]));

  const records = await entries();
  assert.equal(records.length, 2 * own.length);
  for (const [i, more] of own.entries()) {
    const { row, fallback, ...kept } = more;
    const expected = { ...kept, ...row, ...(fallback ? { fallback } : {}) };
    const record = records[2 * i + 1] as object;
    assert.deepEqual({ ...record, ...expected }, record);
  }
});

test('with a delay, several turns are written together when that of the first is over', async (t) => {
  const clock = new ManualClock();
  const { recorder, written } = await open(t, { clock, delayMs: 5, queueMax: 1_000_000 });
  const [first, second, third] = [prediction(1), prediction(2), prediction(3)];

  recorder.record([first]);
  clock.advance(4);
  recorder.record([second]);
  assert.deepEqual(await written(), []);
  clock.advance(1);
  assert.deepEqual(await written(), idsOf([first, second]));

  recorder.record([third]);
  clock.advance(4);
  assert.deepEqual(await written(), idsOf([first, second]));
  clock.advance(1);
  assert.deepEqual(await written(), idsOf([first, second, third]));
  recorder.flush();
  assert.deepEqual(await written(), idsOf([first, second, third]));
});

test('what waits for its delay is written when asked, and when there is enough of it', async (t) => {
  const clock = new ManualClock();
  const { recorder, written } = await open(t, { clock, delayMs: 1_000, queueMax: 1_000_000 });
  const [first, ...more] = Array.from({ length: 10_002 }, (_, i) => prediction(i)) as [Prediction, ...Prediction[]];

  recorder.record([first]);
  recorder.flush();
  assert.deepEqual(await written(), idsOf([first]));

  recorder.record(more);
  assert.ok((await written()).length > 1);
  clock.advance(1_000);
  assert.deepEqual(await written(), idsOf([first, ...more]));
});

test('what waits for its delay counts among what waits for the control plane', async (t) => {
  const clock = new ManualClock();
  const { recorder, metrics, written } = await open(t, { clock, delayMs: 5, queueMax: 3 });

  for (let i = 0; i < 5; i++) recorder.record([prediction(i)]);
  clock.advance(5);

  assert.deepEqual(await written(), ['p-0', 'p-1', 'p-2']);
  assert.match(await metrics.expose(), /kedge_gateway_records_total\{[^}]*outcome="dropped"[^}]*\} 2/);
});

test('what was sent makes room for more', async (t) => {
  const { recorder, backlog, written } = await open(t, { clock: systemClock, delayMs: 0, queueMax: 3 });

  recorder.record([1, 2, 3].map(prediction));
  recorder.record([prediction(4)]);
  assert.deepEqual(await written(), ['p-1', 'p-2', 'p-3']);

  backlog.settle(2);
  recorder.record([5, 6].map(prediction));
  recorder.record([prediction(7)]);
  backlog.add(2);
  assert.deepEqual(await written(), ['p-1', 'p-2', 'p-3', 'p-5', 'p-6']);
});
