import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { digestOf } from '#core/hash';
import { datasetCommitted } from '#datasets';
import { Relay } from '#platform/events';
import { openHttpServer } from '#platform/http';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import { createPipelines, pipelineKinds, pipelineMigrations } from '../index.ts';
import { command, context, openPipelines } from '../testing.ts';
import { Triggers } from './service.ts';

const apply = { ...context, action: 'resource.apply' };

/** Pipelines `p` and `q`, a dataset by name only, and triggers whose events are relayed. */
async function openTriggers(t: TestContext, open: OpenDatabase) {
  const datasets = { kind: 'dataset', schema: z.record(z.string(), z.unknown()) };
  const p = await openPipelines(t, (options) => open({ kinds: [...(options?.kinds ?? []), datasets] }));
  await p.declare([{ name: 'a', command: command('a'), cache: false, retries: 0 }]);
  const steps = [{ name: 'b', command: command('b'), cache: false }];
  const params = { of: { type: 'string', default: '' } };
  await p.resources.apply(apply, [
    { kind: 'pipeline', name: 'q', spec: { steps, params } },
    { kind: 'dataset', name: 'flights', spec: {} },
  ]);
  const triggers = new Triggers({ ...p.deps, startRunIn: p.service.startRunIn.bind(p.service) });
  const errors: string[] = [];
  const relay = new Relay({
    db: p.db,
    system: p.system,
    consumers: [triggers.consumer()],
    onError: (consumer, event, message) => void errors.push(`${consumer} ${event.type}: ${message}`),
  });
  relay.start();
  t.after(() => relay.stop());
  const settle = async (): Promise<void> => {
    while (errors.length === 0 && !(await relay.caughtUp())) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(errors, []);
  };
  return {
    ...p,
    triggers,
    settle,
    trigger: (spec: Readonly<Record<string, unknown>>, name = 't') =>
      p.resources.apply(apply, [{ kind: 'trigger', name, spec: { pipeline: 'q', ...spec } }]),
    runsOf: async (pipeline: string) => (await p.service.runs({ pipeline, limit: 100 })).items,
    outcomes: async (name = 't') =>
      (await triggers.firings(name, { limit: 100 })).items.map(({ outcome }) => outcome).reverse(),
  };
}

forEachDialect('Triggers', pipelineMigrations, (open) => {
  test('triggers are listed with what each did last, all by one query', async (t) => {
    const s = await openTriggers(t, open);
    const on = { pipeline: 'p', status: ['failed', 'succeeded'] };
    await s.trigger({ on, debounce: '5s' }, 'slow');
    await s.trigger({ on }, 'fast');
    for (const end of [s.fail, s.succeed]) {
      await s.start();
      await end((await s.lease()).find(({ pipeline }) => pipeline === 'p')!);
      await s.settle();
    }
    const [, run] = (await s.runsOf('q')).map((found) => found.run).sort();

    const asked = t.mock.method(s.db.reader, 'selectFrom');
    const listed = await s.triggers.list();

    // The relay asks at the same time, for events.
    const tables = asked.mock.calls.map(({ arguments: [table] }) => JSON.stringify(table));
    assert.equal(tables.filter((table) => /trigger|resource/.test(table)).length, 1, tables.join(', '));
    assert.deepEqual(
      listed.map(({ trigger, last }) => [trigger, last?.run ?? null]),
      [
        ['fast', run],
        ['slow', null],
      ],
    );
  });

  test('the end of a run starts another pipeline, as it was declared to', async (t) => {
    const s = await openTriggers(t, open);
    await s.trigger({ on: { pipeline: 'p', status: ['failed'] }, params: { of: 'after ${event.run}' } });
    await s.start();
    await s.succeed((await s.lease())[0]!);
    const failed = await s.start();
    await s.fail((await s.lease())[0]!);
    await s.settle();

    const [run, ...more] = await s.runsOf('q');
    assert.deepEqual(more, []);
    assert.deepEqual(run?.params, { of: `after ${failed}` });
    assert.deepEqual([run?.cause.kind, run?.cause.id, run?.cause.depth], ['event', 'trigger/t', 1]);
  });

  test('two pipelines that trigger each other stop when the chain is too long', async (t) => {
    const s = await openTriggers(t, open);
    await s.trigger({ pipeline: 'q', on: { pipeline: 'p' }, depthMax: 4 }, 'forth');
    await s.trigger({ pipeline: 'p', on: { pipeline: 'q' }, depthMax: 4 }, 'back');
    await s.start();
    for (let i = 0; i < 12; i++) {
      for (const attempt of await s.lease()) await s.succeed(attempt);
      await s.settle();
    }

    assert.deepEqual([(await s.runsOf('p')).length, (await s.runsOf('q')).length], [3, 2]);
    assert.deepEqual(
      [await s.outcomes('forth'), await s.outcomes('back')],
      [
        ['started', 'started', 'loop'],
        ['started', 'started'],
      ],
    );
    assert.equal((await s.events('trigger.held')).length, 1);
  });

  test('new rows start one run after they have settled, also when the process ends in between', async (t) => {
    const s = await openTriggers(t, open);
    await s.trigger({ on: { dataset: 'flights' }, debounce: '1m', params: { of: '${event.batch}' } });
    const segment = { digest: digestOf('rows'), rows: 1, minAt: 0, maxAt: 0, minKnownAt: 0, maxKnownAt: 0 };
    const commit = (n: number) =>
      s.db.maintain(async (tx) => {
        const data = { dataset: 'flights', commit: n, batch: `b${n}`, segment };
        tx.emit(datasetCommitted.draft('dataset/flights', data));
      });
    await commit(1);
    await commit(2);
    await s.settle();
    await s.clock.advance(59_999);
    await s.triggers.look();
    assert.deepEqual(await s.runsOf('q'), []);
    await s.clock.advance(1);
    const restarted = new Triggers({ ...s.deps, startRunIn: s.service.startRunIn.bind(s.service) });
    await Promise.all([restarted.look(), s.triggers.look()]);

    const runs = await s.runsOf('q');
    assert.deepEqual(
      runs.map((run) => run.params),
      [{ of: 'b2' }],
    );
  });

  test('a freeze holds what happens until it ends, and a pipeline that refuses is told', async (t) => {
    const s = await openTriggers(t, open);
    const span = { reason: 'sale', from: '2001-01-01T00:00:00Z', to: '2001-01-01T01:00:00Z' };
    await s.resources.apply(apply, [{ kind: 'freeze', name: 'f', spec: span }]);
    await s.trigger({ on: { pipeline: 'p' } });
    await s.trigger({ on: { pipeline: 'p' }, params: { unknown: 1 } }, 'bad');
    await s.start();
    await s.succeed((await s.lease())[0]!);
    await s.settle();
    assert.deepEqual(await s.outcomes(), ['frozen']);
    await s.clock.advance(3_600_000);
    await s.triggers.look();
    await s.triggers.look();

    assert.deepEqual(await s.outcomes(), ['frozen', 'started']);
    assert.deepEqual(await s.outcomes('bad'), ['frozen', 'failed']);
    assert.equal((await s.runsOf('q')).length, 1);
  });

  test('a signed request starts a run once; forged, old and repeated ones do not', async (t) => {
    const s = await openTriggers(t, open);
    const pipelines = createPipelines({ ...s.deps, blobs: s.blobs });
    const server = openHttpServer({
      ...s.deps,
      groups: pipelines.parts.routes,
      protocols: pipelines.parts.protocols ?? [],
      authenticator: { authenticate: () => undefined, hasProject: () => true },
    });
    const url = await server.listen('127.0.0.1', 0);
    t.after(() => server.close());
    await s.trigger({ on: { webhook: true }, params: { of: '${event.pull.title}' } });
    const seconds = String(s.clock.now() / 1_000);
    const body = JSON.stringify({ pull: { title: 'new data' } });
    const send = async (secret: string, change: Readonly<Record<string, string>> = {}, name = 't') => {
      const { id = 'd1', at = seconds, sent = body } = change;
      const signature = `v1,${createHmac('sha256', secret).update(`${id}.${at}.${body}`).digest('base64')}`;
      const headers = { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature };
      const answer = await fetch(`${url}/hooks/triggers/${name}`, { method: 'POST', headers, body: sent });
      return [answer.status, ((await answer.json()) as { message?: string; repeated?: boolean }).repeated] as const;
    };

    assert.deepEqual(await send('guess'), [401, undefined], 'there is no secret yet');
    const { secret, path } = await s.triggers.makeSecret({ ...context, action: 'trigger.secret' }, 't');
    assert.equal(path, '/hooks/triggers/t');
    const react = t.mock.method(s.db, 'react');
    assert.deepEqual(await send('guess'), [401, undefined]);
    assert.deepEqual(await send(secret, { sent: body.replace('new', 'bad') }), [401, undefined]);
    assert.deepEqual(await send(secret, { at: String(Number(seconds) - 301) }), [401, undefined]);
    assert.deepEqual(await send(secret, {}, 'none'), [401, undefined]);
    assert.equal(react.mock.callCount(), 0, 'a forged request never waits in the line of writers');
    assert.deepEqual(await s.runsOf('q'), []);
    assert.deepEqual(await send(secret), [202, false]);
    assert.equal(react.mock.callCount(), 1);
    assert.deepEqual(await send(secret), [202, true]);
    assert.deepEqual(await send(secret, { id: 'd2' }), [202, false]);
    assert.deepEqual(
      (await s.runsOf('q')).map((run) => run.params),
      [{ of: 'new data' }, { of: 'new data' }],
    );
    const before = secret;
    const next = await s.triggers.makeSecret({ ...context, action: 'trigger.secret' }, 't');
    assert.deepEqual([(await send(before, { id: 'd3' }))[0], (await send(next.secret, { id: 'd3' }))[0]], [401, 202]);
    assert.ok(pipelineKinds.some(({ kind }) => kind === 'trigger'));
  });
});
