import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openLocalLog } from '#adapters/log/local';
import { ManualClock, systemClock } from '#core/clock';
import { digestOf } from '#core/hash';
import { createLogger, createMetrics } from '#platform/observe';
import { type Appended, logErrors, type PackedRecords, type SyncEventLog } from '#ports/event-log';
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

type Options = Pick<RecorderOptions, 'clock' | 'delayMs' | 'queueMax'>;

/** A recorder over a log of its own, and what is in that log. */
async function open(t: TestContext, options: Options, over: (log: SyncEventLog) => SyncEventLog = (log) => log) {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-recorder-'));
  const log = await openLocalLog({ folder });
  t.after(async () => {
    await log.close();
    await rm(folder, { recursive: true });
  });
  const metrics = createMetrics('gateway');
  const backlog = new Backlog();
  const appends = new EventEmitter();
  const recorder = new Recorder({
    ...{ log: over(log), backlog, metrics, logger: createLogger('recorder', 'fatal') },
    onRecorded: () => appends.emit('made'),
    ...options,
  });
  const counted = async (outcome: string): Promise<number> => {
    const line = new RegExp(`kedge_gateway_records_total\\{[^}]*outcome="${outcome}"[^}]*\\} (\\d+)`);
    return Number(line.exec(await metrics.expose())?.[1] ?? 0);
  };
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
  /** The ids in the log, beside which `unwritten` predictions wait. */
  const written = async (unwritten = 0): Promise<readonly string[]> => {
    const ids = (await entries()).map(({ id }) => id);
    assert.equal(backlog.waiting, ids.length + unwritten);
    return ids;
  };
  return { recorder, backlog, entries, written, counted, appended: () => once(appends, 'made') };
}

const idsOf = (predictions: readonly Prediction[]): readonly string[] => predictions.map(({ id }) => id);

test('what one turn has to record is recorded whole, also where it is more than one append may have', async (t) => {
  const { recorder, counted, written } = await open(t, { clock: systemClock, delayMs: 0, queueMax: 1_000_000 });

  const all = Array.from({ length: 25_001 }, (_, i) => prediction(i));
  recorder.record(all);

  assert.deepEqual(await written(), idsOf(all));
  assert.equal(await counted('recorded'), 25_001);
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
  const { recorder, written, appended } = await open(t, { clock, delayMs: 5, queueMax: 1_000_000 });
  const [first, second, third] = [prediction(1), prediction(2), prediction(3)];

  recorder.record([first]);
  clock.advance(4);
  recorder.record([second]);
  assert.deepEqual(await written(2), []);
  const one = appended();
  clock.advance(1);
  await one;
  assert.deepEqual(await written(), idsOf([first, second]));

  recorder.record([third]);
  clock.advance(4);
  assert.deepEqual(await written(1), idsOf([first, second]));
  const other = appended();
  clock.advance(1);
  await other;
  assert.deepEqual(await written(), idsOf([first, second, third]));
});

test('what waits for its delay is written when asked, and when there is enough of it', async (t) => {
  const clock = new ManualClock();
  const { recorder, written, appended } = await open(t, { clock, delayMs: 1_000, queueMax: 1_000_000 });
  const [first, ...more] = Array.from({ length: 25_001 }, (_, i) => prediction(i)) as [Prediction, ...Prediction[]];

  recorder.record([first]);
  await recorder.flush();
  assert.deepEqual(await written(), idsOf([first]));

  const enough = appended();
  recorder.record(more);
  await enough;
  await recorder.flush();
  assert.deepEqual(await written(), idsOf([first, ...more]));
});

test('a flush of nothing is over at once, and what comes after it is written', async (t) => {
  const { recorder, written } = await open(t, { clock: new ManualClock(), delayMs: 5, queueMax: 10 });

  await recorder.flush();
  recorder.record([prediction(1)]);
  await recorder.flush();

  assert.deepEqual(await written(), ['p-1']);
});

test('what waits for its delay counts among what waits for the control plane', async (t) => {
  const { recorder, counted, written } = await open(t, { clock: new ManualClock(), delayMs: 5, queueMax: 3 });

  for (let i = 0; i < 5; i++) recorder.record([prediction(i)]);
  await recorder.flush();

  assert.deepEqual(await written(), ['p-0', 'p-1', 'p-2']);
  assert.equal(await counted('dropped'), 2);
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

/** A log whose disk takes nothing before it is let go. */
function standing(log: SyncEventLog): { readonly log: SyncEventLog; readonly letGo: () => void; appends: number } {
  let letGo = (): void => {};
  const gone = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const at = { letGo, appends: 0, log };
  const appendPacked = async (packed: PackedRecords): Promise<Appended> => {
    at.appends += 1;
    await gone;
    return log.appendPacked(packed);
  };
  at.log = new Proxy(log, {
    get: (target, name) => {
      if (name === 'appendPacked') return appendPacked;
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return at;
}

test('a disk that stands still holds up nobody, and what it did not take is dropped past the limit', async (t) => {
  const clock = new ManualClock();
  let disk: ReturnType<typeof standing> | undefined;
  const { recorder, counted, written } = await open(t, { clock, delayMs: 2, queueMax: 100 }, (log) => {
    disk = standing(log);
    return disk.log;
  });

  for (let i = 0; i < 120; i++) {
    recorder.record([prediction(i)]);
    clock.advance(2);
  }
  assert.equal(disk?.appends, 1);
  assert.equal(await counted('dropped'), 20);
  assert.equal(await counted('recorded'), 0);

  disk.letGo();
  await recorder.flush();
  assert.deepEqual(await written(), idsOf(Array.from({ length: 100 }, (_, i) => prediction(i))));
  assert.equal(disk.appends, 2);
});

test('what waits for a disk that stands still takes no more memory than it may', async (t) => {
  let disk: ReturnType<typeof standing> | undefined;
  const options = { clock: new ManualClock(), delayMs: 2, queueMax: 1_000_000 };
  const { recorder, counted, entries } = await open(t, options, (log) => {
    disk = standing(log);
    return disk.log;
  });
  const numeric = Array.from({ length: 8_192 }, (_, i) => 1 / (i + 3));

  for (let i = 0; i < 400; i++) recorder.record([{ ...prediction(i), row: { numeric, categories: [] } }]);
  const dropped = await counted('dropped');
  assert.ok(dropped > 100 && dropped < 200, `${dropped} dropped`);

  disk?.letGo();
  await recorder.flush();
  assert.equal((await entries()).length, 400 - dropped);
  recorder.record([prediction(400)]);
  await recorder.flush();
  assert.equal((await entries()).length, 401 - dropped);
});

for (const delayMs of [0, 2]) {
  test(`what the log does not take is counted and waits for nothing, with a delay of ${delayMs} ms`, async (t) => {
    let fails = true;
    const failing = (log: SyncEventLog): SyncEventLog => {
      const refuse = (): void => {
        if (fails) throw logErrors['no-space']('the log is full');
      };
      const appendPackedSync = (packed: PackedRecords): Appended => {
        refuse();
        return log.appendPackedSync(packed);
      };
      const appendPacked = async (packed: PackedRecords): Promise<Appended> => {
        refuse();
        return log.appendPacked(packed);
      };
      return { ...log, appendPackedSync, appendPacked };
    };
    const options = { clock: new ManualClock(), delayMs, queueMax: 30_000 };
    const { recorder, counted, written, backlog } = await open(t, options, failing);

    recorder.record(Array.from({ length: 25_000 }, (_, i) => prediction(i)));
    await recorder.flush();
    assert.deepEqual([await counted('failed'), backlog.waiting], [25_000, 0]);

    fails = false;
    recorder.record([prediction(1)]);
    await recorder.flush();
    assert.deepEqual(await written(), ['p-1']);
  });
}
