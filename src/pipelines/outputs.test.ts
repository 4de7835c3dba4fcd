import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '#core/hash';
import { collectGarbage } from '#platform/blobs';
import { forEachDialect } from '#testing/databases';
import { pipelineMigrations } from './index.ts';
import { nested, openNested, program } from './nested/testing.ts';
import { Plans } from './plan/service.ts';
import { pipelineSpec } from './spec.ts';
import { cause, command, context, openPipelines, worker } from './testing.ts';

const DAY_MS = 86_400_000;
const STEPS = [
  program('fit', { outputs: ['model/', 'notes.txt'] }),
  program('score', { inputs: { model: 'fit.model' }, outputs: ['report'] }),
];

test('a directory is declared with a slash and read without it', () => {
  const issuesOf = (...steps: readonly object[]) =>
    pipelineSpec.safeParse({ steps }).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];

  assert.deepEqual(issuesOf(...STEPS), []);
  assert.deepEqual(issuesOf(STEPS[0]!, program('b', { inputs: { x: 'fit.model/' } })), [
    "steps.1.inputs.x: step 'fit' declares no output 'model/' (it declares: model, notes.txt)",
  ]);
  assert.match(issuesOf(program('a', { outputs: ['model', 'model/'] }))[0] ?? '', /^steps\.0\.outputs: 'model' and/);
  for (const output of ['/', '//', 'a//', '../', './', 'a/b/', 'a/b', '/a']) {
    assert.equal(issuesOf(program('a', { outputs: [output] })).length, 1, output);
  }
});

forEachDialect('Outputs that are directories', pipelineMigrations, (open) => {
  test('go from step to step by digest, are cached, and come out the same when they are reproduced', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(STEPS);
    const run = await p.start();
    const [fit] = await p.lease();
    assert.deepEqual(fit?.outputs, ['model/', 'notes.txt']);
    await p.succeed(fit!);
    const [score] = await p.lease();
    const made = await p.putDirectory({ 'a/b.txt': 'fit.model' });
    assert.deepEqual(score?.inputs, { model: made });
    assert.deepEqual(made.directory, { files: 1, bytes: 9 });
    await p.succeed(score!);

    const done = await p.service.run(run);
    assert.deepEqual(done.outputs['fit.model'], made);
    const again = await p.service.run(await p.start());
    assert.deepEqual([again.steps.map(({ status }) => status), again.outputs], [['cached', 'cached'], done.outputs]);

    const { run: reproduced } = await p.records.reproduce(context, run);
    for (let left = 2; left > 0; left--) for (const attempt of await p.lease()) await p.succeed(attempt);
    assert.equal((await p.records.compare(reproduced)).same, true);
  });

  test('are kept with all their files while anything refers to them', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(STEPS);
    await p.start();
    for (let left = 2; left > 0; left--) for (const attempt of await p.lease()) await p.succeed(attempt);
    const orphan = await p.putDirectory({ x: 'of a step that failed' });

    await collectGarbage({ db: p.db, blobs: p.blobs, now: Date.now() + 10 * DAY_MS, dryRun: false });

    const kept = [digestOf('fit.model'), (await p.putDirectory({ 'a/b.txt': 'fit.model' })).digest];
    assert.deepEqual(await Promise.all(kept.map((digest) => p.blobs.has(digest))), [true, true]);
    const gone = [digestOf('of a step that failed'), orphan.digest];
    assert.deepEqual(await Promise.all(gone.map((digest) => p.blobs.has(digest))), [false, false]);
  });

  test('that are not what was declared fail the step, and a forged one is not taken', async (t) => {
    const p = await openPipelines(t, open);
    const report = async (outputs: Readonly<Record<string, object>>) => {
      const run = await p.start();
      const [attempt] = await p.lease();
      const { attempt: id, epoch } = attempt!;
      const body = { status: 'succeeded', epoch, outputs } as Parameters<typeof p.service.finish>[2];
      await p.service.finish(worker, id, body).catch(async (error: Error) => {
        await p.fail(attempt!);
        throw error;
      });
      return (await p.service.run(run)).steps[0]?.reason;
    };
    const directory = await p.putDirectory({ 'a.txt': 'x' });
    const file = await p.put('x');
    await p.declare([program('a', { outputs: ['model/'], cache: false })]);
    assert.equal(await report({ model: file }), 'missing-output: not written: model/ (it is a file)');
    assert.equal(await report({ other: directory }), 'missing-output: not written: model');
    const forged = await p.put(JSON.stringify({ kind: 'directory', files: [{ path: '../x', ...file }] }));
    const refused = { code: 'pipelines/output-missing' };
    await assert.rejects(report({ model: { ...forged, directory: { files: 1, bytes: 1 } } }), refused);
    await assert.rejects(report({ model: { ...directory, directory: { files: 9, bytes: 9 } } }), refused);
    await p.declare([program('a', { outputs: ['model'], cache: false })]);
    assert.equal(await report({ model: directory }), 'missing-output: not written: model (it is a directory)');
  });

  test('of units are a list of directories, in a run and in a plan', async (t) => {
    const p = await openPipelines(t, open);
    const each = { name: 'each', command: command('each'), outputs: ['part/'], map: { count: 2 } };
    await p.declare([each, program('all', { inputs: { parts: 'each.part' } })]);
    const run = await p.start();
    for (const attempt of await p.lease()) await p.succeed(attempt);
    const [all] = await p.lease();
    const { digest, manifest } = all!.inputs['parts']!;
    const { blobs } = JSON.parse(Buffer.from(await p.blobs.read(digest)).toString());
    assert.equal(manifest, true);
    assert.deepEqual(
      blobs.map(({ unit, directory }: { unit: string; directory?: boolean }) => [unit, directory]),
      [
        ['each:0', true],
        ['each:1', true],
      ],
    );
    await p.succeed(all!);
    assert.deepEqual((await p.records.view(run)).record.steps[0]?.outputs['part']?.units, 2);
    const plan = await new Plans({ ...p.deps, blobs: p.blobs }).plan(context, { pipeline: 'p', params: {} });
    assert.deepEqual(
      plan.steps.map(({ outcome }) => outcome),
      ['cached', 'cached'],
    );
    assert.equal((await p.service.run(await p.start())).status, 'succeeded', 'all of it is in the cache');
  });

  test('are handed to pipelines inside and taken from them, and to whoever declares a directory only', async (t) => {
    const s = await openNested(t, open);
    const inner = {
      inputs: { model: { type: 'directory' } },
      steps: [program('score', { inputs: { m: 'input:model' }, outputs: ['report/'] })],
    };
    const outer = (inputs: object, outputs: readonly string[] = ['score.report/']) => ({
      steps: [
        STEPS[0]!,
        nested('inside', 'inner', { inputs, outputs }),
        program('after', { inputs: { report: 'inside.score.report' } }),
      ],
    });
    await s.apply({ inner, outer: outer({ model: 'fit.model' }) });
    const run = await s.run('outer');
    while ((await s.work()).length > 0);
    const done = await s.service.run(run);
    assert.equal(await s.shown(run), 'succeeded: fit succeeded, inside succeeded, after succeeded');
    assert.deepEqual(done.outputs['inside.score.report'], await s.putDirectory({ 'a/b.txt': 'score.report' }));

    const refused = (spec: object, message: RegExp) => assert.rejects(s.apply({ outer: { ...spec } }), { message });
    await refused(outer({ model: 'fit.notes.txt' }), /expected directory, .* and 'fit\.notes\.txt' is file/);
    await refused(
      outer({ model: 'fit.model' }, ['score.report']),
      /no output 'score\.report' .*it has: score\.report\//,
    );

    const given = (text: string) =>
      s.service.startRun(context, { pipeline: 'inner', inputs: { model: text }, cause: { ...cause } });
    const started = await given(`run:${run}/fit.model`);
    assert.deepEqual(started.inputs['model']?.directory, { files: 1, bytes: 9 });
    await assert.rejects(given(`run:${run}/fit.notes.txt`), { message: /expected directory, found file/ });
  });
});
