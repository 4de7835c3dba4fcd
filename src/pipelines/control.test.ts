import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Context } from '#platform/db';
import { forEachDialect } from '#testing/databases';
import { pipelineMigrations } from './index.ts';
import { command, DIAMOND, names, openPipelines } from './testing.ts';

const as = (action: string, id = 'user:ada'): Context => ({ actor: { id, roles: ['admin'] }, action });

forEachDialect('Control of runs', pipelineMigrations, (open) => {
  test('a failed run is resumed from what failed, with its declaration, and the rest is taken over', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(DIAMOND.map((step) => ({ ...step, retries: 0, cache: false })));
    const run = await p.start();
    await p.succeed((await p.lease())[0]!);
    for (const attempt of await p.lease()) await (attempt.step === 'b' ? p.fail(attempt) : p.succeed(attempt));
    assert.equal((await p.service.run(run)).status, 'failed');
    await p.declare([{ name: 'other', command: command('other') }]);

    const resumed = await p.control.resume(as('pipeline-run.resume'), run);
    const [b] = await p.lease();
    assert.equal(b?.step, 'b');
    assert.deepEqual(b.inputs, { x: await p.put('a.x') });
    await p.succeed(b);
    const [d] = await p.lease();
    await p.succeed(d!);

    const done = await p.service.run(resumed.run);
    assert.deepEqual([done.status, done.origin, done.generation], ['succeeded', run, 1]);
    assert.deepEqual(
      done.steps.map(({ step, status, cachedFrom }) => [step, status, cachedFrom]),
      [
        ['a', 'cached', run],
        ['b', 'succeeded', null],
        ['c', 'cached', run],
        ['d', 'succeeded', null],
      ],
    );
    assert.deepEqual(Object.keys(done.outputs), ['a.x', 'b.y', 'd.z']);
    const refused = { code: 'pipelines/run-not-so' };
    await assert.rejects(p.control.resume(as('pipeline-run.resume'), resumed.run), refused);
    assert.equal((await p.service.run(run)).status, 'failed', 'a final run does not change');
  });

  test('a run is done again from a step with other parameters, as it is declared now', async (t) => {
    const p = await openPipelines(t, open);
    const steps = (word: string) => [
      { name: 'a', command: command('a'), outputs: ['x'] },
      { name: 'b', command: command(word), inputs: { x: 'a.x' }, params: { n: '${params.n}' } },
      { name: 'c', command: command('c'), needs: ['b'] },
    ];
    const params = { n: { type: 'integer', default: 1 } };
    await p.declare(steps('old'), { params });
    const run = await p.start();
    for (let i = 0; i < 3; i++) for (const attempt of await p.lease()) await p.succeed(attempt);
    await p.declare(steps('new'), { params });

    const again = await p.control.rerun(as('pipeline-run.rerun'), run, { from: ['b'], params: { n: 2 } });
    const [b] = await p.lease();
    assert.deepEqual([b?.step, b?.command, b?.params], ['b', command('new'), { n: 2 }]);
    await p.succeed(b!);
    assert.deepEqual(names(await p.lease()), ['c']);
    assert.deepEqual([again.origin, again.params, again.generation], [run, { n: 2 }, 2]);
    const rerun = (from: string[], given = {}) =>
      p.control.rerun(as('pipeline-run.rerun'), run, { from, params: given });
    await assert.rejects(rerun(['none']), { code: 'pipelines/step-not-found' });
    await assert.rejects(rerun(['b'], { n: 'x' }), { code: 'pipelines/invalid-params' });
    await assert.rejects(p.control.resume(as('pipeline-run.resume'), again.run), { code: 'pipelines/run-not-so' });
  });

  test('a paused run goes on with what runs, starts nothing, and continues when it is told', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(DIAMOND);
    const run = await p.start();
    const [a] = await p.lease();
    await p.control.setPaused(as('pipeline-run.pause'), run, true);

    assert.equal((await p.service.heartbeat(a!.attempt, { epoch: 1 })).cancel, false);
    await p.succeed(a!);
    assert.deepEqual(await p.lease(), []);
    await assert.rejects(p.control.setPaused(as('pipeline-run.pause'), run, true), { code: 'pipelines/run-not-so' });
    const other = await p.start();
    assert.ok((await p.service.run(other)).pausedAt === null);
    const waiting = p.service.lease({ worker: 'w9', slots: 8, labels: {}, waitMs: 10_000 });
    await p.clock.advance(100);
    await p.control.setPaused(as('pipeline-run.unpause'), run, false);
    assert.deepEqual(
      names(await waiting).sort(),
      ['b', 'b', 'c', 'c'].filter((name, i, all) => all.indexOf(name) === i),
    );
  });

  test('a paused run is cancelled like any other', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(DIAMOND);
    const run = await p.start();
    await p.control.setPaused(as('pipeline-run.pause'), run, true);

    assert.equal((await p.service.cancelRun(as('pipeline-run.cancel'), run)).status, 'cancelled');
  });

  test('a step waits for a person who did not start the run, and the audit log names them', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([
      { name: 'a', command: command('a'), cache: false },
      { name: 'ok', approval: { message: 'ship it?', independent: true }, needs: ['a'] },
      { name: 'ship', command: command('ship'), needs: ['ok'], cache: false },
    ]);
    const decide = (run: string, id: string, approve: boolean) =>
      p.control.decide(as('pipeline-step.decide', id), { run, step: 'ok' }, { approve, reason: 'looked' });
    const runs: string[] = [];
    for (const _ of ['approved', 'rejected', 'forgotten']) {
      runs.push(await p.start());
      await p.succeed((await p.lease())[0]!);
    }
    const [approved, rejected, forgotten] = runs as [string, string, string];
    assert.deepEqual(await p.lease(), []);
    assert.equal((await p.events('pipeline.step-waiting')).length, 3);

    await assert.rejects(decide(approved, 'user:ada', true), { code: 'pipelines/own-run' });
    await decide(approved, 'user:bob', true);
    await assert.rejects(decide(approved, 'user:bob', false), { code: 'pipelines/run-not-so' });
    assert.deepEqual(names(await p.lease()), ['ship']);
    await decide(rejected, 'user:bob', false);
    const refused = await p.service.run(rejected);
    assert.deepEqual(
      [refused.status, ...refused.steps.map(({ status }) => status)],
      ['failed', 'succeeded', 'failed', 'skipped'],
    );
    assert.equal(refused.steps[1]?.reason, 'rejected by user:bob: looked');
    await p.clock.advance(14 * 86_400_000);
    await p.control.tend();
    assert.equal((await p.service.run(forgotten)).steps[1]?.reason, 'nobody decided in time');
    const decisions = (await p.audit()).filter(
      ({ action, detail }) => action === 'pipeline-step.decide' && 'step' in (detail as object),
    );
    assert.deepEqual(decisions.map(({ actor }) => actor).sort(), ['system:pipelines', 'user:bob', 'user:bob']);
  });

  test('a step waits for so long, or until a time that a parameter says', async (t) => {
    const p = await openPipelines(t, open);
    const steps = [
      { name: 'pause', wait: { for: '1h' } },
      { name: 'embargo', wait: { until: '${params.at}' }, needs: ['pause'] },
      { name: 'go', command: command('go'), needs: ['embargo'] },
    ];
    await p.declare(steps, { params: { at: { type: 'timestamp' } } });
    await p.start({ at: new Date(p.clock.now() + 7_200_000).toISOString() });

    const leasedAfter = async (ms: number) => {
      await p.clock.advance(ms);
      await p.control.tend();
      return names(await p.lease());
    };
    assert.deepEqual(await leasedAfter(3_599_999), []);
    assert.deepEqual(await leasedAfter(1), []);
    assert.deepEqual(await leasedAfter(3_599_999), []);
    assert.deepEqual(await leasedAfter(1), ['go']);
  });

  test('a step whose condition is not met is skipped with what needs it, and the run succeeds', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(
      [
        { name: 'check', command: command('check'), cache: false },
        { name: 'retrain', command: command('r'), needs: ['check'], when: { of: 'check.step', equals: 'drift' } },
        { name: 'register', command: command('g'), needs: ['retrain'] },
        { name: 'report', command: command('p'), needs: ['check'], when: { of: 'params.n', atLeast: 2 } },
      ],
      { params: { n: { type: 'integer', default: 2 } } },
    );
    const run = await p.start();
    await p.succeed((await p.lease())[0]!);
    const rest = await p.lease();
    await p.succeed(rest[0]!);

    const done = await p.service.run(run);
    assert.deepEqual(names(rest), ['report']);
    assert.deepEqual(
      [done.status, ...done.steps.map(({ status }) => status)],
      ['succeeded', 'succeeded', 'skipped', 'skipped', 'succeeded'],
    );
    assert.equal(done.steps[1]?.reason, 'its condition is not met: check.step is "check", expected "drift"');
  });

  test('a run that should have ended is told to be late once, goes on, and is told to have recovered', async (t) => {
    const p = await openPipelines(t, open);
    const [one] = DIAMOND;
    await p.declare([{ ...one, cache: false }], { expected: '10m', sla: '1h', concurrency: { runs: 1 } });
    const earlier = await p.start();
    await p.clock.advance(1_000);
    await p.succeed((await p.lease())[0]!);
    assert.equal((await p.service.run(earlier)).eta, null, 'it is over');
    const [first, second] = [await p.start(), await p.start()];
    const [attempt] = await p.lease();
    const { eta } = await p.service.run(first);
    assert.deepEqual([eta?.runs, eta?.unknown], [1, 0]);

    await p.clock.advance(600_000);
    for (let i = 0; i < 2; i++) await p.control.tend();
    assert.deepEqual(
      (await p.events('pipeline.run-late')).map(({ data }) => (data as { run: string }).run),
      [first],
    );
    await p.clock.advance(3_000_000);
    await p.control.tend();
    const late = (await p.events('pipeline.run-late')).map(({ data }) => data as { run: string; status: string });
    assert.deepEqual(
      late.map(({ run, status }) => [run, status]).sort(),
      [
        [first, 'running'],
        [second, 'queued'],
      ].sort(),
    );

    await p.succeed(attempt!);
    const [recovered, ...others] = await p.events('pipeline.run-recovered');
    assert.deepEqual(recovered?.data, { run: first, pipeline: 'p', status: 'succeeded', lateMs: 3_000_000 });
    assert.deepEqual(others, []);
    assert.equal((await p.service.run(earlier)).lateSince, null);
  });
});
