import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Relay } from '#platform/events';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import { pipelineMigrations } from '../index.ts';
import { cause, command, context, names, openPipelines } from '../testing.ts';
import { Triggers } from '../triggers/service.ts';

const apply = { ...context, action: 'resource.apply' };

/** Pipelines `p`, which waits, and `q`, whose runs end; and a relay that can be started anew. */
async function openWaits(t: TestContext, open: OpenDatabase, wait: Readonly<Record<string, unknown>>) {
  const p = await openPipelines(t, open);
  await p.resources.apply(apply, [
    { kind: 'pipeline', name: 'q', spec: { steps: [{ name: 'b', command: command('b'), cache: false, retries: 0 }] } },
  ]);
  const steps = [
    { name: 'hold', wait },
    { name: 'go', command: command('go'), inputs: { said: 'result:hold.run' }, cache: false },
  ];
  await p.declare(steps, { params: { of: { type: 'string', default: 'q' } } });
  const errors: string[] = [];
  const settle = async () => {
    const triggers = new Triggers({ ...p.deps, startRunIn: p.service.startRunIn.bind(p.service) });
    const relay = new Relay({
      ...{ db: p.db, system: p.system, consumers: [triggers.consumer()] },
      onError: (consumer, event, message) => void errors.push(`${consumer} ${event.type}: ${message}`),
    });
    relay.start();
    while (errors.length === 0 && !(await relay.caughtUp())) await new Promise((resolve) => setImmediate(resolve));
    await relay.stop();
    assert.deepEqual(errors, []);
  };
  /** A run of `q` that ends in this way. */
  const end = async (how: 'succeed' | 'fail') => {
    const { run } = await p.service.startRun(context, { pipeline: 'q', params: {}, cause });
    const [attempt] = await p.lease();
    assert.equal(attempt?.run, run);
    await p[how](attempt);
    return run;
  };
  const hold = async (run: string) => (await p.service.run(run)).steps[0]!;
  return { ...p, settle, end, hold };
}

const finished = (where: Readonly<Record<string, unknown>>) => ({ event: 'pipeline.run-finished', where });

forEachDialect('Waits for events', pipelineMigrations, (open) => {
  test('a step ends with the first event that is as it says, which is its result', async (t) => {
    const s = await openWaits(t, open, finished({ pipeline: '${params.of}', status: { in: ['succeeded'] } }));
    await s.end('succeed');
    await s.settle();
    await s.clock.advance(10);
    const [one, other] = [await s.start(), await s.start({ of: 'r' })];
    await s.end('fail');
    await s.settle();
    assert.equal((await s.hold(one)).status, 'waiting', 'neither what was before nor what differs ends it');

    await s.clock.advance(10);
    const awaited = await s.end('succeed');
    await s.end('succeed');
    await s.settle();
    const { status, reason, result } = await s.hold(one);
    assert.equal(status, 'succeeded');
    assert.match(reason ?? '', new RegExp(`^pipeline\\.run-finished \\d+ of pipeline-run/${awaited}$`));
    assert.equal((result as { run?: string } | null)?.run, awaited);
    assert.deepEqual(names(await s.lease()), ['go']);
    assert.equal((await s.hold(other)).status, 'waiting');
  });

  test('an event from before a step began to wait does not end it, though it is told later', async (t) => {
    const s = await openWaits(t, open, finished({ pipeline: 'q' }));
    await s.end('succeed');
    await s.clock.advance(10);
    const run = await s.start();
    await s.settle();
    assert.equal((await s.hold(run)).status, 'waiting');
  });

  test('a step whose event does not come in time fails, and that of a cancelled run is left alone', async (t) => {
    const s = await openWaits(t, open, { ...finished({ pipeline: 'q' }), within: '1h' });
    const [late, cancelled] = [await s.start(), await s.start()];
    await s.service.cancelRun(context, cancelled, 'not needed');
    await s.clock.advance(3_600_000);
    await s.control.tend();
    await s.end('succeed');
    await s.settle();
    const { status, reason } = await s.hold(late);
    assert.deepEqual([status, reason], ['failed', 'no such pipeline.run-finished came within 3600 s']);
    assert.equal((await s.hold(cancelled)).status, 'cancelled');
  });

  test('a declaration names events and fields that there are, and a run gives them values', async (t) => {
    const s = await openWaits(t, open, finished({}));
    const refused = async (wait: Readonly<Record<string, unknown>>): Promise<string> => {
      const declared = s.declare([{ name: 'hold', wait }], { params: { of: { type: 'string' } } });
      return declared.then(
        () => 'accepted',
        (error: Error & { details?: unknown }) => JSON.stringify([error.message, error.details ?? []]),
      );
    };
    assert.match(await refused({ event: 'no.such' }), /there are no events of the type 'no\.such'/);
    assert.match(await refused(finished({ color: 'red' })), /has no field 'color'/);
    assert.match(await refused(finished({ status: 'perhaps' })), /never \\*"perhaps/);
    assert.match(await refused(finished({ status: '${params.with}' })), /declares no parameter 'with'/);
    assert.equal(await refused(finished({ status: '${params.of}' })), 'accepted');
  });
});
