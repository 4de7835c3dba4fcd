import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import { pipelineMigrations } from './index.ts';
import { leaseExpiryJob } from './jobs.ts';
import { command, names, openPipelines } from './testing.ts';

forEachDialect('Time and pipelines', pipelineMigrations, (open) => {
  test('a clock that is set back or forward holds nothing up and loses no lease of who is heard', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([
      { name: 'a', command: command('a') },
      { name: 'b', command: command('b') },
    ]);
    const run = await p.start();
    const job = leaseExpiryJob(p.service, p.clock);
    const look = () => job.run(new AbortController().signal);
    await look();
    await p.lease('dead', 1);
    p.clock.set(-3_600_000);
    await look();

    const [second] = await p.lease('alive', 1);
    await p.service.heartbeat(second!.attempt, { epoch: 1 });
    p.clock.set(3_600_000);
    await look();
    assert.equal(await p.succeed(second!), 'succeeded', 'set forward, the lease of a worker that is heard goes on');
    await p.clock.advance(10_001);
    await look();
    for (const attempt of await p.lease('alive')) await p.succeed(attempt);

    const done = await p.service.run(run);
    assert.equal(done.status, 'succeeded');
    assert.deepEqual(
      done.steps.map((step) => step.attempts.map((attempt) => attempt.status)),
      [['lost', 'succeeded'], ['succeeded']],
    );
  });

  test('a clock that was half an hour ahead holds up no step that has failed and declares no pause', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a') }]);
    await p.start();
    p.clock.set(1_800_000);
    await p.fail((await p.lease())[0]!);
    p.clock.set(-1_800_000);
    await p.clock.advance(1_000);
    await leaseExpiryJob(p.service, p.clock).run(new AbortController().signal);
    assert.deepEqual(names(await p.lease()), ['a']);
  });

  test('a worker that sends heartbeats and nothing else loses its step an hour after the timeout', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a'), timeout: '10m' }]);
    await p.start();
    const [stuck] = await p.lease('stuck');
    const beatFor = async (ms: number): Promise<void> => {
      for (const until = p.clock.now() + ms; p.clock.now() < until; ) {
        await p.clock.advance(10_000);
        await p.service.heartbeat(stuck!.attempt, { epoch: 1 });
        assert.equal(await p.service.expireLeases(), 0);
      }
    };
    await beatFor(3_000);
    await beatFor(70 * 60_000 - 10_000);

    await p.clock.advance(1);
    await p.service.heartbeat(stuck!.attempt, { epoch: 1 });
    await p.clock.advance(10_000);

    assert.equal(await p.service.expireLeases(), 1);
    assert.equal(names(await p.lease('alive')).length, 1);
  });

  test('time in which a step waits for its turn at a cluster does not count, for a week', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a'), timeout: '10m' }]);
    await p.start();
    const [waiting] = await p.lease('cluster');
    const [hour, week] = [3_600_000, 7 * 86_400_000];
    const afterBeat = async (passedMs: number, waitedMs: number): Promise<number> => {
      await p.clock.advance(passedMs);
      await p.service.heartbeat(waiting!.attempt, { epoch: 1, waitedMs });
      await p.clock.advance(9_999);
      return p.service.expireLeases();
    };

    assert.equal(await afterBeat(week, week), 0);
    assert.equal(await afterBeat(hour, 2 * week), 0);
    assert.equal(await afterBeat(hour, 2 * week), 1);
  });

  test('a stuck worker does not keep its step longer because a wrong clock gave it', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a'), timeout: '1m' }]);
    await p.start();
    p.clock.set(86_400_000);
    const [stuck] = await p.lease('stuck');
    p.clock.set(-86_400_000);
    const expired = async (): Promise<number> => {
      await p.service.correctTimes();
      return p.service.expireLeases();
    };

    let beats = 0;
    for (; (await expired()) === 0 && beats < 1_000; beats++) {
      await p.service.heartbeat(stuck!.attempt, { epoch: 1 });
      await p.clock.advance(9_000);
    }

    assert.ok(beats < 500, 'about an hour of heartbeats, not a day');
  });
});
