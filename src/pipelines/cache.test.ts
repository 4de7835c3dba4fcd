import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import { pipelineMigrations } from './index.ts';
import { command, openPipelines } from './testing.ts';

const HOUR_MS = 3_600_000;

forEachDialect('The age of cached work', pipelineMigrations, (open) => {
  test('work that is older than a step takes is done again, and is what the cache has from then on', async (t) => {
    const p = await openPipelines(t, open);
    const declare = (cache: unknown) => p.declare([{ name: 'a', command: command('a'), outputs: ['x'], cache }]);
    const begin = async () => p.service.run(await p.start());
    await declare({ maxAge: '2h' });
    const first = await begin();
    await p.succeed((await p.lease())[0]!, ' of the first');
    await p.clock.advance(2 * HOUR_MS);
    const hit = await begin();
    assert.equal(hit.steps[0]?.cachedFrom, first.run, 'two hours are not more than two hours');

    await p.clock.advance(1);
    const second = await begin();
    assert.equal(second.status, 'queued');
    const why = await p.service.explainCache(second.run, 'a');
    assert.deepEqual([why.outcome, why.differences], ['miss', []]);
    assert.match(why.text, /older than its maxAge/);
    await p.succeed((await p.lease())[0]!, ' of the second');

    await declare(true);
    const third = await begin();
    assert.equal(third.steps[0]?.cachedFrom, second.run);
    assert.deepEqual(third.outputs, (await p.service.run(second.run)).outputs);
    const taken = await p.service.explainCache(hit.run, 'a');
    assert.deepEqual(
      [taken.outcome, taken.other?.run],
      ['hit', first.run],
      'newer work does not change what was taken',
    );
    assert.match(taken.text, new RegExp(first.run));
  });

  test('each unit of a step is as old as its own work', async (t) => {
    const p = await openPipelines(t, open);
    const begin = async (items: readonly number[]) => {
      await p.declare([{ name: 'a', command: command('a'), map: { items }, cache: { maxAge: '2h' } }]);
      return p.start();
    };
    await begin([1]);
    for (const unit of await p.lease()) await p.succeed(unit);
    await p.clock.advance(HOUR_MS);
    await begin([1, 2]);
    for (const unit of await p.lease()) await p.succeed(unit);
    await p.clock.advance(HOUR_MS + 1);

    const { units } = (await p.service.run(await begin([1, 2]))).steps[0]!;
    assert.deepEqual([units?.cached, units?.queued], [1, 1]);
  });
});
