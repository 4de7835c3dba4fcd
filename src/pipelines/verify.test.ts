import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import type { LeasedAttempt } from './contract.ts';
import { pipelineMigrations } from './index.ts';
import { command, context, DIAMOND, names, openPipelines, worker } from './testing.ts';

const verifying = { ...context, action: 'pipeline-cache.verify' };
const ANY = { steps: [], sample: 50 };

forEachDialect('Verification of the cache', pipelineMigrations, (open) => {
  test('cached steps are done again with the inputs that they had, and what differs is told', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(DIAMOND);
    const first = await p.start();
    for (let i = 0; i < 3; i++) for (const attempt of await p.lease()) await p.succeed(attempt);
    const hits = await p.start();
    await assert.rejects(p.control.verify(verifying, first, ANY), { code: 'pipelines/run-not-so' });

    const { run, origin, verifies } = await p.control.verify(verifying, hits, ANY);
    assert.deepEqual([origin, verifies], [hits, hits]);
    const leased = await p.lease();
    assert.deepEqual(names(leased).sort(), ['a', 'b', 'c', 'd'], 'none waits for another');
    const d = leased.find(({ step }) => step === 'd') as LeasedAttempt;
    assert.deepEqual(d.inputs, { y: await p.put('b.y') });
    for (const attempt of leased) if (attempt !== d) await p.succeed(attempt);
    const other = { z: await p.put('something else') };
    await p.service.finish(worker, d.attempt, { status: 'succeeded', epoch: 1, outputs: other, result: { step: 'd' } });

    const found = (await p.service.run(run)).steps.map(({ step, verification }) => [step, verification?.differences]);
    assert.deepEqual(found.sort(), [
      ['a', []],
      ['b', []],
      ['c', []],
      ['d', ['z']],
    ]);
    const verdicts = (await p.service.run(first)).steps.map(({ verification }) => verification?.equal);
    assert.deepEqual(verdicts, [true, true, true, false], 'also at the run that did the work');
    const { verification } = await p.service.explainCache(hits, 'd');
    assert.deepEqual([verification?.run, verification?.of], [run, { run: hits, step: 'd' }]);
    assert.deepEqual(
      (await p.events('pipeline.cache-differs')).map(({ data }) => (data as { step: string }).step),
      ['d'],
    );
    const later = await p.service.run(await p.start());
    assert.deepEqual(later.steps[3]?.outputs, { z: await p.put('d.z') }, 'the cache keeps what it had');
  });

  test('a named step and units are compared too, a sample is no larger than it was asked to be', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'fit', command: command('fit'), map: { count: 3 }, outputs: ['m'] }]);
    const first = await p.start();
    for (const attempt of await p.lease()) await p.succeed(attempt);
    const hits = await p.start();

    const { run: sampled } = await p.control.verify(verifying, hits, { steps: [], sample: 2 });
    assert.equal((await p.lease()).length, 2);
    await p.service.cancelRun(context, sampled);
    await assert.rejects(p.control.verify(verifying, first, { steps: ['fit'], sample: 1 }), {
      code: 'pipelines/run-not-so',
    });
    const { run } = await p.control.verify(verifying, first, { steps: ['fit:1'], sample: 1 });
    const [unit] = await p.lease();
    assert.equal(unit?.step, 'fit-1');
    const outputs = { m: await p.put('fit:1.m') };
    await p.service.finish(worker, unit.attempt, { status: 'succeeded', epoch: 1, outputs, result: 'another' });

    assert.deepEqual((await p.service.run(run)).steps[0]?.verification, {
      ...{ run, step: 'fit-1', of: { run: first, step: 'fit:1' } },
      ...{ at: p.clock.now(), equal: false, differences: ['result'] },
    });
  });
});
