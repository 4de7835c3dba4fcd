import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KedgeError } from '#core/errors';
import { forEachDialect } from '#testing/databases';
import type { Artifact } from './contract.ts';
import { pipelineMigrations } from './index.ts';
import { cause, command, context, DIAMOND, names, openPipelines, worker } from './testing.ts';

const NEEDS: Readonly<Record<string, readonly string[]>> = { a: [], b: ['a'], c: ['a'], d: ['b', 'c'] };

forEachDialect('Pipelines', pipelineMigrations, (open) => {
  test('a run goes through its graph, passing outputs on by digest, and ends with all of them', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(DIAMOND);
    const run = await p.start();

    const first = await p.lease();
    await p.succeed(first[0]!);
    const second = await p.lease();
    for (const attempt of second) await p.succeed(attempt);
    const third = await p.lease();
    await p.succeed(third[0]!);

    const done = await p.service.run(run);
    assert.deepEqual([names(first), names(second), names(third)], [['a'], ['b', 'c'], ['d']]);
    assert.deepEqual(second[0]?.inputs, { x: await p.put('a.x') });
    assert.equal(done.status, 'succeeded');
    assert.deepEqual(done.outputs, {
      'a.x': await p.put('a.x'),
      'b.y': await p.put('b.y'),
      'd.z': await p.put('d.z'),
    });
    const [finished, ...more] = await p.events('pipeline.run-finished');
    assert.deepEqual(more, []);
    assert.deepEqual(finished?.data, {
      run,
      pipeline: 'p',
      generation: 1,
      project: null,
      status: 'succeeded',
      cause,
      reason: null,
      verifies: null,
      outputs: done.outputs,
    });
    assert.equal((await p.events('pipeline.run-started')).length, 1);
    assert.deepEqual((await p.events('pipeline.step-finished')).length, 4);
  });

  test('starting and ending are in the audit log, by who did them', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a') }]);
    const run = await p.start();
    const [attempt] = await p.lease();
    await p.succeed(attempt!);

    const entries = (await p.audit()).filter((entry) => entry.subject === `pipeline-run/${run}`).reverse();
    assert.deepEqual(
      entries.map(({ actor, action }) => [actor, action]),
      [
        ['user:ada', 'pipeline-run.start'],
        ['system:worker', 'pipeline-step.finish'],
        ['system:worker', 'pipeline-step.finish'],
      ],
    );
    const details = entries.map((entry) => entry.detail as Record<string, unknown>);
    assert.ok(details.some((detail) => detail['finished'] === 'succeeded'));
  });

  test('a run keeps the declaration it was started with', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('old') }]);
    const run = await p.start();
    await p.declare([{ name: 'other', command: command('new') }]);

    const [attempt] = await p.lease();

    assert.deepEqual(attempt?.command, command('old'));
    assert.equal((await p.service.run(run)).generation, 1);
    assert.equal((await p.service.run(await p.start())).generation, 2);
  });

  test('parameters that do not fit are refused with their paths, and nothing is started', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a'), params: { d: '${params.depth}' } }], {
      params: { depth: { type: 'integer' } },
    });

    await assert.rejects(p.start({ depth: 'deep' }), (error: KedgeError) => {
      assert.equal(error.code, 'pipelines/invalid-params');
      assert.deepEqual(error.fields, [{ path: 'params.depth', message: 'expected an integer, found "deep"' }]);
      return true;
    });
    await assert.rejects(p.service.startRun(context, { pipeline: 'none', cause }), { code: 'pipelines/not-found' });
    assert.deepEqual((await p.service.runs({ limit: 10 })).items, []);
    const run = await p.start({ depth: 3 });
    assert.deepEqual((await p.lease())[0]?.params, { d: 3 });
    assert.deepEqual((await p.service.run(run)).params, { depth: 3 });
  });

  test('a run can be started inside the transaction of another domain, and vanishes with it', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a') }]);

    const undone = p.db.transact(context, async (tx) => {
      await p.service.startRunIn(tx, { pipeline: 'p', cause });
      throw new Error('undone');
    });
    await assert.rejects(undone, /undone/);
    assert.deepEqual((await p.service.runs({ limit: 10 })).items, []);

    const { run } = await p.db.transact(context, (tx) => p.service.startRunIn(tx, { pipeline: 'p', cause }));
    assert.equal((await p.service.run(run)).status, 'queued');
  });

  test('outputs that are not stored, or are not all of the declared ones, do not count', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a'), outputs: ['x', 'y'] }]);
    const run = await p.start();
    const [attempt] = await p.lease();
    const { attempt: id, epoch } = attempt!;
    const stored = await p.put('content');
    const absent = { digest: `sha256:${'0'.repeat(64)}`, bytes: 1 } as const;
    const report = (outputs: Record<string, Artifact>) =>
      p.service.finish(worker, id, { status: 'succeeded', epoch, outputs });

    await assert.rejects(report({ x: stored, y: absent }), { code: 'pipelines/output-missing' });
    await assert.rejects(report({ x: stored, y: { ...stored, bytes: 1 } }), { code: 'pipelines/output-missing' });
    assert.equal(await report({ x: stored }), 'failed');

    const { steps, reason } = await p.service.run(run);
    assert.equal(reason, "step 'a' failed: missing-output: not written: y");
    assert.equal(steps[0]?.attempts[0]?.error?.kind, 'missing-output');
  });

  test('a report brings what is ready then with its answer, once, and no more than is asked for', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(
      DIAMOND.map((step) => ({ ...step, outputs: [], inputs: {}, needs: NEEDS[step['name'] as string] })),
    );
    await p.start();
    const [a] = await p.lease();
    const next = { worker: 'w1', instance: 'w1', slots: 1, labels: {}, resources: {} };
    const report = { status: 'succeeded', epoch: 1, outputs: {}, next } as const;
    const finish = (attempt: string, body: Parameters<typeof p.service.finishAndLease>[2] = report) =>
      p.service.finishAndLease(worker, attempt, body);

    await assert.rejects(finish(a!.attempt, { ...report, epoch: 2 }), { code: 'pipelines/stale-attempt' });
    const first = await finish(a!.attempt);
    const again = await finish(a!.attempt);
    const unasked = await finish(first.attempts[0]!.attempt, { ...report, next: undefined });

    assert.deepEqual([first.status, names(first.attempts)], ['succeeded', ['b']]);
    assert.deepEqual(again, { status: 'succeeded', attempts: [] });
    assert.deepEqual(unasked, { status: 'succeeded', attempts: [] });
    const [c] = await p.lease();
    const last = await finish(c!.attempt);
    assert.deepEqual([c?.step, names(last.attempts)], ['c', ['d']]);
    assert.equal(await p.leave('w1'), 1, 'what came with an answer is held as any lease is');
  });

  test('equal work is done once: a twin waits for it, and does it itself when the first fails', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a'), outputs: ['x'], retries: 0 }]);
    const [one, two] = [await p.start(), await p.start()];

    const leased = await p.lease();
    assert.equal(leased.length, 1);
    assert.deepEqual(await p.lease('w2'), []);
    await p.fail(leased[0]!);
    const [again] = await p.lease('w2');
    assert.equal(again?.run, two);
    const three = await p.start();
    assert.deepEqual(await p.lease(), []);
    await p.succeed(again!);

    const [first, second, third] = [await p.service.run(one), await p.service.run(two), await p.service.run(three)];
    assert.deepEqual([first.status, second.status, third.status], ['failed', 'succeeded', 'succeeded']);
    assert.deepEqual([third.steps[0]?.status, third.steps[0]?.cachedFrom], ['cached', two]);
    assert.deepEqual(third.outputs, second.outputs);
  });

  test('a run that is all in the cache ends when it starts; any other ingredient makes it run', async (t) => {
    const p = await openPipelines(t, open);
    const declare = (change: Readonly<Record<string, unknown>>) =>
      p.declare([{ name: 'a', command: command('a'), params: { n: '${params.n}' }, ...change }], {
        params: { n: { type: 'integer', default: 1 } },
      });
    await declare({});
    const first = await p.start();
    await p.succeed((await p.lease())[0]!);

    const hit = await p.service.run(await p.start());
    assert.deepEqual([hit.status, hit.steps[0]?.result], ['succeeded', { step: 'a' }]);
    const why = await p.service.explainCache(hit.run, 'a');
    assert.deepEqual([why.outcome, why.other?.run], ['hit', first]);

    const other = await p.start({ n: 2 });
    assert.deepEqual((await p.service.explainCache(other, 'a')).differences, [
      { ingredient: 'params.n', before: 1, now: 2 },
    ]);
    await declare({ env: { MODE: 'x' } });
    const changed = await p.start();
    assert.deepEqual((await p.service.explainCache(changed, 'a')).differences, [
      { ingredient: 'env.MODE', before: null, now: 'x' },
    ]);
    const { run: seeded } = await p.service.startRun(context, { pipeline: 'p', cause, seed: 7 });
    assert.deepEqual(
      (await p.service.explainCache(seeded, 'a')).differences.map((item) => item.ingredient),
      ['env.MODE', 'seed'],
    );
    await declare({ cache: false });
    assert.equal((await p.service.explainCache(await p.start(), 'a')).outcome, 'off');
  });

  test('runs are listed newest first, by pipeline and status, page by page', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a'), cache: false }]);
    const runs = [await p.start(), await p.start(), await p.start()];
    await p.succeed((await p.lease('w1', 1))[0]!);

    const page = await p.service.runs({ pipeline: 'p', limit: 2 });
    const rest = await p.service.runs({ pipeline: 'p', limit: 2, after: page.next });
    const over = await p.service.runs({ status: 'succeeded', limit: 10 });
    const [{ createdAt } = { createdAt: 0 }] = page.items;
    const counted = async (filter: { cause?: 'user' | 'schedule'; from?: number; to?: number }) =>
      (await p.service.runs({ ...filter, limit: 10 })).items.length;
    const kinds = [await counted({ cause: cause.kind }), await counted({ cause: 'schedule' })];
    const times = [
      await counted({ from: createdAt }),
      await counted({ to: createdAt }),
      await counted({ from: createdAt + 1 }),
    ];

    assert.deepEqual(
      [...page.items, ...rest.items].map((run) => run.run),
      [...runs].reverse(),
    );
    assert.equal(rest.next, undefined);
    assert.deepEqual(
      [kinds, times],
      [
        [3, 0],
        [3, 0, 0],
      ],
    );
    assert.deepEqual(
      over.items.map((run) => run.run),
      [runs[0]],
    );
  });
});
