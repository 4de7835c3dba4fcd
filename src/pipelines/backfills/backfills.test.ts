import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import { pipelineMigrations } from '../index.ts';
import { command, context, openPipelines } from '../testing.ts';
import { Backfills } from './service.ts';

const as = (action: string) => ({ ...context, action });

/** Pipelines whose pipeline `p` has daily partitions from 1 January 2001, and the clock ten days later. */
async function openBackfills(t: TestContext, open: OpenDatabase) {
  const p = await openPipelines(t, open);
  await p.declare([{ name: 'a', command: command('a'), params: { day: '${params.day}' }, retries: 0 }], {
    params: { day: { type: 'string' } },
    partitions: { param: 'day', every: 'day', from: '2001-01-01' },
  });
  await p.clock.advance(10 * 86_400_000);
  const plane = () =>
    new Backfills({
      ...p.deps,
      startRunIn: p.service.startRunIn.bind(p.service),
      cancelRun: p.service.cancelRun.bind(p.service),
    });
  const [backfills, other] = [plane(), plane()];
  const days = async () => (await p.service.runs({ limit: 100 })).items.map((run) => String(run.params['day'])).sort();
  return {
    ...p,
    backfills,
    look: () => Promise.all([backfills.look(), other.look()]),
    days,
    backfill: (change: Readonly<Record<string, unknown>> = {}) =>
      backfills.start(as('backfill.start'), {
        pipeline: 'p',
        missingOnly: true,
        concurrency: 3,
        params: {},
        ...change,
      }),
  };
}

forEachDialect('Backfills', pipelineMigrations, (open) => {
  test('each missing partition gets one run, so many at a time, whoever looks, until it is done', async (t) => {
    const b = await openBackfills(t, open);
    await b.start({ day: '2001-01-02' });
    await b.succeed((await b.lease())[0]!);
    const { backfill, progress } = await b.backfill();
    assert.deepEqual([progress.partitions, progress.active, progress.waiting], [9, 3, 6]);

    for (let i = 0; i < 20; i++) {
      await b.look();
      const leased = await b.lease('w', 2);
      assert.ok((await b.backfills.get(backfill)).progress.active <= 3);
      for (const attempt of leased)
        await (attempt.params['day'] === '2001-01-05' ? b.fail(attempt) : b.succeed(attempt));
    }

    const done = await b.backfills.get(backfill);
    assert.deepEqual([done.status, done.progress.succeeded, done.progress.failed], ['done', 8, 1]);
    const expected = Array.from({ length: 10 }, (_, i) => `2001-01-${String(i + 1).padStart(2, '0')}`);
    assert.deepEqual(await b.days(), expected);
    const { items } = await b.backfills.partitions('p', {});
    assert.deepEqual(
      items.filter(({ status }) => status !== 'succeeded').map(({ partition, status }) => [partition, status]),
      [['2001-01-05', 'failed']],
    );
    const again = await b.backfill();
    assert.equal(again.progress.partitions, 1, 'what failed is missing');
  });

  test('a span, or partitions by name, may be done again; what is no partition is refused', async (t) => {
    const b = await openBackfills(t, open);
    await b.backfill({ from: '2001-01-03', to: '2001-01-05' });
    assert.deepEqual(await b.days(), ['2001-01-03', '2001-01-04']);

    await assert.rejects(b.backfill({ partitions: ['2001-01-03'] }), { code: 'pipelines/nothing-to-backfill' });
    await b.backfill({ partitions: ['2001-01-03'], missingOnly: false });
    assert.equal((await b.days()).length, 3);
    await assert.rejects(b.backfill({ partitions: ['january'] }), { code: 'pipelines/not-partitioned' });
    await assert.rejects(b.backfill({ params: { other: 1 } }), { code: 'pipelines/invalid-params' });
    await assert.rejects(b.backfill({ pipeline: 'none' }), { code: 'pipelines/not-found' });
  });

  test('a paused backfill starts nothing more, a cancelled one also ends its runs', async (t) => {
    const b = await openBackfills(t, open);
    const { backfill } = await b.backfill({ concurrency: 2 });
    await b.backfills.setPaused(as('backfill.pause'), backfill, true);
    for (const attempt of await b.lease()) await b.succeed(attempt);
    await b.look();
    assert.equal((await b.days()).length, 2);
    await b.backfills.setPaused(as('backfill.resume'), backfill, false);
    await b.look();
    assert.equal((await b.days()).length, 4);

    const cancelled = await b.backfills.cancel(as('backfill.cancel'), backfill);
    await b.look();
    assert.deepEqual([cancelled.status, cancelled.progress.cancelled, cancelled.progress.waiting], ['cancelled', 2, 6]);
    assert.equal((await b.days()).length, 4);
    await assert.rejects(b.backfills.cancel(as('backfill.cancel'), backfill), { code: 'pipelines/backfill-over' });
    assert.equal((await b.backfills.list({ limit: 10 })).items.length, 1);
  });

  test('partitions need a parameter that can name them', async (t) => {
    const p = await openPipelines(t, open);
    const partitions = { param: 'n', every: 'day', from: '2001-01-01' };
    const declare = (params: object) => p.declare([{ name: 'a', command: command('a') }], { params, partitions });

    await assert.rejects(declare({}), { code: 'resources/invalid' });
    await assert.rejects(declare({ n: { type: 'integer' } }), { code: 'resources/invalid' });
    await declare({ n: { type: 'timestamp' } });
    const run = await p.start({ n: '2001-01-01' });
    assert.equal((await p.service.run(run)).partition, '2001-01-01');
  });
});
