import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Relay } from '#platform/events';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import { pipelineMigrations } from '../index.ts';
import { command, context, openPipelines } from '../testing.ts';
import { triggerHeld } from './events.ts';
import { Triggers } from './service.ts';

const apply = { ...context, action: 'resource.apply' };

/** Pipelines `p` (of one step) and `q`, and relays that can be stopped and started anew. */
async function openEvents(t: TestContext, open: OpenDatabase) {
  const p = await openPipelines(t, open);
  await p.declare([{ name: 'a', command: command('a'), cache: false, retries: 0 }]);
  const params = { of: { type: 'string', default: '' }, n: { type: 'number', default: 0 } };
  await p.resources.apply(apply, [
    { kind: 'pipeline', name: 'q', spec: { steps: [{ name: 'b', command: command('b'), cache: false }], params } },
  ]);
  const errors: string[] = [];
  const restart = () => {
    const triggers = new Triggers({ ...p.deps, startRunIn: p.service.startRunIn.bind(p.service) });
    const relay = new Relay({
      ...{ db: p.db, system: p.system, consumers: [triggers.consumer()] },
      onError: (consumer, event, message) => void errors.push(`${consumer} ${event.type}: ${message}`),
    });
    relay.start();
    t.after(() => relay.stop());
    const settle = async (): Promise<void> => {
      while (errors.length === 0 && !(await relay.caughtUp())) await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(errors, []);
    };
    return { triggers, relay, settle };
  };
  return {
    ...p,
    restart,
    trigger: (spec: Readonly<Record<string, unknown>>, name = 't') =>
      p.resources.apply(apply, [{ kind: 'trigger', name, spec: { pipeline: 'q', ...spec } }]),
    runsOf: async (pipeline: string) => (await p.service.runs({ pipeline, limit: 100 })).items,
  };
}

forEachDialect('Triggers on events of the platform', pipelineMigrations, (open) => {
  test('an event whose fields are as told starts one run, also over restarts and two relays', async (t) => {
    const s = await openEvents(t, open);
    await s.trigger({
      on: { event: 'pipeline.step-finished', where: { status: 'failed', pipeline: { in: ['p', 'r'] } } },
      params: { of: '${event.run} of ${event.subject}: ${event.reason}', n: '${event.seq}' },
    });
    for (const end of [s.succeed, s.fail]) {
      await s.start();
      await end((await s.lease())[0]!);
    }
    const relays = [s.restart(), s.restart()];
    for (const { settle, relay } of relays) {
      await settle();
      await relay.stop();
    }
    const again = s.restart();
    await again.settle();

    const [run, ...more] = await s.runsOf('q');
    assert.deepEqual(more, []);
    const told = (await s.events('pipeline.step-finished')).map(({ seq, data }) => {
      const { run: of, status, reason } = data as Readonly<Record<string, string>>;
      return { status, params: { of: `${of} of pipeline-run/${of}: ${reason}`, n: seq } };
    });
    assert.deepEqual(run?.params, told.find(({ status }) => status === 'failed')?.params);
    assert.deepEqual([run?.cause.id, run?.cause.depth], ['trigger/t', 1]);
  });

  test('an event that nobody waits for takes no transaction', async (t) => {
    const s = await openEvents(t, open);
    await s.trigger({ on: { event: 'pipeline.run-paused' } });
    const react = t.mock.method(s.db, 'react');
    const { settle } = s.restart();
    await s.db.maintain(async (tx) => {
      const data = { trigger: 'x', at: 1, outcome: 'frozen', reason: '' } as const;
      for (let i = 0; i < 20; i++) tx.emit(triggerHeld.draft('trigger/x', data));
    });
    await settle();

    assert.equal(react.mock.callCount(), 0);
  });

  test('what a trigger causes is counted, and a chain through any event is cut', async (t) => {
    const s = await openEvents(t, open);
    await s.trigger({ pipeline: 'p', on: { event: 'pipeline.step-finished' }, depthMax: 3 }, 'round');
    const { settle, triggers } = s.restart();
    await s.start();
    for (let i = 0; i < 8; i++) {
      for (const attempt of await s.lease()) await s.succeed(attempt);
      await settle();
    }

    assert.deepEqual((await s.runsOf('p')).map(({ cause }) => cause.depth).sort(), [0, 1, 2, 3]);
    const [last] = (await triggers.firings('round', { limit: 1 })).items;
    assert.match(`${last?.outcome}: ${last?.reason}`, /^loop: the event is 3 automatic steps away/);
  });

  test('triggers that wait for news of held triggers do not answer each other for ever', async (t) => {
    const s = await openEvents(t, open);
    for (const name of ['one', 'two']) {
      await s.trigger({ on: { event: 'trigger.held' }, params: { unknown: 1 } }, name);
    }
    const { settle, triggers } = s.restart();
    await s.db.maintain(async (tx) => {
      tx.emit(triggerHeld.draft('trigger/x', { trigger: 'x', at: 1, outcome: 'frozen', reason: 'sale' }));
    });
    await settle();

    const told = await Promise.all(['one', 'two'].map((name) => triggers.firings(name, { limit: 10 })));
    assert.deepEqual(
      told.map(({ items }) => items.map(({ outcome }) => outcome)),
      [['failed'], ['failed']],
    );
    assert.equal((await s.events('trigger.held')).length, 1);
  });

  test('a type that is not there, a field that it has not and a value that it never has are refused', async (t) => {
    const s = await openEvents(t, open);
    const refused = async (spec: Readonly<Record<string, unknown>>, message: RegExp): Promise<void> => {
      await assert.rejects(s.trigger(spec), (error: Error) => {
        assert.match(error.message, message);
        return true;
      });
    };
    await refused(
      { on: { event: 'pipeline.over' } },
      /on\.event: there are no events of the type 'pipeline\.over'; expected one of .*run-finished, .*trigger\.held$/,
    );
    await refused(
      { on: { event: 'pipeline.run-finished', where: { state: 'x' } } },
      /on\.where\.state: pipeline\.run-finished has no field 'state'/,
    );
    await refused(
      { on: { event: 'pipeline.run-finished', where: { status: 'x' } } },
      /on\.where\.status: 'status' of pipeline\.run-finished is "succeeded" or .* never "x"/,
    );
    await refused(
      { on: { event: 'pipeline.run-finished' }, params: { of: 'x ${event.cause.who}' } },
      /params\.of: pipeline\.run-finished has no field 'cause\.who': expected one of at, depth, id, kind, within$/,
    );
    await refused({ on: { event: 'pipeline.run-finished', if: {} } }, /spec\.on: Unrecognized key: "if"/);
    await refused({ on: { file: 'x' } }, /spec\.on: expected one of pipeline, dataset, webhook, event$/);
    await refused(
      { on: { event: 'pipeline.run-finished', where: { status: { like: 'x' } } } },
      /spec\.on\.where\.status: Unrecognized key: "like"/,
    );
  });
});
