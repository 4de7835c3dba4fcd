import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import { pipelineMigrations } from '../index.ts';
import { context } from '../testing.ts';
import { CAUSE, nested, openNested, program, type Spec } from './testing.ts';

/** `outer` runs `before`, then pipeline `inner` of `fit` and `test`, then `after`, which reads what `fit` wrote. */
const INNER = {
  params: { depth: { type: 'integer', default: 3 } },
  steps: [
    program('fit', { outputs: ['model'], params: { d: '${params.depth}' } }),
    program('test', { needs: ['fit'] }),
  ],
};
const OUTER = {
  params: { size: { type: 'integer', default: 7 } },
  steps: [
    program('before'),
    nested('train', 'inner', { needs: ['before'], params: { depth: '${params.size}' }, outputs: ['fit.model'] }),
    program('after', { inputs: { model: 'train.fit.model' }, when: { of: 'train.test.step', equals: 'test' } }),
  ],
};

forEachDialect('Nested pipelines', pipelineMigrations, (open) => {
  test('a step that is a pipeline ends with its run and has what that wrote and returned', async (t) => {
    const s = await openNested(t, open);
    await s.apply({ inner: INNER, outer: OUTER });
    const { run } = await s.service.startRun(context, {
      ...{ pipeline: 'outer', cause: CAUSE, project: 'flights', priority: 9, seed: 4 },
    });
    assert.deepEqual(await s.work(), ['before']);
    const child = await s.childOf(run);
    const detail = await s.service.run(child);
    assert.deepEqual(detail.cause, { ...CAUSE, within: { run, step: 'train' } });
    assert.deepEqual([detail.params, detail.project, detail.priority, detail.seed], [{ depth: 7 }, 'flights', 9, 4]);
    assert.equal(await s.shown(run), 'running: before succeeded, train running, after queued');
    assert.deepEqual(
      (await s.service.runs({ within: run, limit: 5 })).items.map((item) => item.run),
      [child],
    );

    assert.deepEqual(await s.work(), ['fit']);
    assert.deepEqual(await s.work(), ['test']);
    const [after] = await s.lease();
    const train = (await s.service.run(run)).steps.find(({ step }) => step === 'train');
    const fit = (await s.service.run(child)).steps.find(({ step }) => step === 'fit');
    assert.deepEqual(train?.outputs, { 'fit.model': fit?.outputs['model'] });
    assert.deepEqual(train?.result, { fit: { step: 'fit' }, test: { step: 'test' } });
    assert.equal(after?.inputs['model']?.digest, fit?.outputs['model']?.digest);
    await s.succeed(after!);
    assert.equal(await s.shown(run), 'succeeded: before succeeded, train succeeded, after succeeded');
    assert.match(
      (await s.service.explainCache(run, 'train')).text,
      new RegExp(`runs pipeline 'inner'.* in run ${child}`),
    );
  });

  test('a run of cached steps ends at once, in a run of cached steps too', async (t) => {
    const s = await openNested(t, open);
    await s.apply({ inner: INNER, outer: OUTER });
    await s.run('outer');
    while ((await s.work()).length > 0);
    const again = await s.run('outer');

    assert.equal(await s.shown(again), 'succeeded: before cached, train succeeded, after cached');
    await s.apply({ outer: { ...OUTER, steps: OUTER.steps.map((step) => ({ ...step, cache: false })) } });
    await s.run('outer');
    await s.work();
    assert.deepEqual(await s.work(), ['fit'], 'cache: false of the step holds for all that it runs');
  });

  test('a failure and a cancel of the run fail the step and skip what needs it, with the reason', async (t) => {
    const s = await openNested(t, open);
    await s.apply({ inner: INNER, outer: OUTER });
    const failed = await s.run('outer');
    await s.work();
    await s.work(() => 'fail');
    const detail = await s.service.run(failed);
    assert.equal(await s.shown(failed), 'failed: before succeeded, train failed, after skipped');
    assert.match(detail.reason ?? '', /^step 'train' failed: run prun_k\w+ failed: step 'fit' failed: threw: no$/);

    const cancelled = await s.run('outer', { size: 8 });
    await s.service.cancelRun(context, await s.childOf(cancelled), 'enough');
    assert.equal(await s.shown(cancelled), 'failed: before cached, train failed, after skipped');
    assert.match((await s.service.run(cancelled)).reason ?? '', /run prun_k\w+ was cancelled: enough \(by user:ada\)/);
  });

  test('a cancel passes down, and a run is over only when nothing inside runs any more', async (t) => {
    const s = await openNested(t, open);
    await s.apply({
      inner: INNER,
      middle: { steps: [nested('in', 'inner')] },
      top: { steps: [nested('mid', 'middle')] },
    });
    const run = await s.run('top');
    const middle = await s.childOf(run, 'mid');
    const inner = await s.childOf(middle, 'in');
    const [attempt] = await s.lease();
    await s.service.cancelRun(context, run);
    assert.deepEqual(await Promise.all([run, middle, inner].map((id) => s.shown(id))), [
      'cancelling: mid running',
      'cancelling: in running',
      'cancelling: fit running, test cancelled',
    ]);
    const beat = await s.service.heartbeat(attempt!.attempt, { epoch: attempt!.epoch });
    assert.equal(beat.cancel, true);
    await s.clock.advance(60_000);
    await s.service.expireLeases();

    assert.deepEqual(await Promise.all([run, middle, inner].map((id) => s.shown(id))), [
      'cancelled: mid cancelled',
      'cancelled: in cancelled',
      'cancelled: fit cancelled, test cancelled',
    ]);
    const waiting = await s.service.startRun(context, { pipeline: 'top', cause: CAUSE });
    await s.service.cancelRun(context, waiting.run);
    await s.settle();
    assert.equal(await s.shown(waiting.run), 'cancelled: mid cancelled', 'its run was not started yet');
    assert.deepEqual((await s.service.runs({ within: waiting.run, limit: 5 })).items, []);
  });

  test('a pause passes down, also to runs that are started while it lasts', async (t) => {
    const s = await openNested(t, open);
    await s.apply({ inner: INNER, outer: OUTER });
    const run = await s.run('outer');
    const [before] = await s.lease();
    await s.control.setPaused(context, run, true);
    await s.succeed(before!);
    await s.settle();
    const child = await s.childOf(run);
    assert.notEqual((await s.service.run(child)).pausedAt, null);
    assert.deepEqual(await s.work(), []);
    await s.control.setPaused(context, run, false);
    assert.deepEqual(await s.work(), ['fit']);
    await s.control.setPaused(context, run, true);
    assert.deepEqual(await s.work(), []);
    await s.control.setPaused(context, run, false);
    while ((await s.work()).length > 0);
    assert.match(await s.shown(run), /^succeeded/);
  });

  test('a resumed run goes on inside where that ended; one that is done again does all of the step', async (t) => {
    const s = await openNested(t, open);
    await s.apply({ inner: { ...INNER, steps: INNER.steps.map((step) => ({ ...step, cache: false })) }, outer: OUTER });
    const run = await s.run('outer');
    await s.work();
    await s.work();
    await s.work(() => 'fail');
    const resumed = (await s.control.resume(context, run)).run;
    await s.settle();
    const child = await s.childOf(resumed);
    assert.equal(await s.shown(child), 'queued: fit cached, test queued');
    assert.equal((await s.service.run(child)).origin, await s.childOf(run));
    assert.deepEqual(await s.work(), ['test']);
    assert.deepEqual(await s.work(), ['after']);
    assert.match(await s.shown(resumed), /^succeeded/);

    const again = (await s.control.rerun(context, resumed, { from: ['train'], params: {} })).run;
    await s.settle();
    assert.deepEqual([await s.work(), await s.work(), await s.work()], [['fit'], ['test'], ['after']]);
    assert.match(await s.shown(again), /^succeeded: before cached/);
  });

  test('a run uses the pipelines inside as they were when it was started', async (t) => {
    const s = await openNested(t, open);
    await s.apply({ inner: INNER, middle: { steps: [program('first'), nested('in', 'inner', { needs: ['first'] })] } });
    await s.run('middle');
    await s.apply({ inner: { steps: [program('other')] } });
    await s.work();
    assert.deepEqual(await s.work(), ['fit']);
    await s.run('middle', {});
    assert.deepEqual(await s.work(), ['test', 'other']);
  });

  test('a reproduction does what lies inside again too, and its record says which run a step was', async (t) => {
    const s = await openNested(t, open);
    await s.apply({ inner: INNER, outer: OUTER });
    const run = await s.run('outer');
    while ((await s.work()).length > 0);
    const { run: again } = await s.records.reproduce(context, run);
    await s.settle();
    assert.deepEqual([await s.work(), await s.work(), await s.work()], [['before'], ['fit'], ['test']]);
    await s.work();

    const compared = await s.records.compare(again);
    assert.deepEqual(
      compared.steps.map(({ step, verdict }) => [step, verdict]),
      [
        ['before', 'same'],
        ['train', 'same'],
        ['after', 'same'],
      ],
    );
    const { record } = await s.records.view(again);
    const { program } = record.steps.find(({ step }) => step === 'train')!;
    assert.deepEqual(program, { pipeline: { name: 'inner', generation: 1, run: await s.childOf(again) } });
  });

  test('whoever started the outermost run does not decide an independent approval inside', async (t) => {
    const s = await openNested(t, open);
    const approval = { name: 'ok', approval: { independent: true } };
    await s.apply({ inner: { steps: [approval] }, outer: { steps: [nested('train', 'inner')] } });
    const cause = { kind: 'user', id: context.actor.id, depth: 0 } as const;
    const { run } = await s.service.startRun(context, { pipeline: 'outer', cause });
    await s.settle();
    const of = { run: await s.childOf(run), step: 'ok' };
    const verdict = { approve: true, reason: '' };
    await assert.rejects(s.control.decide(context, of, verdict), { code: 'pipelines/own-run' });
    await s.control.decide({ ...context, actor: { id: 'user:bob', roles: [] } }, of, verdict);
    assert.equal(await s.shown(run), 'succeeded: train succeeded');
  });

  test('a pipeline that refuses its parameters fails the step', async (t) => {
    const s = await openNested(t, open);
    await s.apply({
      inner: { params: { at: { type: 'timestamp' } }, steps: [program('fit')] },
      outer: {
        params: { at: { type: 'string' } },
        steps: [nested('train', 'inner', { params: { at: '${params.at}' } })],
      },
    });
    const run = await s.run('outer', { at: 'noon' });
    assert.match(
      (await s.service.run(run)).reason ?? '',
      /step 'train' failed: pipeline 'inner': params\.at expected epoch/,
    );
  });

  test('pipelines that contain themselves, lie too deep or do not fit are refused, by name', async (t) => {
    const s = await openNested(t, open);
    const refused = async (pipelines: Readonly<Record<string, Spec>>, message: RegExp): Promise<void> => {
      await assert.rejects(s.apply(pipelines), (error: Error) => {
        assert.match(error.message, message);
        return true;
      });
    };
    const chain = (length: number) =>
      Object.fromEntries(
        Array.from({ length }, (_, i) => [`p${i}`, { steps: [i === 0 ? program('x') : nested('n', `p${i - 1}`)] }]),
      );
    await s.apply(chain(6));
    await refused({ p6: { steps: [nested('n', 'p5')] } }, /more than 5 deep: p6 -> p5 -> p4 -> p3 -> p2 -> p1 -> p0$/);
    await refused({ p0: { steps: [nested('n', 'p2')] } }, /cannot contain itself: p\d -> p\d -> p\d -> p\d$/);
    await refused({ me: { steps: [nested('n', 'me')] } }, /cannot contain itself: me -> me$/);
    await refused({ x: { steps: [nested('n', 'nobody')] } }, /refers to pipeline 'nobody', which does not exist/);
    const wide = (inner: string) => Array.from({ length: 200 }, (_, i) => nested(`n${i}`, inner));
    await refused(
      { w0: { steps: wide('p0') }, w1: { steps: wide('w0') } },
      /has more than 10000 steps with those inside/,
    );
    await s.apply({ inner: INNER });
    const fit = (more: Spec) => ({ o: { params: { text: { type: 'string' } }, steps: [nested('n', 'inner', more)] } });
    await refused(
      fit({ params: { deep: 1 } }),
      /steps\.n\.params\.deep: pipeline 'inner' declares no parameter 'deep' \(.*: depth\)/,
    );
    await refused(fit({ params: { depth: 'x' } }), /steps\.n\.params\.depth: expected an integer/);
    await refused(fit({ params: { depth: '${params.text}' } }), /expected integer, and the parameter 'text' is string/);
    await refused(fit({ outputs: ['fit.tree'] }), /has no output 'fit\.tree' to take \(it has: fit\.model\)/);
    await refused(fit({ pool: { name: 'x' } }), /steps\.0\.pool: only programs have it/);
  });
});
