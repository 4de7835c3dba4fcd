import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { type TestContext, test } from 'node:test';
import { tokenAuthenticator } from '#platform/access';
import { createClient } from '#platform/contract';
import { openHttpServer } from '#platform/http';
import { forEachDialect, type OpenDatabase, type TestDatabase } from '#testing/databases';
import { activityContract, type EventView, LIVE_PATH } from './contract.ts';
import { activityHandlers } from './handlers.ts';
import { serveLive } from './live.ts';

const nobody = (): void => {};

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let turns = 0; !(await condition()); turns++) {
    assert.ok(turns < 10_000, 'the condition never came true');
    await new Promise(setImmediate);
  }
}

async function openActivity(t: TestContext, open: OpenDatabase, localRole = 'viewer') {
  const database = await open();
  const { db, system, deps, clock } = database;
  const ongoing = { activeRuns: 0, eventsHandled: true, changed: nobody, whileAsked: nobody };
  const authenticator = tokenAuthenticator(new Map(), { localRole });
  const handlers = activityHandlers(
    db,
    {
      activeRuns: async () => ongoing.activeRuns,
      eventsHandled: async () => {
        ongoing.whileAsked();
        return ongoing.eventsHandled;
      },
      nextChange: (withinMs) =>
        new Promise((resolve) => {
          clock.after(withinMs, resolve);
          ongoing.changed = resolve;
        }),
    },
    clock,
  );
  const server = openHttpServer({
    groups: [handlers],
    authenticator,
    system,
    logger: deps.logger,
    metrics: deps.metrics,
  });
  const endStreams = serveLive(server, { db, clock });
  const baseUrl = await server.listen('127.0.0.1', 0);
  t.after(async () => {
    endStreams();
    await server.close();
    await database.close();
  });
  const connections = (): Promise<number> =>
    new Promise((resolve, reject) =>
      server.app.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  return {
    ...database,
    connections,
    ongoing,
    endStreams,
    baseUrl,
    client: createClient(activityContract, { baseUrl }),
  };
}

const emit = ({ db }: Pick<TestDatabase, 'db'>, count: number, padding = '') =>
  db.maintain(async (tx) => {
    for (let i = 0; i < count; i++) tx.emit({ type: 'it.happened', subject: 'it/1', data: { i, padding } });
  });

/** A client of the stream that stops reading when it is told to. */
async function follow(baseUrl: string, lastEventId?: string) {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
  const request = httpRequest(`${baseUrl}${LIVE_PATH}`, { headers, agent: false }).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const events: EventView[] = [];
  let text = '';
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    const messages = text.split('\n\n');
    text = messages.pop() ?? '';
    for (const message of messages) {
      const match = /^id: (\d+)\ndata: (.*)$/s.exec(message);
      if (match) events.push(JSON.parse(match[2] as string));
    }
  });
  response.on('error', () => {});
  return {
    response,
    events,
    async got(count: number): Promise<void> {
      while (events.length < count) await once(response, 'data');
    },
    end: () => request.destroy(),
  };
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

forEachDialect('Live events', [], (open) => {
  test('a client gets what is committed from now on, in order and once', async (t) => {
    const activity = await openActivity(t, open);
    await emit(activity, 3);
    const live = await follow(activity.baseUrl);

    for (let i = 0; i < 4; i++) await emit(activity, 5);
    await live.got(20);

    assert.deepEqual(
      live.events.map((event) => event.seq),
      numbers(4, 23),
    );
    assert.equal(live.response.headers['content-type'], 'text/event-stream');
    live.end();
  });

  test('a client that comes back misses nothing, however much there was', async (t) => {
    const activity = await openActivity(t, open);
    await emit(activity, 1_700);
    const live = await follow(activity.baseUrl, '42');

    await live.got(1_658);
    await emit(activity, 2);
    await live.got(1_660);

    assert.deepEqual(
      live.events.map((event) => event.seq),
      numbers(43, 1_702),
    );
    live.end();
  });

  test('a number that is none is taken as a first visit', async (t) => {
    const activity = await openActivity(t, open);
    await emit(activity, 3);
    const live = [await follow(activity.baseUrl, ''), await follow(activity.baseUrl, '-1')];

    await emit(activity, 1);

    for (const each of live) {
      await each.got(1);
      assert.equal(each.events[0]?.seq, 4);
      each.end();
    }
  });

  test('a client that stops reading is cut off, and gets the rest when it comes back', async (t) => {
    const activity = await openActivity(t, open);
    const live = await follow(activity.baseUrl, '0');
    live.response.pause();
    const closed = new Promise((resolve) => live.response.on('close', resolve));

    await emit(activity, 400, 'x'.repeat(100_000));
    for (let second = 0; second < 100_000 && (await activity.connections()) > 0; second++) {
      await activity.clock.advance(1_000);
    }
    assert.equal(await activity.connections(), 0);
    live.response.resume();
    await closed;

    const last = live.events.at(-1)?.seq ?? 0;
    assert.ok(last < 400, `${last} events had been read`);
    const back = await follow(activity.baseUrl, String(last));
    await back.got(400 - last);
    assert.equal(back.events[0]?.seq, last + 1);
    back.end();
  });

  test('streams end when the server does, and are closed to whoever may not read', async (t) => {
    const activity = await openActivity(t, open);
    const live = await follow(activity.baseUrl);
    const ended = once(live.response, 'end');

    activity.endStreams();
    await ended;

    const closed = await openActivity(t, open, 'no role');
    assert.equal((await fetch(`${closed.baseUrl}${LIVE_PATH}`)).status, 403);
  });
});

const context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'note.write' };

forEachDialect('Activity over HTTP', [], (open) => {
  test('events and audit entries are listed newest first, page by page, by subject and action', async (t) => {
    const { client, db } = await openActivity(t, open);
    for (const id of ['a', 'b', 'a']) {
      await db.transact(context, async (tx) => {
        tx.audit(`note/${id}`, { id });
        tx.emit({ type: 'note.written', subject: `note/${id}`, data: { id } });
      });
    }
    await db.transact({ ...context, action: 'note.burn' }, async (tx) => tx.audit('note/b'));

    const { items: events } = await client.listEvents({ query: { subject: 'note/a', before: 3 } });
    const { items, head } = await client.searchAudit({ query: { action: 'note.write', limit: 2 } });

    assert.deepEqual(
      events.map(({ seq, type, data }) => ({ seq, type, data })),
      [{ seq: 1, type: 'note.written', data: { id: 'a' } }],
    );
    assert.deepEqual(
      items.map(({ seq, subject }) => `${seq} ${subject}`),
      ['3 note/a', '2 note/b'],
    );
    assert.equal(head.seq, 4);
  });

  test('the platform has settled when no run is active and every event is handled', async (t) => {
    const { client, ongoing } = await openActivity(t, open);

    assert.deepEqual(await client.getSettled(), { settled: true, eventsHandled: true, activeRuns: 0 });
    ongoing.activeRuns = 2;
    assert.equal((await client.getSettled()).settled, false);
    Object.assign(ongoing, { activeRuns: 0, eventsHandled: false });
    assert.equal((await client.getSettled()).settled, false);
  });

  test('a run that starts while the last events are being handled is seen', async (t) => {
    const { client, ongoing } = await openActivity(t, open);
    ongoing.whileAsked = () => Object.assign(ongoing, { activeRuns: 1, whileAsked: nobody });

    assert.deepEqual(await client.getSettled(), { settled: false, eventsHandled: true, activeRuns: 1 });
  });

  test('who waits until the platform has settled is answered when it has, and in time if it has not', async (t) => {
    const { client, ongoing, clock } = await openActivity(t, open);
    ongoing.activeRuns = 1;

    const waiting = client.getSettled({ query: { waitMs: 10_000 } });
    await until(() => ongoing.changed !== nobody);
    Object.assign(ongoing, { activeRuns: 0 }).changed();
    assert.equal((await waiting).settled, true);

    Object.assign(ongoing, { activeRuns: 1, changed: nobody });
    const inVain = client.getSettled({ query: { waitMs: 60 } });
    await until(() => ongoing.changed !== nobody);
    let answered = false;
    void inVain.finally(() => {
      answered = true;
    });
    await until(async () => {
      await clock.advance(10);
      return answered;
    });
    assert.deepEqual(await inVain, { settled: false, eventsHandled: true, activeRuns: 1 });
  });

  test('the chain is found whole while entries are being added', async (t) => {
    const { client, db } = await openActivity(t, open);
    const write = async () => {
      for (let i = 0; i < 40; i++) await db.transact(context, async (tx) => tx.audit(`note/${i}`));
    };

    const [, ...verdicts] = await Promise.all([write(), ...Array.from({ length: 10 }, () => client.verifyAudit())]);

    assert.ok(verdicts.every((verdict) => verdict.ok));
    assert.equal((await client.verifyAudit()).entries, 40);
  });
});
