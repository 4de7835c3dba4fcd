import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import { pipelineMigrations } from './index.ts';
import { cause, command, context, names, openPipelines } from './testing.ts';

const one = [{ name: 'a', command: command('a'), cache: false }];

forEachDialect('Concurrency of pipelines', pipelineMigrations, (open) => {
  test('runs beyond the limit of their pipeline are let in one by one, by priority, as others end', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(one, { concurrency: { runs: 2 } });
    const start = async (priority: number) => {
      await p.clock.advance(1);
      return (await p.service.startRun(context, { pipeline: 'p', cause, priority })).run;
    };
    const [first, second, low, high] = [await start(0), await start(0), await start(-1), await start(3)];

    const leased = await p.lease();
    assert.deepEqual(leased.map(({ run }) => run).sort(), [first, second].sort());
    assert.equal((await p.service.run(high)).admittedAt, null);
    await p.succeed(leased[0]!);
    const [next] = await p.lease();
    assert.equal(next?.run, high);
    await p.service.cancelRun({ ...context, action: 'pipeline-run.cancel' }, low);
    assert.equal((await p.service.run(low)).status, 'cancelled', 'a run that was never let in can be cancelled');
    await p.fail(leased[1]!, 'invalid-result');
    await p.succeed(next!);
    assert.deepEqual(await p.lease(), []);
  });

  test('runs of one key go one after the other and do not hold up those of other keys', async (t) => {
    const p = await openPipelines(t, open);
    const params = { customer: { type: 'string' } };
    await p.declare(one, { params, concurrency: { key: '${params.customer}' } });
    const [a1, a2, b1] = [
      await p.start({ customer: 'a' }),
      await p.start({ customer: 'a' }),
      await p.start({ customer: 'b' }),
    ];

    const leased = await p.lease();
    assert.deepEqual(leased.map(({ run }) => run).sort(), [a1, b1].sort());
    await p.succeed(leased.find(({ run }) => run === a1)!);
    assert.deepEqual(
      (await p.lease()).map(({ run }) => run),
      [a2],
    );
  });

  test('a limit that was raised lets in those who wait, also without an end of another', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(one, { concurrency: { runs: 1 } });
    await p.start();
    await p.start();
    assert.equal((await p.lease()).length, 1);
    const written = t.mock.method(p.db, 'react');
    await p.control.tend();
    assert.equal(written.mock.callCount(), 0, 'a pipeline that is full is looked at and not written');
    written.mock.restore();
    await p.declare(one, { concurrency: { runs: 2 } });

    await p.control.tend();

    assert.equal((await p.lease()).length, 1);
  });

  test('runs that are all in the cache end as they are let in, each once', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a') }], { concurrency: { runs: 1 } });
    const runs = [await p.start(), await p.start(), await p.start(), await p.start()];
    await p.succeed((await p.lease())[0]!);

    assert.deepEqual(await p.lease(), []);
    for (const run of runs) assert.equal((await p.service.run(run)).status, 'succeeded');
    assert.equal((await p.events('pipeline.run-finished')).length, 4);
  });

  test('steps of a pool run so many at a time, and a lost worker gives its slots back', async (t) => {
    const p = await openPipelines(t, open);
    const pool = { name: 'warehouse' };
    await p.resources.apply(context, [{ kind: 'pool', name: 'warehouse', spec: { slots: 3 } }]);
    await p.declare([
      { name: 'a', command: command('a'), pool, cache: false },
      { name: 'b', command: command('b'), pool: { ...pool, slots: 2 }, cache: false },
      { name: 'c', command: command('c'), pool, cache: false },
      { name: 'd', command: command('d'), cache: false },
    ]);
    await p.start();

    const leased = await p.lease('w1');
    assert.deepEqual(names(leased).sort(), ['a', 'b', 'd']);
    assert.deepEqual(names(await p.lease('w2')), []);
    await p.clock.advance(3_001);
    await p.service.expireLeases();
    assert.equal((await p.lease('w2')).length, 3);
    await assert.rejects(p.declare([{ name: 'a', command: command('a'), pool: { name: 'none' } }]), {
      code: 'resources/missing-reference',
    });
  });

  test('a project runs so many steps at a time as its quota says, on all workers together', async (t) => {
    const p = await openPipelines(t, open);
    const quota = (steps: number) => p.resources.apply(context, [{ kind: 'quota', name: 'team', spec: { steps } }]);
    await quota(2);
    await p.declare(['a', 'b', 'c'].map((name) => ({ name, command: command(name), cache: false })));
    await p.service.startRun(context, { pipeline: 'p', project: 'team', cause });
    const leased = [...(await p.lease('w1', 1)), ...(await p.lease('w2', 8))];
    assert.deepEqual(names(leased), ['a', 'b']);
    await p.start();
    assert.deepEqual(names(await p.lease('w3')), ['a', 'b', 'c'], 'runs of no project have none');

    await p.succeed(leased[0]!);
    assert.deepEqual(names(await p.lease('w1')), ['c']);
    await quota(0);
    await p.service.startRun(context, { pipeline: 'p', project: 'team', cause });
    assert.deepEqual(await p.lease('w1'), []);
    await assert.rejects(quota(-1), { code: 'resources/invalid' });
  });

  test('a worker gets what fits beside what it holds, and what it never could run is left to others', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([
      { name: 'small', command: command('s'), resources: { cpu: 1 }, cache: false },
      { name: 'large', command: command('l'), resources: { cpu: 4, memoryGiB: 8 }, cache: false },
    ]);
    await p.start();
    const lease = (worker: string, resources: Readonly<Record<string, number>>) =>
      p.service.lease({ worker, slots: 8, labels: {}, resources, waitMs: 0 });

    assert.deepEqual(names(await lease('none', {})), []);
    const [held] = await lease('w1', { cpu: 4, memoryGiB: 4 });
    assert.equal(held?.step, 'small');
    assert.deepEqual(names(await lease('w2', { cpu: 8, memoryGiB: 16 })), ['large']);
  });

  test('a step for the case of failure runs after all others, and not when all went well', async (t) => {
    const p = await openPipelines(t, open);
    const steps = [
      { name: 'a', command: command('a'), retries: 0, cache: false },
      { name: 'b', command: command('b'), needs: ['a'] },
      { name: 'tell', command: command('tell'), onFailure: true },
    ];
    await p.declare(steps);
    const good = await p.start();
    await p.succeed((await p.lease())[0]!);
    await p.succeed((await p.lease())[0]!);
    const bad = await p.start();
    await p.fail((await p.lease())[0]!);
    const [hook] = await p.lease();
    await p.succeed(hook!);

    const outcomes = async (run: string) => {
      const { status, steps: found } = await p.service.run(run);
      return [status, ...found.map((item) => item.status)];
    };
    assert.deepEqual(await outcomes(good), ['succeeded', 'succeeded', 'succeeded', 'skipped']);
    assert.equal(hook?.step, 'tell');
    assert.deepEqual(await outcomes(bad), ['failed', 'failed', 'skipped', 'succeeded']);
    await assert.rejects(p.declare([...steps, { name: 'c', command: command('c'), needs: ['tell'] }]), {
      code: 'resources/invalid',
    });
  });

  test('a run that goes on for longer than it may is cancelled, counted from when it was let in', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(one, { timeout: '1m', concurrency: { runs: 1 } });
    const [first, second] = [await p.start(), await p.start()];
    const [attempt] = await p.lease();

    await p.clock.advance(60_000);
    await p.control.tend();
    assert.equal((await p.service.run(first)).status, 'cancelling');
    const { attempt: id, epoch } = attempt!;
    assert.deepEqual(await p.service.heartbeat(id, { epoch }), { cancel: true });
    await p.service.finish(context, id, { status: 'stopped', epoch });
    const { status, reason } = await p.service.run(first);
    assert.deepEqual([status, reason], ['cancelled', 'timeout: the run took longer than 60 s']);
    await p.clock.advance(59_000);
    await p.control.tend();
    assert.equal((await p.service.run(second)).status, 'queued');
  });

  test('a pre-emptible step asks for other workers when it was taken away too often, also in a pause', async (t) => {
    const p = await openPipelines(t, open);
    const preemptible = { on: { capacity: 'spot' }, after: { capacity: 'on-demand' }, losses: 2 };
    await p.declare([{ name: 'a', command: command('a'), within: '1h', timeout: '59m', preemptible }]);
    const run = await p.start();
    const ask = (capacity: string) =>
      p.service.lease({ worker: capacity, instance: '1', slots: 1, labels: { capacity }, waitMs: 0 });
    assert.deepEqual(await ask('on-demand'), []);
    await ask('spot');
    await p.leave('spot', [], '1');
    assert.equal((await ask('spot')).length, 1);
    await p.control.setPaused({ ...context, action: 'pipeline-run.pause' }, run, true);
    await p.clock.advance(3_001);
    await p.service.expireLeases();
    await p.control.setPaused({ ...context, action: 'pipeline-run.unpause' }, run, false);

    assert.deepEqual(await ask('spot'), [], 'taken away twice');
    await p.clock.advance(600_000);
    const [last] = await ask('on-demand');
    assert.equal(last?.timeoutMs, 3_600_000 - 603_001, 'what is left of the hour');
    await p.leave('on-demand', [], '1');
    await p.clock.advance(3_600_000);
    await p.control.tend();
    const { status, steps } = await p.service.run(run);
    assert.deepEqual([status, steps[0]?.status], ['failed', 'failed']);
    assert.match(steps[0]?.reason ?? '', /^timeout: no attempt succeeded within the 3600000 ms/);
  });
});
