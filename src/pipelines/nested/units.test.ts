import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import { pipelineMigrations } from '../index.ts';
import { context } from '../testing.ts';
import { nested, openNested, program, type Spec } from './testing.ts';

const INNER = {
  params: { depth: { type: 'integer' } },
  steps: [program('fit', { outputs: ['model'], params: { d: '${params.depth}' } })],
};
const params = { depth: '${item.depth}' };
const items = (count: number) => Array.from({ length: count }, (_, depth) => ({ depth }));
/** `train` is a run of `inner` for each of `count` items; `after` reads what all of them wrote. */
const outer = (count: number, map: Spec = {}) => ({
  steps: [
    nested('train', 'inner', { params, map: { items: items(count), ...map }, outputs: ['fit.model'] }),
    program('after', { inputs: { models: 'train.fit.model', all: 'result:train' } }),
  ],
});

forEachDialect('Units that are runs', pipelineMigrations, (open) => {
  const opened = async (...[t, pipelines]: [Parameters<typeof openNested>[0], Readonly<Record<string, Spec>>]) => {
    const s = await openNested(t, open);
    await s.apply(pipelines);
    const unitsOf = async (run: string) =>
      (await s.service.units(run, 'train', { after: -1, limit: 1_000 })).items.map(({ status, child }) => ({
        status,
        child,
      }));
    return { ...s, unitsOf };
  };

  test('each item is one run with its own parameters, and their outputs and results are gathered', async (t) => {
    const s = await opened(t, { inner: INNER, outer: outer(3) });
    const run = await s.run('outer');
    assert.deepEqual((await s.service.run(run)).steps[0]?.units?.running, 3);
    const attempts = await s.lease();
    assert.deepEqual(attempts.map((attempt) => attempt.params['d']).sort(), [0, 1, 2]);
    for (const attempt of attempts) await s.succeed(attempt, String(attempt.params['d']));
    await s.settle();
    const units = (await s.service.units(run, 'train', { after: -1, limit: 10 })).items;
    assert.deepEqual(
      units.map(({ unit, item, status }) => [unit, item, status]),
      items(3).map((item) => [`train:${item.depth}`, item, 'succeeded']),
    );
    const child = await s.service.run(units[1]?.child ?? '');
    assert.deepEqual([child.params, child.cause.within], [{ depth: 1 }, { run, step: 'train:1' }]);

    const [after] = await s.lease();
    const { blobs } = JSON.parse(String(await s.blobs.read(after!.inputs['models']!.digest)));
    assert.deepEqual(
      blobs.map(({ unit }: { unit: string }) => unit),
      ['train:0', 'train:1', 'train:2'],
    );
    const texts = await Promise.all(blobs.map(async ({ digest }: never) => String(await s.blobs.read(digest))));
    assert.deepEqual(texts, ['fit.model0', 'fit.model1', 'fit.model2']);
    const all = JSON.parse(String(await s.blobs.read(after!.inputs['all']!.digest)));
    assert.deepEqual(all, Array(3).fill({ fit: { step: 'fit' } }));
    await s.succeed(after!);
    assert.match(await s.shown(run), /^succeeded: train succeeded, after succeeded/);
  });

  test('no more go on than its concurrency says, in the order of the items', async (t) => {
    const s = await opened(t, { inner: INNER, outer: outer(5, { concurrency: 2 }) });
    const run = await s.run('outer');
    const seen: number[] = [];
    for (let waiting = 5; waiting > 0; waiting--) {
      const counts = (await s.service.run(run)).steps[0]?.units;
      assert.equal(counts?.running, Math.min(2, waiting));
      const [attempt, ...others] = await s.lease('w1', 1);
      assert.deepEqual(others, []);
      seen.push(Number(attempt?.params['d']));
      await s.succeed(attempt!);
      await s.settle();
    }
    assert.deepEqual(seen.sort(), [0, 1, 2, 3, 4]);
    assert.deepEqual(await s.work(), ['after']);
  });

  test('more units than are started at a time, all of cached work, end by themselves', async (t) => {
    const s = await opened(t, { inner: INNER, outer: outer(25, { concurrency: 1_000 }) });
    const run = await s.run('outer');
    for (let done = 0; done < 25; ) done += (await s.work()).length;
    assert.deepEqual(await s.work(), ['after']);
    const again = await s.run('outer');
    assert.equal(await s.shown(again), 'succeeded: train succeeded, after cached');
    assert.notEqual(again, run);
  });

  test('a failed unit fails the step when the others have ended, or ends them if the step says so', async (t) => {
    const s = await opened(t, {
      inner: INNER,
      goes: outer(3, { concurrency: 2 }),
      stops: outer(5, { concurrency: 2, failures: 'stop' }),
    });
    const goes = await s.run('goes');
    await s.work(() => 'fail');
    await s.work();
    assert.equal(await s.shown(goes), 'failed: train failed, after skipped');
    assert.deepEqual(
      (await s.unitsOf(goes)).map(({ status }) => status),
      ['failed', 'failed', 'succeeded'],
    );

    await s.apply({ inner: { ...INNER, steps: INNER.steps.map((step) => ({ ...step, cache: false })) } });
    const stops = await s.run('stops');
    const [first, second] = await s.lease();
    await s.fail(first!);
    await s.settle();
    assert.equal((await s.service.heartbeat(second!.attempt, { epoch: 1 })).cancel, true);
    assert.match(await s.shown(stops), /^running: train running/);
    await s.succeed(second!);
    assert.equal(await s.shown(stops), 'failed: train failed, after skipped');
    assert.deepEqual((await s.unitsOf(stops)).map(({ status }) => status).slice(2), Array(3).fill('cancelled'));
    assert.match((await s.service.run(stops)).reason ?? '', /unit 'train:\d' failed: run prun_k\w+ /);
    assert.deepEqual(await s.work(), [], 'nothing more is started');
  });

  test('a cancel ends the units that wait at once, and those that go on with what runs inside', async (t) => {
    const s = await opened(t, { inner: INNER, outer: outer(6, { concurrency: 3 }) });
    const run = await s.run('outer');
    const [attempt] = await s.lease('w1', 1);
    await s.service.cancelRun(context, run);
    assert.match(await s.shown(run), /^cancelling: train running/);
    const before = await s.unitsOf(run);
    assert.equal(before.filter(({ status }) => status === 'running').length, 1);
    await s.service.finish(context, attempt!.attempt, { status: 'stopped', epoch: attempt!.epoch });
    await s.settle();
    assert.equal(await s.shown(run), 'cancelled: train cancelled, after cancelled');
    const after = await s.unitsOf(run);
    assert.deepEqual([...new Set(after.map(({ status }) => status))], ['cancelled']);
    assert.equal(after.filter(({ child }) => child !== undefined).length, 3, 'the others never were runs');
    const waiting = await s.service.startRun(context, {
      pipeline: 'outer',
      cause: { kind: 'user', id: 'a', depth: 0 },
    });
    await s.service.cancelRun(context, waiting.run);
    await s.settle();
    assert.deepEqual((await s.service.runs({ within: waiting.run, limit: 5 })).items, []);
  });

  test('a pause passes down to units that go on and to those that are started while it lasts', async (t) => {
    const s = await opened(t, { inner: INNER, outer: outer(3, { concurrency: 1 }) });
    const run = await s.run('outer');
    const [first] = await s.lease();
    await s.control.setPaused(context, run, true);
    await s.succeed(first!);
    await s.settle();
    assert.deepEqual(await s.work(), []);
    await s.control.setPaused(context, run, false);
    assert.deepEqual([await s.work(), await s.work(), await s.work()], [['fit'], ['fit'], ['after']]);
  });

  test('a resumed run takes over units that succeeded, and goes on inside those that did not', async (t) => {
    const twice = [...INNER.steps, program('test', { needs: ['fit'] })].map((step) => ({ ...step, cache: false }));
    const s = await opened(t, { inner: { ...INNER, steps: twice }, outer: outer(2) });
    const run = await s.run('outer');
    await s.work();
    const [good, bad] = await s.lease();
    await s.succeed(good!);
    await s.fail(bad!);
    await s.settle();
    const resumed = (await s.control.resume(context, run)).run;
    await s.settle();
    const statuses = (await s.unitsOf(resumed)).map(({ status }) => status).sort();
    assert.deepEqual(statuses, ['cached', 'running']);
    assert.deepEqual(await s.work(), ['test'], 'fit of that unit had succeeded');
    assert.deepEqual(await s.work(), ['after']);
    assert.match(await s.shown(resumed), /^succeeded: train succeeded/);

    const again = (await s.control.rerun(context, resumed, { from: ['train'], params: {} })).run;
    await s.settle();
    assert.deepEqual((await s.work()).sort(), ['fit', 'fit']);
    assert.match(await s.shown(again), /^running/);
  });

  test('an empty list is a success, and one whose steps are too many together fails with the limit', async (t) => {
    const s = await opened(t, {
      inner: INNER,
      two: { ...INNER, steps: [...INNER.steps, program('test')] },
      outer: outer(0),
      many: {
        params: { count: { type: 'integer' } },
        steps: [nested('train', 'two', { params: { depth: '${index}' }, map: { count: '${params.count}' } })],
      },
      lists: {
        steps: [
          program('a'),
          nested('train', 'inner', { params: { depth: '${item}' }, needs: ['a'], map: { result: 'a.step' } }),
        ],
      },
    });
    assert.match(await s.shown(await s.run('outer')), /^running: train succeeded, after queued/);
    const many = await s.run('many', { count: 5_001 });
    assert.match((await s.service.run(many)).reason ?? '', /5001 units have 10002 steps with .* 'two', at most 10000/);
    const lists = await s.run('lists');
    await s.work();
    assert.match((await s.service.run(lists)).reason ?? '', /step 'train' failed: the result a\.step is no list/);
    await assert.rejects(s.apply({ x: { steps: [nested('train', 'two', { params, map: { count: 6_000 } })] } }), {
      message: /has more than 10000 steps with those inside/,
    });
    const me = { me: { steps: [nested('train', 'me', { map: { count: 2 } })] } };
    await assert.rejects(s.apply(me), { message: /cannot contain itself: me -> me$/ });
    const program2 = program('p', { map: { count: 2, concurrency: 3 } });
    await assert.rejects(s.apply({ x: { steps: [program2] } }), { message: /concurrency is for runs of pipelines/ });
  });

  test('units in units share what their step may have', async (t) => {
    const s = await opened(t, {
      inner: INNER,
      middle: {
        params: { count: { type: 'integer' } },
        steps: [nested('in', 'inner', { params: { depth: '${index}' }, map: { count: '${params.count}' } })],
      },
      top: {
        params: { count: { type: 'integer' } },
        steps: [
          nested('train', 'middle', { params: { count: '${params.count}' }, map: { count: 4, failures: 'stop' } }),
        ],
      },
    });
    const run = await s.run('top', { count: 2_501 });
    const reason = (await s.service.run(run)).reason ?? '';
    assert.match(reason, /2501 units have 2501 steps with all inside 'inner', at most 2500/);
    const fits = await s.run('top', { count: 2 });
    assert.equal((await s.work()).length, 2, 'equal work is done once');
    assert.match(await s.shown(fits), /^succeeded/);
  });

  test('a unit whose parameters are refused fails alone, with what was expected', async (t) => {
    const s = await opened(t, {
      inner: INNER,
      outer: { steps: [nested('train', 'inner', { params: { depth: '${item}' }, map: { items: [1, 'two', 3] } })] },
    });
    const run = await s.run('outer');
    assert.deepEqual((await s.work()).length, 2);
    const detail = await s.service.run(run);
    assert.deepEqual(detail.steps[0]?.units, {
      queued: 0,
      running: 0,
      succeeded: 2,
      cached: 0,
      failed: 1,
      cancelled: 0,
    });
    assert.match(detail.reason ?? '', /unit 'train:1' failed: pipeline 'inner': params\.depth expected an integer/);
  });

  test('a program says too that the failure of a unit ends those that wait', async (t) => {
    const s = await opened(t, { p: { steps: [program('train', { map: { count: 20, failures: 'stop' } })] } });
    const run = await s.run('p');
    const [bad, good] = await s.lease('w1', 2);
    await s.fail(bad!);
    await s.succeed(good!);
    assert.match(await s.shown(run), /^failed: train failed/);
    assert.equal((await s.service.run(run)).steps[0]?.units?.cancelled, 18);
  });
});
