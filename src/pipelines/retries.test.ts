import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import { pipelineMigrations } from './index.ts';
import { leaseExpiryJob } from './jobs.ts';
import { backoffSpec, retriesSpec } from './retries.ts';
import type { StepErrorKind } from './step-errors.ts';
import { command, openPipelines } from './testing.ts';

test('numbers of retries and pauses are checked, by class too', () => {
  const refused = (given: unknown) => retriesSpec.safeParse(given).error?.issues[0]?.message;
  assert.deepEqual(retriesSpec.parse({ timeout: 0, default: 5 }), { timeout: 0, default: 5 });
  assert.equal(retriesSpec.parse(undefined), 2);
  assert.match(refused({ 'missing-output': 3 }) ?? '', /missing-output/);
  assert.match(refused({ timeout: 21 }) ?? '', /<=20/);
  assert.match(refused('often') ?? '', /by class: default, threw, exit-code/);
  assert.deepEqual(backoffSpec.parse({ first: '30s' }), { first: '30s', max: '1m' });
  assert.match(backoffSpec.safeParse({ first: '2h', max: '3h' }).error?.issues[0]?.message ?? '', /from 1ms to 1h/);
  assert.match(backoffSpec.safeParse({ first: '5m' }).error?.issues[0]?.message ?? '', /less than first/);
});

forEachDialect('Retries', pipelineMigrations, (open) => {
  test('how a step failed decides how often it is tried again', async (t) => {
    const p = await openPipelines(t, open);
    const ended = async (retries: unknown, kinds: readonly StepErrorKind[]) => {
      await p.declare([{ name: 'a', command: command('a'), retries }]);
      const run = await p.start();
      for (const kind of kinds) {
        const [attempt] = await p.lease();
        assert.ok(attempt, `an attempt before '${kind}'`);
        await p.fail(attempt, kind);
        await p.clock.advance(60_000);
      }
      return (await p.service.run(run)).status;
    };
    assert.equal(await ended({ timeout: 0 }, ['timeout']), 'failed');
    assert.equal(await ended({ timeout: 0 }, ['threw', 'threw', 'threw']), 'failed', 'twice by default');
    assert.equal(await ended({ default: 0, killed: 2 }, ['killed', 'killed', 'exit-code']), 'failed');
    assert.equal(await ended({ default: 0, killed: 3 }, ['killed', 'killed', 'killed']), 'running');
  });

  test('units of a step have its policy', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a'), map: { count: 1 }, retries: { threw: 0, timeout: 1 } }]);
    const run = await p.start();
    await p.fail((await p.lease())[0]!, 'timeout');
    await p.clock.advance(1_000);
    await p.fail((await p.lease())[0]!, 'threw');
    assert.equal((await p.service.run(run)).status, 'failed');
  });

  test('a declared pause is kept, also when clocks are looked after, and not after the clock was set', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a'), backoff: { first: '40m', max: '40m' } }]);
    const run = await p.start();
    const look = leaseExpiryJob(p.service, p.clock);
    const readyInMs = async () => ((await p.service.run(run)).steps[0]!.readyAt ?? 0) - p.clock.now();
    // The pause is drawn by chance: one that is longer than those of steps that declare none comes before long.
    do {
      await p.fail((await p.lease())[0]!);
      if ((await readyInMs()) > 60_000) break;
      await p.clock.advance(60_000);
    } while ((await p.service.run(run)).status === 'running');

    const pauseMs = await readyInMs();
    assert.ok(pauseMs > 60_000 && pauseMs <= 2_400_000, `${pauseMs}`);
    await look.run(new AbortController().signal);
    assert.equal(await readyInMs(), pauseMs);
    assert.deepEqual(await p.lease(), []);
    p.clock.set(-3_600_000);
    await look.run(new AbortController().signal);
    assert.ok((await readyInMs()) <= 0, 'no pause is as long as an hour and this');
  });
});
