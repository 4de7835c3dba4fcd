import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { openFsBlobStore } from '#adapters/blob/fs';
import { ManualClock } from '#core/clock';
import { createLogger } from '#platform/observe';
import { ModelRepository } from '../repository/model-repository.ts';
import { ModelCache } from '../runtime/model-cache.ts';
import { StatisticsBook } from '../statistics.ts';
import { TensorScorer } from '../tensor-scorer.ts';
import { rawOf } from '../tensors/encode.ts';
import type { Tensor } from '../tensors/tensor.ts';
import { identity, linearClasses, lookUp } from '../testing/tensor-models.ts';
import type { QueueWish } from './batch-policy.ts';

/** Models of a folder on a clock that a test moves: `m` is the one that it is about. */
async function openModel(t: TestContext, bytes: Uint8Array, config: string) {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-batching-'));
  const blobs = await openFsBlobStore({ root: join(folder, 'blobs') });
  for (const name of ['m', 'alone']) {
    await mkdir(join(folder, 'models', name, '1'), { recursive: true });
    await writeFile(join(folder, 'models', name, '1', 'model.onnx'), bytes);
  }
  await writeFile(join(folder, 'models/m/config.pbtxt'), config);
  const clock = new ManualClock();
  const cache = new ModelCache({
    ...{ blobs, memoryBytesMax: 1e9, choice: 'inline', clock, logger: createLogger('test', 'silent') },
  });
  const repository = new ModelRepository({
    ...{ folder: join(folder, 'models'), control: true, cache, uploads: join(folder, 'uploads'), rowsMax: 1_000 },
  });
  await repository.scan();
  const statistics = new StatisticsBook();
  const scorer = new TensorScorer({ cache, clock, statistics, timeoutMs: 60_000 });
  t.after(async () => {
    await cache.close();
    await rm(folder, { recursive: true });
  });
  const served = await repository.version('m');
  const alone = await repository.version('alone');
  const feed = (values: readonly number[], shape: readonly number[]): Tensor => {
    const [{ name, datatype }] = served.inputs as [Tensor];
    const typed = datatype === 'INT64' ? BigInt64Array.from(values.map(BigInt)) : Float32Array.from(values);
    return { name, datatype, shape, values: typed };
  };
  const wanted = served.outputs.map(({ name }) => name);
  return {
    ...{ clock, served },
    statistics: statistics.of('m', '1'),
    ask(values: readonly number[], shape: readonly number[], wish: QueueWish = {}) {
      let leave = (): void => undefined;
      const waits = served.batching && { name: 'm', policy: served.batching, wish };
      const onGone = (listener: () => void): void => {
        leave = listener;
      };
      const answer = scorer.infer({ served, feeds: [feed(values, shape)], wanted, waits, onGone });
      answer.catch(() => undefined);
      return { answer, leave: () => leave() };
    },
    askAlone: (values: readonly number[], shape: readonly number[]) =>
      scorer.infer({ served: alone, feeds: [feed(values, shape)], wanted }),
    turn: () => new Promise((resolve) => setImmediate(resolve)),
  };
}

const numbersOf = ([output]: readonly Tensor[]): number[] => Array.from(output?.values as Float32Array);

describe('requests to a model whose configuration has dynamic batching', () => {
  test('join until the first has waited, up to the batch of the model', async (t) => {
    const { ask, turn, clock, statistics } = await openModel(
      t,
      identity('float'),
      'max_batch_size: 4 dynamic_batching { max_queue_delay_microseconds: 2500 }',
    );
    const asked = [ask([1, 2], [2, 1])];
    await turn();
    await clock.advance(2);
    asked.push(ask([3], [1, 1]));
    await turn();
    assert.equal(statistics.executionCount, 0);
    await clock.advance(0.5);
    asked.push(ask([4, 5, 6], [3, 1]), ask([7], [1, 1]));
    const answers = await Promise.all(asked.map(({ answer }) => answer));

    assert.deepEqual(answers.map(numbersOf), [[1, 2], [3], [4, 5, 6], [7]]);
    assert.deepEqual([...statistics.batches.keys()], [3, 4]);
  });

  test('of another shape do not join, and keep their turn', async (t) => {
    const { ask, turn, clock, statistics } = await openModel(
      t,
      identity('float'),
      'max_batch_size: 4 dynamic_batching { max_queue_delay_microseconds: 5000 }',
    );
    const asked = [ask([1], [1, 1]), ask([2, 3], [1, 2]), ask([4], [1, 1])];
    await turn();
    await clock.advance(5);
    const answers = await Promise.all(asked.map(({ answer }) => answer));

    assert.deepEqual(answers.map(numbersOf), [[1], [2, 3], [4]]);
    assert.equal(statistics.executionCount, 3);
  });

  test('that make their run fail do not take the others with them', async (t) => {
    const config = 'max_batch_size: 4 dynamic_batching { preserve_ordering: true }';
    const { ask } = await openModel(t, lookUp(), config);
    const answers = await Promise.allSettled([0, 7, 1].map((x) => ask([x], [1]).answer));

    assert.deepEqual(
      answers.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
  });

  test('are refused past the queue, each priority by itself, and in the time that they name', async (t) => {
    const { ask, turn, clock, statistics } = await openModel(
      t,
      identity('float'),
      `max_batch_size: 8 dynamic_batching {
        max_queue_delay_microseconds: 9000 priority_levels: 2 default_priority_level: 2
        default_queue_policy { max_queue_size: 1 default_timeout_microseconds: 8000 allow_timeout_override: true }
        priority_queue_policy { key: 1 value { max_queue_size: 2 } }
      }`,
    );
    const low = ask([1], [1, 1], { timeoutMs: 3 });
    await turn();
    await assert.rejects(ask([1], [1, 1]).answer, {
      code: 'gateway/queue-full',
      message: "'m' has 1 requests of priority 2 waiting, which is max_queue_size",
    });
    const high = [1, 2].map((x) => ask([x], [1, 1], { priority: 1, timeoutMs: 1 }));
    await turn();
    await assert.rejects(ask([3], [1, 1], { priority: 1 }).answer, { code: 'gateway/queue-full' });
    await clock.advance(3);
    await assert.rejects(low.answer, { code: 'gateway/queue-timeout' });
    await clock.advance(6);

    assert.deepEqual(await Promise.all(high.map(({ answer }) => answer.then(numbersOf))), [[1], [2]]);
    assert.equal(statistics.inferenceCount, 2);
  });

  test('that does not fit its batch is not served, and says why', async (t) => {
    const config = 'max_batch_size: 4 dynamic_batching { preferred_batch_size: 9 }';
    await assert.rejects(openModel(t, identity('float'), config), {
      code: 'gateway/model-unavailable',
      message: "model 'm': dynamic_batching.preferred_batch_size has 9, expected at most max_batch_size, 4",
    });
  });

  test('are taken out when their client leaves', async (t) => {
    const { ask, turn, clock, statistics } = await openModel(
      t,
      identity('float'),
      'max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 5000 }',
    );
    const [gone, there] = [ask([1], [1, 1]), ask([2], [1, 1])];
    await turn();
    gone.leave();
    await assert.rejects(gone.answer, { code: 'gateway/cancelled' });
    await clock.advance(5);
    await there.answer;
    there.leave();

    assert.deepEqual([...statistics.batches.keys()], [1]);
  });
});

test('joined answers of tensors are to the last bit those of each request alone', async (t) => {
  const number = fc.float({ min: -1_000, max: 1_000, noNaN: true });
  const { ask, askAlone, turn, clock, statistics } = await openModel(
    t,
    linearClasses([0.3, -1.7, 2.1, 0.9, 0.01, -3.3]),
    `max_batch_size: 7 dynamic_batching {
      max_queue_delay_microseconds: 4000 preferred_batch_size: [4] priority_levels: 3 default_priority_level: 2
    }`,
  );
  let count = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          rows: fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 7 }),
          priority: fc.integer({ min: 0, max: 4 }),
          pauseMs: fc.constantFrom(0, 0, 1, 4),
        }),
        { minLength: 1, maxLength: 8 },
      ),
      async (requests) => {
        count += requests.length;
        const asked = [];
        for (const { rows, priority, pauseMs } of requests) {
          asked.push(ask(rows.flat(), [rows.length, 2], { priority }));
          if (pauseMs > 0) await turn();
          await clock.advance(pauseMs);
        }
        await turn();
        await clock.advance(4);
        const answers = await Promise.all(asked.map(({ answer }) => answer));
        for (const [i, { rows }] of requests.entries()) {
          const [expected] = await askAlone(rows.flat(), [rows.length, 2]);
          const [found] = answers[i] as [Tensor];
          assert.deepEqual(found.shape, expected?.shape);
          assert.ok(rawOf(found.values).equals(rawOf((expected as Tensor).values)), `request ${i}`);
        }
      },
    ),
    { numRuns: 100 },
  );
  assert.ok([...statistics.batches.keys()].every((rows) => rows <= 7));
  assert.ok(statistics.executionCount < count, `${statistics.executionCount} runs of ${count} requests`);
});
