import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#core/random';
import { trainGbdt } from '#learn/gbdt';
import { gbdtToOnnx } from '#learn/onnx';
import { type BatchingSpec, batchingSpec } from '../../batching-spec.ts';
import type { RuntimeChoice } from '../runtime/model-runtime.ts';
import { brittleModel, categoryModel, logisticModel, slowModel, type TestModel } from '../testing/models.ts';
import { openScorer } from '../testing/scorer-harness.ts';

const open = async (t: TestContext, choice: RuntimeChoice = 'inline') => {
  const harness = await openScorer(choice);
  t.after(() => harness.close());
  return harness;
};
const batching = (given: Partial<BatchingSpec>): BatchingSpec => batchingSpec.parse(given);

/** Boosted trees over two numbers. */
function trees(): TestModel {
  const random = seededRandom(7);
  const columns = ['a', 'b'].map((name) => ({
    name,
    kind: 'numeric' as const,
    values: Float32Array.from({ length: 500 }, () => random.next()),
  }));
  const label = Float32Array.from({ length: 500 }, (_, i) => Number((columns[0]?.values[i] ?? 0) + random.next() > 1));
  const model = trainGbdt({ train: { rows: 500, columns }, label, params: { objective: 'binary', trees: 10 } });
  const { bytes } = gbdtToOnnx(model);
  const inputs = columns.map(({ name, kind }) => ({ name, kind }));
  return { bytes: new Uint8Array(bytes), signature: { inputs, output: 'probability' } };
}

describe('rows of an endpoint that declares how they wait', () => {
  test('are run when the first of them has waited, and join what comes meanwhile', async (t) => {
    const { endpoint, ask, turn, clock, statistics, recorded } = await open(t);
    const slow = await endpoint('slow', logisticModel({ a: 1 }), { batching: batching({ maxDelayMs: 5 }) });
    const asked = [ask(slow, [{ a: 1 }], { id: 'first' })];
    await turn();
    await clock.advance(4);
    asked.push(ask(slow, [{ a: 2 }, { a: 3 }], { id: 'second' }));
    await turn();
    assert.equal(statistics(slow).executionCount, 0);
    await clock.advance(1);
    await Promise.all(asked.map(({ answer }) => answer));

    const { executionCount, inferenceCount } = statistics(slow);
    assert.deepEqual([executionCount, inferenceCount], [1, 3]);
    assert.deepEqual(recorded, ['first-0', 'second-0', 'second-1']);
  });

  test('do not make those of other endpoints wait, of the same model neither', async (t) => {
    const { endpoint, ask, turn, clock, statistics } = await open(t);
    const slow = await endpoint('slow', logisticModel({ a: 1 }), { batching: batching({ maxDelayMs: 5 }) });
    const plain = await endpoint('plain', logisticModel({ a: 1 }));
    assert.equal(slow.current.file.key, plain.current.file.key);
    const late = ask(slow, [{ a: 1 }]);
    const soon = ask(plain, [{ a: 1 }]);
    await soon.answer;
    await turn();
    assert.deepEqual(
      [slow, plain].map((one) => statistics(one).executionCount),
      [0, 1],
    );
    await clock.advance(5);
    assert.equal((await late.answer)[0]?.score, (await soon.answer)[0]?.score);
  });

  test('are never more in one run than it may have', async (t) => {
    const { endpoint, ask, statistics } = await open(t);
    const few = await endpoint('few', logisticModel({ a: 1 }), { batching: batching({ maxRows: 3 }) });
    const sizes = [1, 5, 2, 4];
    await Promise.all(
      sizes.map(
        (size) =>
          ask(
            few,
            Array.from({ length: size }, (_, a) => ({ a })),
          ).answer,
      ),
    );

    const { batches, executionCount } = statistics(few);
    assert.deepEqual(
      [...batches].map(([rows, { count }]) => [rows, count]),
      [[3, 4]],
    );
    assert.equal(executionCount, 4);
  });

  test('that make their run fail do not take the others with them', async (t) => {
    const { endpoint, ask, turn, clock } = await open(t, 'thread');
    const brittle = await endpoint('brittle', brittleModel(), { batching: batching({ maxDelayMs: 5 }) });
    const asked = [0, 99, 1].map((x) => ask(brittle, [{ x }]));
    await turn();
    await clock.advance(5);
    const answers = await Promise.allSettled(asked.map(({ answer }) => answer));

    assert.deepEqual(
      answers.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
  });

  test('are refused as a whole request past the queue, which says its limit', async (t) => {
    const { endpoint, ask, turn, clock, statistics } = await open(t);
    const spec = batching({ maxDelayMs: 5, queueMax: 2, maxRows: 100 });
    const full = await endpoint('full', logisticModel({ a: 1 }), { batching: spec });
    const asked = [ask(full, [{ a: 1 }, { a: 2 }, { a: 3 }]), ask(full, [{ a: 1 }])];
    const refused = ask(full, [{ a: 1 }, { a: 2 }]);
    await assert.rejects(refused.answer, {
      code: 'gateway/queue-full',
      status: 503,
      message: "'full' has 2 requests waiting, which is batching.queueMax",
    });
    await turn();
    await clock.advance(5);
    await Promise.all(asked.map(({ answer }) => answer));
    await ask(full, [{ a: 1 }]);
    const { rejected, fail, inferenceCount } = statistics(full);
    assert.deepEqual([rejected.count, fail.count, inferenceCount], [1, 1, 4]);
  });
});

describe('rows that wait for a busy model', () => {
  test('run by priority, and within one in the order in which they came', async (t) => {
    const { endpoint, ask, turn, recorded } = await open(t, 'thread');
    const priorities = { levels: 3, default: 2 };
    const queue = await endpoint('queue', slowModel(20), { batching: batching({ maxRows: 1, priorities }) });
    const asked = [ask(queue, [{ x: 0 }], { id: 'busy' })];
    await turn();
    for (const [i, priority] of [3, undefined, 1, 2, 1, 77].entries()) {
      asked.push(ask(queue, [{ x: i }], { id: `${i}`, priority }));
    }
    const answers = await Promise.all(asked.map(({ answer }) => answer));

    assert.deepEqual(
      recorded,
      ['busy', '2', '4', '1', '3', '5', '0'].map((id) => `${id}-0`),
    );
    assert.deepEqual(
      answers.map(([one]) => one?.score),
      [0, 0, 1, 2, 3, 4, 5],
    );
  });

  test('are refused after the time that they name, and run late where that is declared', async (t) => {
    const { endpoint, ask, turn, clock, statistics, recorded } = await open(t);
    const delays = { maxDelayMs: 20, queueTimeoutMs: 15 };
    const strict = await endpoint('strict', logisticModel({ a: 1 }), { batching: batching(delays) });
    const lenient = await endpoint('lenient', logisticModel({ a: 1 }), {
      batching: batching({ ...delays, whenLate: 'delay' }),
    });
    const short = ask(strict, [{ a: 1 }], { timeoutMs: 3 });
    const long = ask(strict, [{ a: 1 }], { timeoutMs: 40 });
    const late = ask(lenient, [{ a: 1 }], { id: 'late' });
    await turn();
    await clock.advance(3);
    await assert.rejects(short.answer, { code: 'gateway/queue-timeout', status: 503 });
    await clock.advance(14);
    await assert.rejects(long.answer, /'strict': the request has waited 15 ms, which is batching.queueTimeoutMs/);
    const inTime = ask(lenient, [{ a: 1 }], { id: 'in-time' });
    await turn();
    await clock.advance(3);
    await Promise.all([late.answer, inTime.answer]);

    assert.deepEqual(recorded, ['in-time-0', 'late-0']);
    const { rejected, executionCount } = statistics(strict);
    assert.deepEqual([rejected.count, executionCount], [2, 0]);
  });

  test('share the model with endpoints that declare nothing, by who waits longest', async (t) => {
    const { endpoint, ask, turn, clock, recorded } = await open(t, 'thread');
    const model = slowModel(100);
    const plain = await endpoint('plain', model);
    const queue = await endpoint('queue', model, { batching: batching({}) });
    const asked = [ask(plain, [{ x: 0 }], { id: 'busy' })];
    for (const [i, one] of [plain, queue, plain, queue].entries()) {
      await turn();
      await clock.advance(1);
      asked.push(ask(one, [{ x: i }], { id: `${i}` }));
    }
    await Promise.all(asked.map(({ answer }) => answer));

    // The second of the queue joins the run of its first.
    assert.deepEqual(recorded, ['busy-0', '0-0', '1-0', '3-0', '2-0']);
  });
});

describe('rows whose client has left', () => {
  test('are taken out of the queue, never run and not recorded', async (t) => {
    const { endpoint, ask, turn, clock, statistics, recorded } = await open(t);
    const slow = await endpoint('slow', logisticModel({ a: 1 }), {
      batching: batching({ maxDelayMs: 5, queueMax: 2 }),
    });
    const gone = ask(slow, [{ a: 1 }, { a: 2 }]);
    const there = ask(slow, [{ a: 3 }], { id: 'there' });
    await turn();
    gone.leave();
    await assert.rejects(gone.answer, { code: 'gateway/cancelled', status: 499 });
    gone.leave();
    const next = ask(slow, [{ a: 4 }], { id: 'next' });
    await turn();
    await clock.advance(5);
    await Promise.all([there.answer, next.answer]);

    const { batches, cancelled, fail, success } = statistics(slow);
    assert.deepEqual([...batches.keys()], [2]);
    assert.deepEqual([cancelled.count, fail.count, success.count], [1, 1, 2]);
    assert.deepEqual(recorded, ['there-0', 'next-0']);
  });

  test('are finished where they run already, and recorded nowhere', async (t) => {
    const { endpoint, ask, turn, statistics, recorded } = await open(t, 'thread');
    const model = slowModel(100);
    // Also without a declaration: what waits for a thread is taken out.
    for (const declared of [undefined, batching({ maxRows: 1 })]) {
      const name = declared ? 'queue' : 'plain';
      const one = await endpoint(name, model, { batching: declared });
      const running = ask(one, [{ x: 0 }]);
      await turn();
      const waiting = ask(one, [{ x: 1 }]);
      const there = ask(one, [{ x: 2 }], { id: name });
      await turn();
      running.leave();
      waiting.leave();
      await assert.rejects(waiting.answer, { code: 'gateway/cancelled' });
      assert.equal((await running.answer)[0]?.score, 0);
      await there.answer;

      assert.equal(statistics(one).inferenceCount, 2);
      assert.equal(statistics(one).cancelled.count, 2);
    }
    assert.deepEqual(recorded, ['plain-0', 'queue-0']);
  });
});

describe('a rollout of an endpoint that declares how its rows wait', () => {
  test('has each revision joined by itself, and what falls back waits for the current one', async (t) => {
    const { endpoint, put, ask, turn, clock, statistics } = await open(t);
    const candidate = { ...(await put(brittleModel(), 2)), weight: 100, shadow: false };
    const spec = batching({ maxDelayMs: 5 });
    const both = await endpoint('both', slowModel(1), { batching: spec, candidate, rollout: 'roll_1' });
    const asked = [ask(both, [{ x: 1 }]), ask(both, [{ x: 99 }]), ask(both, [{ x: 2 }])];
    await turn();
    await clock.advance(5);
    const [good] = await Promise.all(asked.slice(0, 1).map(({ answer }) => answer));
    assert.deepEqual(
      good?.map(({ arm, score }) => [arm, score]),
      [['candidate', 1]],
    );
    // What failed waits anew, for the current revision.
    await turn();
    assert.equal(statistics(both).executionCount, 0);
    await clock.advance(5);
    const answers = (await Promise.all(asked.map(({ answer }) => answer))).flat();

    assert.deepEqual(
      answers.map(({ arm, score }) => [arm, score]),
      [
        ['candidate', 1],
        ['current', 99],
        ['candidate', 2],
      ],
    );
  });

  test('asks no other revision in the place of one for a client that has left', async (t) => {
    const { endpoint, put, ask, turn, clock, statistics, recorded } = await open(t, 'thread');
    const candidate = { ...(await put(slowModel(100), 2)), weight: 100, shadow: false };
    const both = await endpoint('both', brittleModel(), { candidate, rollout: 'roll_1', timeoutMs: 10 });
    const asked = ask(both, [{ x: 1 }]);
    await turn();
    asked.leave();
    await clock.advance(10);
    await assert.rejects(asked.answer, { code: 'gateway/cancelled' });

    assert.equal(statistics(both).executionCount, 0);
    assert.deepEqual(recorded, []);
  });
});

describe('joined answers', () => {
  const number = fc.float({ min: -1_000, max: 1_000, noNaN: true });
  const numeric = fc.record({ a: number, b: number });
  const models: readonly (readonly [
    string,
    TestModel,
    fc.Arbitrary<Readonly<Record<string, unknown>>>,
    RuntimeChoice,
  ])[] = [
    ['boosted trees', trees(), numeric, 'auto'],
    ['boosted trees in ONNX Runtime', trees(), numeric, 'inline'],
    ['a product of matrices', logisticModel({ a: 0.3, b: -2.7 }, 0.1), numeric, 'inline'],
    ['a product of matrices in a thread', logisticModel({ a: 0.3, b: -2.7 }, 0.1), numeric, 'thread'],
    [
      'numbers and categories',
      categoryModel(),
      fc.record({ x: number, c: fc.constantFrom('a', 'b', 'elsewhere') }),
      'inline',
    ],
  ];
  for (const [what, model, row, choice] of models) {
    test(`are to the last bit those of each row alone: ${what}`, async (t) => {
      const { endpoint, ask, turn, clock, close: _, statistics } = await open(t, choice);
      const alone = await endpoint('alone', model);
      let joinedRuns = 0;
      let count = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              rows: fc.array(row, { minLength: 1, maxLength: 6 }),
              priority: fc.integer({ min: 0, max: 4 }),
              pauseMs: fc.constantFrom(0, 0, 1, 3),
            }),
            { minLength: 1, maxLength: 8 },
          ),
          fc.integer({ min: 1, max: 9 }),
          fc.constantFrom(0, 2, 6),
          async (requests, maxRows, maxDelayMs) => {
            count += 1;
            const spec = batching({ maxRows, maxDelayMs, priorities: { levels: 3, default: 2 } });
            const joined = await endpoint(`joined-${count}`, model, { batching: spec });
            const asked = [];
            for (const { rows, priority, pauseMs } of requests) {
              asked.push(ask(joined, rows, { priority }));
              if (pauseMs > 0) await turn();
              await clock.advance(pauseMs);
            }
            await turn();
            await clock.advance(maxDelayMs);
            const answers = (await Promise.all(asked.map(({ answer }) => answer))).flat();
            const expected = [];
            for (const one of requests.flatMap(({ rows }) => rows)) {
              expected.push(...(await ask(alone, [one]).answer));
            }

            for (const [i, { score }] of answers.entries()) assert.ok(Object.is(score, expected[i]?.score), `row ${i}`);
            assert.ok([...statistics(joined).batches.keys()].every((rows) => rows <= maxRows));
            joinedRuns += statistics(joined).inferenceCount - statistics(joined).executionCount;
          },
        ),
        { numRuns: 60 },
      );
      assert.ok(joinedRuns > 0);
    });
  }
});
