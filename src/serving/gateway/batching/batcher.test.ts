import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '#core/clock';
import type { BatchPolicy, QueuePolicy, QueueWish } from './batch-policy.ts';
import { Batcher } from './batcher.ts';
import { WaitingRequests } from './waiting-requests.ts';

interface Row {
  readonly id: number;
  readonly rows: number;
  readonly kind: string;
}

const ANY: QueuePolicy = {
  requestsMax: Number.POSITIVE_INFINITY,
  timeoutMs: Number.POSITIVE_INFINITY,
  override: true,
  whenLate: 'reject',
};
const policyOf = (given: Partial<BatchPolicy> = {}): BatchPolicy => ({
  rowsMax: 4,
  preferred: [...(given.preferred ?? []), given.rowsMax ?? 4],
  delayMs: 0,
  defaultLevel: 1,
  levels: [ANY],
  ordered: false,
  names: { requestsMax: 'batching.queueMax', timeout: 'batching.queueTimeoutMs' },
  ...given,
});

/** A batcher of one model that is busy for as long as a test says, and keeps what happened. */
function openBatcher(policy: BatchPolicy, { runsMax = 1 } = {}) {
  const clock = new ManualClock();
  const startMs = clock.monotonic();
  const requests = new WaitingRequests();
  const runs: { readonly ids: readonly number[]; readonly rows: number; readonly atMs: number }[] = [];
  const refused: string[] = [];
  let working = 0;
  const items = new Map<number, Row>();
  const batcher = new Batcher<Row>({
    clock,
    joins: (first, other) => first.kind === other.kind,
    free: () => working < runsMax,
    run(run) {
      working += 1;
      const rows = run.reduce((sum, one) => sum + one.rows, 0);
      runs.push({ ids: run.map(({ id }) => id), rows, atMs: clock.monotonic() - startMs });
    },
    waits: () => undefined,
    refuse: ({ id }, error) => refused.push(`${id}: ${error.message}`),
    afterTimer: () => undefined,
  });
  return {
    ...{ clock, runs, refused, batcher },
    ids: () => runs.map(({ ids }) => ids),
    add(id: number, { rows = 1, kind = '', ...wish }: Partial<Row> & QueueWish = {}): void {
      const item = { id, rows, kind };
      items.set(id, item);
      const place = requests.enter('m', policy, { wish, counted: { pending: 0 } });
      batcher.add(item, { name: 'm', model: 'file', policy }, { rows, queuedMs: clock.monotonic(), place });
    },
    leave: (id: number): boolean => batcher.remove(items.get(id) as Row),
    ended(): void {
      working -= 1;
      batcher.pump('file');
    },
  };
}

describe('runs of what waits', () => {
  test('begin when the rows of one are there, and with fewer when the one that came first has waited', async () => {
    const { add, batcher, clock, ids, runs, ended } = openBatcher(policyOf({ delayMs: 10 }));
    for (const id of [1, 2]) add(id);
    batcher.turn();
    await clock.advance(4);
    add(3);
    batcher.turn();
    await clock.advance(5);
    assert.deepEqual(ids(), []);
    await clock.advance(1);
    assert.deepEqual(ids(), [[1, 2, 3]]);
    ended();
    for (const id of [4, 5, 6, 7, 8]) add(id);
    batcher.turn();
    ended();

    assert.deepEqual(ids(), [
      [1, 2, 3],
      [4, 5, 6, 7],
    ]);
    await clock.advance(10);
    assert.deepEqual(
      runs.map(({ atMs }) => atMs),
      [10, 10, 20],
    );
  });

  test('without a delay have all of a turn, or what came while the model was busy', () => {
    const { add, batcher, ids, ended } = openBatcher(policyOf());
    for (const id of [1, 2]) add(id);
    batcher.turn();
    add(3);
    batcher.turn();
    add(4);
    batcher.turn();
    assert.deepEqual(ids(), [[1, 2]]);
    ended();

    assert.deepEqual(ids(), [
      [1, 2],
      [3, 4],
    ]);
  });

  test('begin with a preferred number of rows at once, the largest that is there', async () => {
    const { add, batcher, clock, ids } = openBatcher(policyOf({ rowsMax: 8, preferred: [2, 4, 8], delayMs: 10 }), {
      runsMax: 9,
    });
    for (const id of [1, 2, 3, 4, 5]) add(id);
    batcher.turn();
    assert.deepEqual(ids(), [[1, 2, 3, 4]]);
    await clock.advance(10);

    assert.deepEqual(ids(), [[1, 2, 3, 4], [5]]);
  });

  test('end where the next one cannot join, which nobody behind it overtakes', () => {
    const { add, batcher, ids } = openBatcher(policyOf({ delayMs: 0 }), { runsMax: 9 });
    add(1, { kind: 'a' });
    add(2, { kind: 'a', rows: 2 });
    add(3, { kind: 'a', rows: 2 });
    add(4, { kind: 'b' });
    add(5, { kind: 'a' });
    batcher.turn();

    assert.deepEqual(ids(), [[1, 2], [3], [4], [5]]);
  });

  test('take the higher priority first, and within one who came first', () => {
    const { add, batcher, ids, ended } = openBatcher(
      policyOf({ rowsMax: 2, preferred: [2], levels: [ANY, ANY, ANY], defaultLevel: 2 }),
    );
    add(0);
    batcher.turn();
    add(1, { priority: 3 });
    add(2);
    add(3, { priority: 1 });
    add(4, { priority: 0 });
    add(5, { priority: 99 });
    add(6, { priority: 1 });
    batcher.turn();
    for (let i = 0; i < 4; i++) ended();

    assert.deepEqual(ids(), [[0], [3, 6], [2, 4], [5, 1]]);
  });
});

describe('what waits', () => {
  test('is refused past the requests that may, by priority, and one that left makes room', () => {
    const two = { ...ANY, requestsMax: 2 };
    const { add, batcher, leave } = openBatcher(policyOf({ levels: [two, two], defaultLevel: 2 }));
    add(0);
    batcher.turn();
    for (const id of [1, 2]) add(id);
    assert.throws(() => add(3), /'m' has 2 requests of priority 2 waiting, which is batching.queueMax/);
    add(4, { priority: 1 });
    assert.ok(leave(1));
    add(5);
    assert.throws(() => add(6), { code: 'gateway/queue-full', status: 503, retryAfterMs: 1_000 });
  });

  test('is refused past its part of the limit, where a gateway is several processes', () => {
    const requests = new WaitingRequests(2);
    const policy = policyOf({ levels: [{ ...ANY, requestsMax: 3 }] });
    const enter = () => requests.enter('m', policy, { counted: { pending: 0 } }).joined();
    for (let i = 0; i < 2; i++) enter();
    assert.throws(enter, /'m' has 2 requests waiting, which is batching.queueMax of this process/);
  });

  test('is refused once it has waited as long as it may, by the declaration or by its own wish', async () => {
    const { add, batcher, clock, refused, ids, ended } = openBatcher(policyOf({ levels: [{ ...ANY, timeoutMs: 20 }] }));
    add(0);
    batcher.turn();
    add(1);
    add(2, { timeoutMs: 5 });
    add(3, { timeoutMs: 50 });
    batcher.turn();
    await clock.advance(5);
    assert.match(refused.join(), /^2: 'm': the request has waited 5 ms/);
    await clock.advance(14);
    add(4);
    batcher.turn();
    await clock.advance(1);
    ended();

    assert.equal(refused.length, 3);
    assert.deepEqual(ids(), [[0], [4]]);
  });

  test('and may not name a shorter time keeps the declared one', async () => {
    const level = { ...ANY, timeoutMs: 20, override: false };
    const { add, batcher, clock, refused } = openBatcher(policyOf({ levels: [level] }));
    add(0);
    batcher.turn();
    add(1, { timeoutMs: 5 });
    batcher.turn();
    await clock.advance(19);
    assert.deepEqual(refused, []);
    await clock.advance(1);
    assert.equal(refused.length, 1);
  });

  test('runs after those of its priority that are in time, where late requests are delayed', async () => {
    const late = { ...ANY, timeoutMs: 5, whenLate: 'delay' as const };
    const { add, batcher, clock, ids, ended, refused } = openBatcher(
      policyOf({ rowsMax: 1, preferred: [1], levels: [late, late] }),
    );
    add(0);
    batcher.turn();
    add(1);
    add(2, { priority: 2 });
    batcher.turn();
    await clock.advance(5);
    add(3);
    batcher.turn();
    for (let i = 0; i < 3; i++) ended();

    assert.deepEqual(ids(), [[0], [3], [1], [2]]);
    assert.deepEqual(refused, []);
  });

  test('and leaves is never run', async () => {
    const { add, batcher, clock, ids, leave } = openBatcher(policyOf({ delayMs: 10 }));
    for (const id of [1, 2, 3]) add(id);
    batcher.turn();
    assert.ok(leave(1));
    assert.ok(!leave(1));
    await clock.advance(10);
    assert.deepEqual(ids(), [[2, 3]]);
  });
});

test('everything runs once, is refused or leaves, and no run is larger than it may be', async () => {
  const step = fc.oneof(
    fc.record({
      add: fc.integer({ min: 1, max: 4 }),
      priority: fc.integer({ min: 0, max: 4 }),
      kind: fc.constantFrom('a', 'b'),
    }),
    fc.record({ advance: fc.integer({ min: 0, max: 12 }) }),
    fc.record({ leave: fc.nat({ max: 40 }) }),
    fc.constant('ended' as const),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.constantFrom(0, 1, 7),
      fc.constantFrom(1, 2),
      async (steps, delayMs, runsMax) => {
        const levels = [ANY, { ...ANY, timeoutMs: 9, whenLate: 'delay' as const }, { ...ANY, timeoutMs: 5 }];
        const opened = openBatcher(policyOf({ rowsMax: 4, preferred: [3, 4], delayMs, levels, defaultLevel: 2 }), {
          runsMax,
        });
        const { add, batcher, clock, runs, refused, leave } = opened;
        let added = 0;
        let left = 0;
        let ended = 0;
        for (const one of steps) {
          if (one === 'ended') {
            if (ended < runs.length) {
              ended += 1;
              opened.ended();
            }
          } else if ('advance' in one) await clock.advance(one.advance);
          else if ('leave' in one) left += one.leave < added && leave(one.leave) ? 1 : 0;
          else {
            add(added, { ...one, rows: one.add });
            added += 1;
            batcher.turn();
          }
        }
        for (; ended < runs.length; ended += 1) opened.ended();
        await clock.advance(20);
        for (; ended < runs.length; ended += 1) opened.ended();

        const ran = runs.flatMap(({ ids }) => ids);
        assert.equal(new Set(ran).size, ran.length);
        assert.equal(ran.length + left + refused.length, added);
        assert.ok(runs.every(({ rows }) => rows <= 4));
      },
    ),
    { numRuns: 300 },
  );
});
