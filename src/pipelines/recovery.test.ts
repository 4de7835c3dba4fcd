import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Database } from '#platform/db';
import { forEachDialect } from '#testing/databases';
import type { LeasedAttempt, RunDetail } from './contract.ts';
import { pipelineMigrations } from './index.ts';
import { PipelineService } from './service/service.ts';
import { accepted, command, context, DIAMOND, names, openPipelines, worker } from './testing.ts';

forEachDialect('Recovery of pipelines', pipelineMigrations, (open) => {
  test('a silent worker loses its step, and what it reports afterwards is refused and not kept', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a'), outputs: ['x'] }]);
    const run = await p.start();
    const [first] = await p.lease('dead');
    await p.service.heartbeat(first!.attempt, { epoch: 1 });

    await p.clock.advance(10_000);
    assert.equal(await p.service.expireLeases(), 0);
    await p.clock.advance(1);
    assert.equal(await p.service.expireLeases(), 1);
    const [second] = await p.lease('alive');

    const stale = { code: 'pipelines/stale-attempt', status: 409 };
    await assert.rejects(p.succeed(first!), stale);
    await assert.rejects(p.service.heartbeat(first!.attempt, { epoch: 1 }), stale);
    const line = { seq: 1, at: 0, stream: 'stdout', text: 'late' } as const;
    await assert.rejects(p.service.appendLog(first!.attempt, 1, [line]), stale);
    await assert.rejects(p.succeed({ ...second!, epoch: 1 }), stale);
    assert.equal(await p.succeed(second!), 'succeeded');
    const done = await p.service.run(run);
    assert.equal(done.status, 'succeeded');
    assert.deepEqual(
      done.steps[0]?.attempts.map((attempt) => [attempt.epoch, attempt.worker, attempt.status]),
      [
        [1, 'dead', 'lost'],
        [2, 'alive', 'succeeded'],
      ],
    );
  });

  test('a lease is short until the worker has shown that it received it', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a') }]);
    await p.start();
    await p.lease('gone');

    await p.clock.advance(3_001);

    assert.equal(await p.service.expireLeases(), 1);
  });

  test('after a restart live leases get their whole time again', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a') }]);
    await p.start();
    const [attempt] = await p.lease();
    await p.clock.advance(60_000);

    await p.service.renewLeases();

    assert.equal(await p.service.expireLeases(), 0);
    assert.equal(await p.succeed(attempt!), 'succeeded');
  });

  test('a run that is cancelled waits ten seconds for a worker that goes on sending heartbeats', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a') }]);
    const run = await p.start();
    const [stuck] = await p.lease('stuck');
    await p.service.cancelRun({ ...context, action: 'pipeline-run.cancel' }, run);

    for (let i = 0; i < 5; i++) {
      await p.clock.advance(2_000);
      await p.service.heartbeat(stuck!.attempt, { epoch: 1 });
      assert.equal(await p.service.expireLeases(), 0);
    }
    await p.clock.advance(1);

    assert.equal(await p.service.expireLeases(), 1);
    assert.equal((await p.service.run(run)).status, 'cancelled');
  });

  test('a report that is repeated because its answer got lost changes nothing', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a') }]);
    const run = await p.start();
    const [attempt] = await p.lease();

    await p.succeed(attempt!);
    assert.equal(await p.succeed(attempt!), 'succeeded');

    assert.equal((await p.events('pipeline.run-finished')).length, 1);
    await assert.rejects(p.fail(attempt!), { code: 'pipelines/stale-attempt' });
    assert.equal((await p.service.run(run)).status, 'succeeded');
  });

  test('a failure waits for its back-off, which grows with the attempts', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a'), retries: 1 }]);
    const run = await p.start();
    await p.fail((await p.lease())[0]!);

    const { readyAt, reason } = (await p.service.run(run)).steps[0]!;
    const delayMs = (readyAt ?? 0) - p.clock.now();
    assert.ok(delayMs > 0 && delayMs <= 1_000, `${delayMs}`);
    assert.equal(reason, 'threw: no');
    assert.deepEqual(await p.lease(), []);
    await p.clock.advance(delayMs);
    await p.fail((await p.lease())[0]!);

    assert.equal((await p.service.run(run)).status, 'failed');
    assert.deepEqual((await p.events('pipeline.step-finished')).length, 1);
  });

  test('workers are listed while they ask for work or beat, and no more when they left or fell silent', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(DIAMOND);
    await p.start();
    const seen = () => p.service.workers().map(({ worker: name, seenAt }) => [name, p.clock.now() - seenAt]);
    const [attempt] = await p.lease('busy');
    await p.lease('idle');
    await p.lease('leaver');
    assert.deepEqual(seen(), [
      ['busy', 0],
      ['idle', 0],
      ['leaver', 0],
    ]);

    await p.clock.advance(2_000);
    await p.service.heartbeat(attempt!.attempt, { epoch: attempt!.epoch });
    await p.leave('leaver');
    assert.deepEqual(seen(), [
      ['busy', 0],
      ['idle', 2_000],
    ]);

    await p.clock.advance(3_600_001);
    await p.lease('late');
    assert.deepEqual(seen(), [['late', 0]]);
  });

  test('cancelling tells the workers, and the run is cancelled when they have stopped', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(DIAMOND);
    const run = await p.start();
    const [attempt] = await p.lease();
    const { attempt: id, epoch } = attempt!;
    assert.deepEqual(await p.service.heartbeat(id, { epoch }), { cancel: false });

    const cancelling = await p.service.cancelRun({ ...context, action: 'pipeline-run.cancel' }, run, 'wrong data');
    assert.equal(cancelling.status, 'cancelling');
    assert.deepEqual(await p.service.heartbeat(id, { epoch }), { cancel: true });
    const progress = { n: 1, of: 2 };
    assert.equal(await p.service.finish(worker, id, { status: 'stopped', epoch, progress }), 'cancelled');

    const done = await p.service.run(run);
    assert.deepEqual([done.status, done.reason], ['cancelled', 'wrong data (by user:ada)']);
    assert.deepEqual(new Set(done.steps.map((step) => step.status)), new Set(['cancelled']));
    assert.deepEqual(done.steps[0]?.progress, progress);
    await assert.rejects(p.service.cancelRun(context, run), { code: 'pipelines/run-finished' });
    assert.ok((await p.audit()).some((entry) => entry.action === 'pipeline-run.cancel'));
  });

  test('a lease request waits for work without looking for it, and is woken by a new run', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a') }]);

    const waiting = p.service.lease({ worker: 'w1', slots: 1, labels: {}, waitMs: 10_000 });
    await p.clock.advance(1_000);
    await p.start();

    assert.deepEqual(names(await waiting), ['a']);
    const empty = p.service.lease({ worker: 'w1', slots: 1, labels: {}, waitMs: 10_000 });
    let left: readonly LeasedAttempt[] | undefined;
    void empty.then((attempts) => {
      left = attempts;
    });
    while (left === undefined) await p.clock.advance(1_000);
    assert.deepEqual(left, []);
  });

  test('work that another control plane over the same PostgreSQL has readied is found before long', async (t) => {
    const p = await openPipelines(t, open);
    // One process alone writes SQLite.
    if (p.db.dialect === 'sqlite') return;
    const other = new Database(p.store, p.deps.system);
    const service = new PipelineService({ ...p.deps, db: other, blobs: p.blobs });
    await p.declare([{ name: 'a', command: command('a') }]);
    const waiting = service.lease({ worker: 'w1', slots: 1, labels: {}, waitMs: 10_000 });
    let leased: readonly LeasedAttempt[] | undefined;
    void waiting.then((attempts) => {
      leased = attempts;
    });

    await p.start();
    const startedAt = p.clock.now();
    while (leased === undefined) {
      await p.clock.advance(500);
      // The database answers in real time, of which the clock of the test knows nothing.
      for (let i = 0; i < 20; i++) await p.events('pipeline.run-started');
    }

    assert.deepEqual(names(leased), ['a']);
    assert.ok(p.clock.now() - startedAt < 10_000, 'the request did not wait to its end');
  });

  test('a worker that leaves gets nothing more, and what it held goes to others', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([
      { name: 'a', command: command('a') },
      { name: 'b', command: command('b') },
    ]);
    const run = await p.start();
    const [kept, given] = await p.lease('w1', 2);
    const waiting = p.service.lease({ worker: 'w1', instance: 'w1', slots: 1, labels: {}, waitMs: 10_000 });

    assert.equal(await p.leave('w1', [kept!.attempt]), 1);

    assert.deepEqual(await waiting, []);
    assert.deepEqual(names(await p.lease('w2')), [given!.step]);
    const byName = new Map((await p.service.run(run)).steps.map((step) => [step.step, step]));
    assert.deepEqual(
      byName.get(given!.step)?.attempts.map((attempt) => attempt.status),
      ['released', 'running'],
    );
    assert.equal(await p.succeed(kept!), 'succeeded');
  });

  test('a goodbye that comes late or twice takes nothing from a worker that was started since', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([
      { name: 'a', command: command('a'), cache: false },
      { name: 'b', command: command('b'), cache: false },
    ]);
    const run = await p.start();
    await p.lease('w1', 1, 'first');
    assert.equal(await p.leave('w1', [], 'first'), 1);
    const held = await p.lease('w1', 1, 'second');
    const waiting = p.service.lease({ worker: 'w1', instance: 'second', slots: 1, labels: {}, waitMs: 10_000 });
    assert.equal((await waiting).length, 1);
    const further = p.service.lease({ worker: 'w1', instance: 'second', slots: 1, labels: {}, waitMs: 10_000 });

    assert.equal(await p.leave('w1', [], 'first'), 0);

    assert.deepEqual(
      p.service.workers().map((seen) => seen.worker),
      ['w1'],
      'who came since is listed',
    );
    await p.start();
    assert.equal((await further).length, 1, 'the request that waits is answered with work');
    assert.equal(await p.succeed(held[0]!), 'succeeded');
    const attempts = (await p.service.run(run)).steps.flatMap((step) => step.attempts);
    assert.deepEqual(attempts.map(({ status }) => status).sort(), ['released', 'running', 'succeeded']);
  });

  test('a worker that is known to be dead loses its steps at once, and it counts as a loss', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a'), cache: false, retries: 0 }]);
    const run = await p.start();
    for (const instance of ['1', '2', '3', '4']) {
      const [held] = await p.lease('w1', 1, instance);
      assert.equal(await p.died('w1', `before ${instance}`), 0, 'who holds nothing loses nothing');
      assert.equal(await p.died('w1', instance), 1);
      await assert.rejects(p.succeed(held!), { code: 'pipelines/stale-attempt' });
    }

    const { status, steps } = await p.service.run(run);
    assert.equal(status, 'failed');
    assert.match(steps[0]?.reason ?? '', /worker-lost/);
    assert.deepEqual(
      steps[0]?.attempts.map((attempt) => attempt.status),
      ['lost', 'lost', 'lost', 'lost'],
    );
  });

  test('in any order of leases, ends, losses and cancels each step commits once and every run ends', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(DIAMOND.map((step) => ({ ...step, cache: false, retries: 1 })));
    const moves = fc.array(
      fc.record({ what: fc.constantFrom('lease', 'succeed', 'fail', 'expire', 'leave', 'cancel'), pick: fc.nat(9) }),
      { maxLength: 25 },
    );
    const property = fc.asyncProperty(moves, async (sequence) => {
      const run = await p.start();
      const held: LeasedAttempt[] = [];
      let cancels = 0;
      for (const { what, pick } of sequence) {
        const attempt = held[pick % Math.max(1, held.length)];
        if (what === 'lease') held.push(...(await p.lease(`w${pick % 3}`, 1 + (pick % 2))));
        else if (what === 'expire') await p.clock.advance(3_001).then(() => p.service.expireLeases());
        else if (what === 'leave') await p.leave(`w${pick % 3}`);
        else if (what === 'cancel' && pick === 0) cancels += await accepted(p.service.cancelRun(context, run));
        else if (what === 'succeed' && attempt) await accepted(p.succeed(attempt));
        else if (what === 'fail' && attempt) await accepted(p.fail(attempt, pick % 4 ? 'threw' : 'invalid-result'));
        checkAttempts(await p.service.run(run));
      }
      const before = await p.events('pipeline.run-finished');
      await drain(p, run);
      const done = await p.service.run(run);
      const finished = (await p.events('pipeline.run-finished')).filter(
        (event) => (event.data as { run: string }).run === run,
      );
      assert.equal(finished.length, 1, `${before.length}`);
      if (cancels > 0) assert.equal(done.status, 'cancelled');
      for (const attempt of held) assert.equal(await accepted(p.fail(attempt)), Number(wasFailure(done, attempt)));
      assert.deepEqual(await p.service.run(run), done, 'a run that is over does not change');
    });
    await fc.assert(property, { numRuns: p.db.dialect === 'sqlite' ? 60 : 10 });
  });
});

/** Whether a repeated failure report of this attempt is one that was accepted before. */
function wasFailure(run: RunDetail, { attempt }: LeasedAttempt): boolean {
  return run.steps.some((step) => step.attempts.some((item) => item.attempt === attempt && item.status === 'failed'));
}

function checkAttempts(run: RunDetail): void {
  for (const step of run.steps) {
    const live = step.attempts.filter((attempt) => attempt.status === 'running');
    const won = step.attempts.filter((attempt) => attempt.status === 'succeeded');
    assert.equal(live.length, step.status === 'running' ? 1 : 0, 'one live attempt while a step runs, none otherwise');
    assert.equal(won.length, step.status === 'succeeded' ? 1 : 0, 'a step succeeds by exactly one attempt');
    assert.deepEqual(
      step.attempts.map((attempt) => attempt.epoch),
      step.attempts.map((_, i) => i + 1),
    );
    if (step.status !== 'succeeded') assert.deepEqual(step.outputs, {}, 'only committed outputs are seen');
  }
}

/** Plays a worker that finishes whatever it is given, until the run is over. */
async function drain(p: Awaited<ReturnType<typeof openPipelines>>, run: string): Promise<void> {
  for (let turn = 0; turn < 100; turn++) {
    const { finishedAt } = await p.service.run(run);
    if (finishedAt !== null) return;
    for (const attempt of await p.lease('last')) await p.succeed(attempt);
    await p.clock.advance(60_000);
    await p.service.expireLeases();
  }
  assert.fail('the run does not end');
}
