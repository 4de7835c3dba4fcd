import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import { pipelineMigrations } from '../index.ts';
import { command, context } from '../testing.ts';
import { nested, openNested, program, type Spec } from './testing.ts';

/** `outer` hands what `prep` wrote and returned to `inner`, whose `fit` reads both. */
const INNER = {
  inputs: { data: { type: 'file' }, best: { type: 'json' } },
  steps: [program('fit', { inputs: { d: 'input:data', b: 'input:best' }, outputs: ['model'] })],
};
const OUTER = {
  steps: [
    program('prep', { outputs: ['rows'] }),
    nested('train', 'inner', { inputs: { data: 'prep.rows', best: 'result:prep.step' }, outputs: ['fit.model'] }),
    program('after', { inputs: { model: 'train.fit.model', best: 'result:train.fit' } }),
  ],
};

forEachDialect('Inputs of nested pipelines', pipelineMigrations, (open) => {
  test('a step hands on what earlier steps wrote and returned, and the run inside reads it as its own', async (t) => {
    const s = await openNested(t, open);
    await s.apply({ inner: INNER, outer: OUTER });
    const run = await s.run('outer');
    assert.deepEqual(await s.work(), ['prep']);
    const rows = (await s.service.run(run)).steps[0]?.outputs['rows'];
    const child = await s.service.run(await s.childOf(run));
    assert.deepEqual(child.inputs['data'], { ...rows, from: 'outer/prep.rows' });
    assert.equal(child.inputs['best']?.from, 'outer/result:prep.step');

    const [fit] = await s.lease();
    assert.equal(fit?.inputs['d']?.digest, rows?.digest);
    assert.equal(String(await s.blobs.read(fit!.inputs['b']!.digest)), '"prep"');
    await s.succeed(fit!);
    const [after] = await s.lease();
    assert.equal(String(await s.blobs.read(after!.inputs['best']!.digest)), '{"step":"fit"}');
    await s.succeed(after!);
    await s.settle();
    assert.match(await s.shown(run), /^succeeded/);
    const { record } = await s.records.view(child.run);
    assert.deepEqual(record.inputs, child.inputs);
    assert.deepEqual(record.steps[0]?.inputs['d'], { ...rows, from: 'input:data' });
  });

  test('digests of inputs are part of the key: equal content is taken from the cache, other is not', async (t) => {
    const s = await openNested(t, open);
    await s.apply({ inner: INNER, outer: OUTER });
    await s.run('outer');
    while ((await s.work()).length > 0);
    const outer = (steps: readonly Spec[]) => ({ outer: { ...OUTER, steps } });
    const prep = program('prep', { outputs: ['rows'], params: { other: 1 } });
    await s.apply(outer([prep, ...OUTER.steps.slice(1)]));
    await s.run('outer');
    assert.deepEqual([await s.work(), await s.work()], [['prep'], []], 'prep ran again and wrote the same');

    await s.apply(outer([{ ...prep, params: { other: 2 } }, ...OUTER.steps.slice(1)]));
    const changed = await s.run('outer');
    const [attempt] = await s.lease();
    await s.succeed(attempt!, ' and more');
    await s.settle();
    assert.deepEqual(await s.work(), ['fit']);
    const { differences } = await s.service.explainCache(await s.childOf(changed), 'fit');
    assert.deepEqual(
      differences.map(({ ingredient }) => ingredient),
      ['inputs.d'],
    );
  });

  test('inputs pass through several levels, lists of what units wrote among them', async (t) => {
    const s = await openNested(t, open);
    await s.apply({
      inner: { inputs: { parts: { type: 'files' } }, steps: [program('sum', { inputs: { p: 'input:parts' } })] },
      middle: {
        inputs: { parts: { type: 'files' } },
        steps: [nested('in', 'inner', { inputs: { parts: 'input:parts' } })],
      },
      top: {
        steps: [
          program('each', { outputs: ['part'], map: { count: 2 } }),
          nested('mid', 'middle', { inputs: { parts: 'each.part' } }),
        ],
      },
    });
    const run = await s.run('top');
    await s.work();
    const inner = await s.service.run(await s.childOf(await s.childOf(run, 'mid'), 'in'));
    assert.equal(inner.inputs['parts']?.from, 'top/each.part');
    const [sum] = await s.lease();
    assert.equal(sum?.inputs['p']?.manifest, true);
    const { blobs } = JSON.parse(String(await s.blobs.read(sum!.inputs['p']!.digest)));
    assert.deepEqual(
      blobs.map(({ unit }: { unit: string }) => unit),
      ['each:0', 'each:1'],
    );
  });

  test('a resumed run, one that is done again and a reproduction have the inputs of the one before', async (t) => {
    const s = await openNested(t, open);
    await s.apply({ inner: INNER, outer: OUTER });
    const run = await s.run('outer');
    await s.work();
    const { inputs } = await s.service.run(await s.childOf(run));
    await s.work(() => 'fail');
    const resumed = (await s.control.resume(context, run)).run;
    await s.settle();
    assert.deepEqual((await s.service.run(await s.childOf(resumed))).inputs, inputs);
    while ((await s.work()).length > 0);
    const child = await s.childOf(resumed);
    const again = (await s.control.rerun(context, child, { from: ['fit'], params: {} })).run;
    assert.deepEqual((await s.service.run(again)).inputs, inputs);
    const { run: reproduced } = await s.records.reproduce(context, child);
    assert.deepEqual((await s.service.run(reproduced)).inputs, inputs);
  });

  test('a pipeline with inputs is started with what an earlier run wrote, or refused with what it needs', async (t) => {
    const s = await openNested(t, open);
    await s.apply({ inner: { ...INNER, inputs: { ...INNER.inputs, best: { type: 'file' } } }, outer: OUTER });
    const run = await s.run('outer');
    while ((await s.work()).length > 0);
    const asked = (inputs: Readonly<Record<string, string>>) =>
      s.service.startRun(context, { pipeline: 'inner', inputs, cause: { kind: 'user', id: 'user:ada', depth: 0 } });
    const started = await asked({ data: `run:${run}/prep.rows`, best: `run:${run}/train.fit.model` });
    assert.deepEqual(
      Object.values(started.inputs).map(({ from }) => from),
      ['outer/prep.rows', 'outer/train.fit.model'],
    );
    const refused = (inputs: Readonly<Record<string, string>>, message: RegExp) =>
      assert.rejects(asked(inputs), (error: Error) => {
        assert.match(error.message, message);
        return true;
      });
    await refused({}, /pipeline 'inner': inputs\.data is required: give a file, it has no default/);
    await refused(
      { rows: 'dataset:x' },
      /inputs\.rows is given, and the pipeline declares no such input \(.*data, best\)/,
    );
    await refused(
      { data: `run:${run}/prep.side` },
      /has no output 'prep\.side' \(it has: prep\.rows, train\.fit\.model\)/,
    );
    await refused({ data: 'run:nobody/a.b' }, /there is no run 'nobody'/);
    await refused({ data: 'dataset:x' }, /inputs\.data is 'dataset:x': expected file, found dataset/);
    await refused({ data: '../x' }, /expected <kind>:<name>/);
  });

  test('a result that is not there fails the step that reads it, with the place', async (t) => {
    const s = await openNested(t, open);
    await s.apply({
      p: { steps: [program('a'), { name: 'b', command: command('b'), inputs: { x: 'result:a.no.where' } }] },
    });
    const run = await s.run('p');
    await s.work();
    assert.equal(await s.shown(run), 'failed: a succeeded, b failed');
    assert.match((await s.service.run(run)).reason ?? '', /'b' failed: result:a\.no\.where: the step returned nothing/);
  });

  test('what does not fit is refused when either pipeline is declared, by the path of the input', async (t) => {
    const s = await openNested(t, open);
    const refused = async (pipelines: Readonly<Record<string, Spec>>, message: RegExp): Promise<void> => {
      await assert.rejects(s.apply(pipelines), (error: Error) => {
        assert.match(error.message, message);
        return true;
      });
    };
    await s.apply({ inner: INNER, outer: OUTER });
    const train = (inputs: Spec, more: Spec = {}) => ({
      outer: { ...more, steps: [program('prep', { outputs: ['rows'] }), nested('train', 'inner', { inputs })] },
    });
    const both = { data: 'prep.rows', best: 'result:prep' };
    await refused(train({ data: 'prep.rows' }), /steps\.train\.inputs\.best is required by pipeline 'inner'/);
    await refused(
      train({ ...both, best: 'prep.rows' }),
      /steps\.train\.inputs\.best: expected json, as pipeline 'inner' declares, and 'prep\.rows' is file/,
    );
    await refused(train({ ...both, data: 'dataset:flights' }), /expected file, .* and 'dataset:flights' is dataset/);
    await refused(train({ ...both, more: 'prep.rows' }), /declares no input 'more' \(it declares: data, best\)/);
    await refused(train({ ...both, data: 'input:rows' }), /declares no input 'rows' \(it declares: none\)/);
    await refused(train({ ...both, data: 'prep.other' }), /step 'prep' declares no output 'other'/);
    await refused(train({ ...both, best: 'result:nobody' }), /there is no step 'nobody'/);
    await refused(
      train({ ...both, data: 'input:rows' }, { inputs: { rows: { type: 'files' } } }),
      /steps\.train\.inputs\.data: expected file, .* 'input:rows' is files/,
    );
    await refused(
      { inner: { ...INNER, inputs: { data: { type: 'file' }, best: { type: 'dataset' } } } },
      /pipeline 'outer': steps\.train\.inputs\.best: expected dataset/,
    );
    await refused(
      { inner: { ...INNER, inputs: { ...INNER.inputs, data: { default: 'dataset:flights' } } } },
      /inputs\.data\.default: expected file:<name>, as the type is file/,
    );
    await refused(
      { inner: { ...INNER, inputs: { ...INNER.inputs, data: { type: '../etc' } } } },
      /inputs\.data\.type: expected file, directory, files, directories, json or the kind of a reference/,
    );
    await s.apply(train(both));
  });
});
