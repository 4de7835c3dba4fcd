import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '#core/clock';
import { digestOf } from '#core/hash';
import { liveEndpoint } from '../live-endpoint.ts';
import { add, StatisticsBook } from '../statistics.ts';
import { endpointOf } from '../testing/gateway-harness.ts';
import { LoadSignals } from './load-signals.ts';
import { scalingMetrics } from './scaling-metrics.ts';
import { judgeIdle, wishOf } from './scaling-wish.ts';

const arm = {
  ...{ revision: 'm@1', model: 'm', version: 1, digest: digestOf('m') },
  signature: { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'value' as const },
};

function open() {
  const clock = new ManualClock();
  const statistics = new StatisticsBook();
  const endpoint = liveEndpoint(endpointOf('e', arm), clock.now());
  const cache = { loadMs: () => 120 };
  const signals = new LoadSignals({
    ...{ router: { endpoints: [endpoint] }, cache, clock },
    statistics: async () => statistics.all(),
  });
  const version = statistics.ofArm(endpoint.current, 'e');
  const sample = (): void => signals.sample(statistics.all());
  /** `rows` requests that each wait 20 ms and take 50 ms in all, 10 ms of it in the model, spread over `seconds`. */
  const ask = async (rows: number, seconds: number): Promise<void> => {
    for (let at = 0; at < seconds; at += 5) {
      for (let i = 0; i < (rows * 5) / seconds; i++) {
        version.executed(1, 10, clock.now());
        add(version.queue, 20);
        add(version.success, 50);
      }
      clock.advance(5_000);
      sample();
    }
  };
  return { clock, sample, signals, ask };
}

test('queue, concurrency, utilization and rate are means of the last minute', async () => {
  const { sample, signals, ask, clock } = open();
  sample();
  await ask(1_200, 60);
  const { idleMs, ...load } = signals.of('e') ?? assert.fail();
  assert.deepEqual(load, {
    ...{ name: 'e', queue: 0.4, concurrency: 1, utilization: 0.2, rowsPerSecond: 20, coldStartMs: 120 },
  });
  assert.equal(idleMs, 5_000);
  await ask(0, 60);
  assert.deepEqual([signals.of('e')?.rowsPerSecond, signals.of('e')?.concurrency], [0, 0]);
  clock.advance(1_000);
  assert.equal(signals.of('e')?.idleMs, 66_000);
  assert.equal(signals.of('other'), undefined);
  const text = scalingMetrics(signals);
  assert.match(text, /^# TYPE kedge_scaling_queue gauge\nkedge_scaling_queue\{endpoint="e"\} 0$/m);
  assert.match(text, /kedge_scaling_cold_start_seconds\{endpoint="e"\} 0.12\n/);
});

test('the forecast follows what was seen: the present rate at first, then a day that repeats', async () => {
  const { sample, signals, ask } = open();
  sample();
  await ask(600, 60);
  assert.equal(signals.forecastOf('e', 600_000), 10);
  const { sample: sampleDaily, signals: daily, ask: asked } = open();
  sampleDaily();
  // Two days with one busy hour each; the third day has come to a quarter of an hour before it.
  for (let step = 0; step < 2 * 288 + 285; step++) await asked(step % 288 < 12 ? 3_000 : 0, 300);
  assert.ok(daily.forecastOf('e', 300_000) < 1, `${daily.forecastOf('e', 300_000)}`);
  assert.ok(daily.forecastOf('e', 1_800_000) > 8, `${daily.forecastOf('e', 1_800_000)}`);
});

test('an endpoint may go without a replica only when idle, not expected and soon back', () => {
  const wish = wishOf({ endpoint: 'e', idleAfter: '10m', coldStartMax: '500ms', horizon: '10m' });
  const idle = { idleMs: 700_000, coldStartMs: 120 };
  assert.deepEqual(judgeIdle(wish, idle, 0), { active: false, because: 'it was not asked for 11 min 40 s' });
  assert.match(judgeIdle(wish, { ...idle, idleMs: 1_000 }, 0).because, /was asked 1.0 s ago/);
  assert.match(judgeIdle(wish, { ...idle, coldStartMs: null }, 0).because, /is not known/);
  assert.match(judgeIdle(wish, { ...idle, coldStartMs: 900 }, 0).because, /took 900 ms to load, over 500 ms/);
  assert.deepEqual(judgeIdle(wish, idle, 0.01), { active: true, because: '6 rows are forecast' });
});

test('what a trigger asks for is refused by the name of its field', () => {
  for (const [metadata, field] of [
    [{}, 'endpoint'],
    [{ endpoint: 'e', signal: 'cpu' }, 'signal'],
    [{ endpoint: 'e', target: '-1' }, 'target'],
    [{ endpoint: 'e', horizon: 'soon' }, 'horizon'],
  ] as const) {
    assert.throws(() => wishOf(metadata), {
      code: 'gateway/invalid-request',
      message: new RegExp(`Metadata.${field}`),
    });
  }
});
