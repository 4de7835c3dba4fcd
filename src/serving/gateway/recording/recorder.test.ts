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
import { decodeEntry } from './entry-codec.ts';
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
    ...{ named: false, chosenBy: undefined, propensity: 1, arm: 'current', score: i / 3, error: undefined },
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
  const recorder = new Recorder({
    ...{ log, metrics, logger: createLogger('recorder', 'fatal'), end: 0, shipped: () => 0, onRecorded() {} },
    ...options,
  });
  const written = async (): Promise<readonly string[]> => {
    const ids: string[] = [];
    for (let after = 0; after < recorder.end; ) {
      const page = await log.read({ after });
      for (const { data } of page.records) {
        const entry = decodeEntry(data);
        assert.ok(entry && 'prediction' in entry);
        ids.push(entry.prediction.id);
      }
      after = page.last;
    }
    return ids;
  };
  return { recorder, metrics, written };
}

const idsOf = (predictions: readonly Prediction[]): readonly string[] => predictions.map(({ id }) => id);

test('what one turn has to record is recorded whole, also where it is more than one append may have', async (t) => {
  const { recorder, metrics, written } = await open(t, { clock: systemClock, delayMs: 0, queueMax: 1_000_000 });

  const all = Array.from({ length: 25_001 }, (_, i) => prediction(i));
  recorder.record(all);

  assert.equal(recorder.end, all.length);
  assert.deepEqual(await written(), idsOf(all));
  assert.match(await metrics.expose(), /kedge_gateway_records_total\{[^}]*outcome="recorded"[^}]*\} 25001/);
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
  assert.equal(recorder.end, 2);
  clock.advance(1);
  assert.deepEqual(await written(), idsOf([first, second, third]));
  recorder.flush();
  assert.equal(recorder.end, 3);
});

test('what waits for its delay is written when asked, and when there is enough of it', async (t) => {
  const clock = new ManualClock();
  const { recorder, written } = await open(t, { clock, delayMs: 1_000, queueMax: 1_000_000 });
  const [first, ...more] = Array.from({ length: 10_002 }, (_, i) => prediction(i)) as [Prediction, ...Prediction[]];

  recorder.record([first]);
  recorder.flush();
  assert.deepEqual(await written(), idsOf([first]));

  recorder.record(more);
  assert.ok(recorder.end > 1);
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
