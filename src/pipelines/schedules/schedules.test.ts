import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { KedgeError } from '#core/errors';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import { pipelineMigrations } from '../index.ts';
import { command, context, openPipelines } from '../testing.ts';
import type { CalendarDay } from './contract.ts';
import { Schedules } from './service.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const apply = { ...context, action: 'resource.apply' };

/** Pipelines whose pipeline `p` is declared, and two control planes that look at the clock. */
async function openSchedules(t: TestContext, open: OpenDatabase) {
  const p = await openPipelines(t, open);
  await p.declare([{ name: 'a', command: command('a'), cache: false }], { params: { until: { type: 'timestamp' } } });
  const start = p.service.startRunIn.bind(p.service);
  const plane = () => new Schedules({ ...p.deps, startRunIn: start });
  const [schedules, other] = [plane(), plane()];
  const settle = async (): Promise<void> => {
    while ((await Promise.all([schedules.look(), other.look()])).some((due) => due > 0)) {
      // Until neither finds anything due.
    }
  };
  return {
    ...p,
    schedules,
    plane,
    settle,
    schedule: (spec: Readonly<Record<string, unknown>> = {}, name = 'nightly') =>
      p.resources.apply(apply, [
        { kind: 'schedule', name, spec: { pipeline: 'p', cron: '@hourly', params: { until: '${at}' }, ...spec } },
      ]),
    started: async (name = 'nightly') =>
      (await schedules.ticks(name, { limit: 1_000 })).items
        .filter(({ outcome }) => outcome === 'started')
        .map((tick) => new Date(tick.at).toISOString().slice(0, 16))
        .reverse(),
    runs: async () => (await p.service.runs({ limit: 1_000 })).items,
  };
}

forEachDialect('Schedules', pipelineMigrations, (open) => {
  test('a tick starts one run, in its name and with its parameters, however many look at the clock', async (t) => {
    const s = await openSchedules(t, open);
    await s.schedule();

    await s.clock.advance(2 * HOUR_MS + 200);
    await s.settle();

    const runs = await s.runs();
    assert.equal(runs.length, 1, 'the newest of two that are late');
    const at = Date.UTC(2001, 0, 1, 2);
    assert.deepEqual(runs[0]?.params, { until: at });
    assert.deepEqual(runs[0]?.cause, { kind: 'schedule', id: 'schedule/nightly', depth: 1, at });
    const view = await s.schedules.get('nightly');
    assert.deepEqual([view.last?.outcome, view.last?.run, view.nextAt], ['started', runs[0]?.run, at + HOUR_MS]);
    const entries = await s.audit();
    assert.ok(entries.some(({ actor, action }) => actor === 'schedule/nightly' && action === 'pipeline-run.start'));
    const held = await s.events('schedule.held');
    assert.deepEqual(
      held.map(({ data }) => (data as { outcome: string }).outcome),
      ['missed'],
    );
  });

  test('between two looks the job wakes in the moment at which a tick is due, and for nothing else', async (t) => {
    const s = await openSchedules(t, open);
    await s.schedule();
    const after = s.clock.after.bind(s.clock);
    const { promise: asleep, resolve } = Promise.withResolvers<number>();
    t.mock.method(s.clock, 'after', (delayMs: number, callback: () => void) => {
      resolve(delayMs);
      return after(delayMs, callback);
    });
    const job = s.schedules.job();
    // That of the system tells parts of milliseconds, and starts anywhere.
    const monotonic = s.clock.monotonic.bind(s.clock);
    t.mock.method(s.clock, 'monotonic', () => monotonic() / 7 - 0.3);

    await s.clock.advance(HOUR_MS - 300 - job.everyMs);
    await job.run(new AbortController().signal);
    await s.clock.advance(job.everyMs);
    const looked = job.run(new AbortController().signal);
    assert.equal(await asleep, 300);
    await s.clock.advance(300);
    await looked;

    const { items } = await s.schedules.ticks('nightly', { limit: 10 });
    const at = Date.UTC(2001, 0, 1, 1);
    assert.deepEqual(
      items.map((tick) => [tick.at, tick.outcome, tick.decidedAt]),
      [[at, 'started', at]],
    );
  });

  test('with the clock an hour forward and an hour back each tick has one run, also after restarts', async (t) => {
    const s = await openSchedules(t, open);
    await s.schedule({ cron: '*/30 * * * *', catchUp: { all: 100 } });

    for (const minutes of [31, 60, -60, 20, 45, -60, 60, 90, -30, 30]) {
      await s.clock.advance(minutes * MINUTE_MS);
      const again = s.plane();
      await again.look();
      await s.settle();
    }

    const expected = Array.from({ length: 6 }, (_, i) => new Date(Date.UTC(2001, 0, 1) + (i + 1) * 30 * MINUTE_MS));
    assert.deepEqual(
      await s.started(),
      expected.map((time) => time.toISOString().slice(0, 16)),
    );
    assert.equal((await s.runs()).length, 6);
  });

  test('over the change of clocks in two zones the right ticks come, and no others', async (t) => {
    const s = await openSchedules(t, open);
    const walk = async (from: number, days: number) => {
      await s.clock.advance(from - s.clock.now());
      await s.schedule({ cron: '30 2 * * *', timeZone: 'Europe/Berlin' }, 'berlin');
      await s.schedule({ cron: '30 1 * * *', timeZone: 'America/New_York' }, 'new-york');
      for (let i = 0; i < 48 * days; i++) {
        await s.clock.advance(30 * MINUTE_MS);
        await s.settle();
      }
      const ticks = [await s.started('berlin'), await s.started('new-york')];
      for (const name of ['berlin', 'new-york']) await s.resources.remove(apply, 'schedule', name);
      return ticks.map((found) => found.filter((tick) => Date.parse(`${tick}Z`) > from));
    };

    const [spring] = await walk(Date.UTC(2026, 2, 28, 12), 2);
    const [autumn, november] = await walk(Date.UTC(2026, 9, 24, 12), 10);

    assert.deepEqual(spring, ['2026-03-29T01:00', '2026-03-30T00:30']);
    assert.deepEqual(autumn?.slice(0, 2), ['2026-10-25T00:30', '2026-10-26T01:30']);
    assert.deepEqual(november?.slice(-3), ['2026-11-01T05:30', '2026-11-02T06:30', '2026-11-03T06:30']);
    assert.deepEqual([autumn?.length, november?.length], [10, 10]);
  });

  test('of many that are due together one that breaks takes nothing of the others with it', async (t) => {
    const s = await openSchedules(t, open);
    const names = Array.from({ length: 30 }, (_, i) => `s${String(i).padStart(2, '0')}`);
    for (const name of names) await s.schedule({}, name);
    const breaking = new Schedules({
      ...s.deps,
      startRunIn: (tx, request) =>
        request.cause.id === 'schedule/s05'
          ? Promise.reject(new Error('out of luck'))
          : s.service.startRunIn(tx, request),
    });
    await s.clock.advance(HOUR_MS + 200);

    await assert.rejects(breaking.look(), /out of luck/);
    const before = await s.runs();
    assert.deepEqual(
      before.map(({ cause }) => cause.id).sort(),
      names.slice(0, 5).map((name) => `schedule/${name}`),
    );
    await s.settle();

    assert.deepEqual(
      (await s.runs()).map(({ cause }) => cause.id).sort(),
      names.map((name) => `schedule/${name}`),
    );
  });

  test('a look that fails leaves no run and no tick, and the next one decides it', async (t) => {
    const s = await openSchedules(t, open);
    await s.schedule();
    await s.clock.advance(HOUR_MS);
    let dies = true;
    const broken = new Schedules({
      ...s.deps,
      startRunIn: async (tx, request) => {
        const run = await s.service.startRunIn(tx, request);
        if (dies) throw new Error('the process ends');
        return run;
      },
    });

    await assert.rejects(broken.look(), /the process ends/);
    assert.deepEqual([await s.runs(), await s.started()], [[], []]);
    dies = false;
    await broken.look();
    assert.equal((await s.runs()).length, 1);
  });

  test('a paused schedule starts nothing, and is resumed from now on or from where it was paused', async (t) => {
    const s = await openSchedules(t, open);
    await s.schedule({ catchUp: { all: 10 } });
    await s.schedules.pause({ ...context, action: 'schedule.pause' }, 'nightly', 'holidays');
    await s.clock.advance(3 * HOUR_MS);
    await s.settle();
    const paused = await s.schedules.get('nightly');
    assert.deepEqual([paused.pausedBy, paused.pauseReason, paused.nextAt], ['user:ada', 'holidays', null]);
    assert.deepEqual(await s.runs(), []);

    await s.schedules.resume({ ...context, action: 'schedule.resume' }, 'nightly', false);
    await s.settle();
    assert.deepEqual(await s.runs(), []);
    await s.schedules.pause({ ...context, action: 'schedule.pause' }, 'nightly', undefined);
    await s.clock.advance(2 * HOUR_MS);
    await s.schedules.resume({ ...context, action: 'schedule.resume' }, 'nightly', true);
    await s.settle();
    assert.deepEqual(await s.started(), ['2001-01-01T04:00', '2001-01-01T05:00']);
  });

  test('a freeze, a run that goes on and a pipeline that refuses hold a tick and say why', async (t) => {
    const s = await openSchedules(t, open);
    await s.schedule({ overlap: 'skip' });
    const span = { from: '2001-01-01T02:30:00Z', to: '2001-01-01T03:30:00Z', reason: 'inventory' };
    await s.resources.apply(apply, [{ kind: 'freeze', name: 'january', spec: { ...span, pipelines: ['p'] } }]);
    for (let i = 0; i < 3; i++) {
      await s.clock.advance(HOUR_MS);
      await s.settle();
    }
    await s.succeed((await s.lease())[0]!);
    await s.db.maintain((tx) =>
      tx.db
        .updateTable('pipeline')
        .set({ spec: JSON.stringify({ params: {}, steps: [] }) })
        .execute(),
    );
    await s.clock.advance(HOUR_MS);
    await s.settle();

    const { items } = await s.schedules.ticks('nightly', { limit: 10 });
    const [run] = await s.runs();
    assert.deepEqual(
      items.map(({ outcome, reason }) => [outcome, reason]),
      [
        ['failed', "pipeline 'p': params.until the pipeline declares no such parameter (it declares: none)"],
        ['frozen', "freeze 'january': inventory"],
        ['overlapped', `run ${run?.run} has not ended`],
        ['started', null],
      ],
    );
  });

  test('a schedule whose runs could not start is refused, and so is one of a pipeline that is not there', async (t) => {
    const s = await openSchedules(t, open);
    const code = (expected: string) => (error: unknown) => error instanceof KedgeError && error.code === expected;

    await assert.rejects(s.schedule({ params: {} }), code('pipelines/invalid-params'));
    await assert.rejects(s.schedule({ params: { until: 'soon' } }), code('pipelines/invalid-params'));
    await assert.rejects(s.schedule({ pipeline: 'none' }), code('resources/missing-reference'));
    await assert.rejects(s.schedules.get('none'), code('pipelines/schedule-not-found'));
    await s.schedule();
    await assert.rejects(s.resources.remove(apply, 'pipeline', 'p'), code('resources/in-use'));
  });

  test('other times count from their declaration, and a deleted schedule that returns repeats nothing', async (t) => {
    const s = await openSchedules(t, open);
    await s.schedule();
    await s.clock.advance(HOUR_MS);
    await s.settle();
    await s.schedule({ cron: '*/5 * * * *' });
    await s.settle();
    assert.equal((await s.runs()).length, 1);

    await s.resources.remove(apply, 'schedule', 'nightly');
    await s.clock.advance(-10 * MINUTE_MS);
    await s.schedule();
    await s.clock.advance(10 * MINUTE_MS);
    await s.settle();
    assert.deepEqual(await s.started(), ['2001-01-01T01:00']);
    assert.equal((await s.runs()).length, 1);
  });

  test('a page of schedules is listed with what their last ticks did by one query', async (t) => {
    const s = await openSchedules(t, open);
    for (const name of ['a', 'b', 'c']) await s.schedule({ cron: name === 'b' ? '@yearly' : '@hourly' }, name);
    await s.clock.advance(2 * HOUR_MS);
    await s.settle();

    const asked = t.mock.method(s.db.reader, 'selectFrom');
    const { items, next } = await s.schedules.list({ pipeline: 'p', limit: 2 });
    assert.equal(asked.mock.callCount(), 1);
    const at = Date.UTC(2001, 0, 1, 2);
    assert.deepEqual(
      [next, ...items.map(({ schedule, last, nextAt }) => [schedule, last?.outcome, last?.at, nextAt])],
      ['b', ['a', 'started', at, at + HOUR_MS], ['b', undefined, undefined, Date.UTC(2002, 0, 1)]],
    );
    assert.deepEqual(items[0], await s.schedules.get('a'));
    assert.deepEqual(
      (await s.schedules.list({ after: next, limit: 2 })).items.map(({ schedule }) => schedule),
      ['c'],
    );
  });

  test('next ticks are told with the local time, and lists go page by page', async (t) => {
    const s = await openSchedules(t, open);
    await s.clock.advance(Date.UTC(2026, 2, 28, 12) - s.clock.now());
    await s.schedule({ cron: '30 1,2 * * *', timeZone: 'Europe/Berlin' });
    await s.schedule({}, 'other');

    const { items } = await s.schedules.next('nightly', 3);
    assert.deepEqual(
      items.map(({ local, offset }) => `${local} ${offset}`),
      ['2026-03-29 01:30 +01:00', '2026-03-29 03:00 +02:00', '2026-03-30 01:30 +02:00'],
    );
    const page = await s.schedules.list({ limit: 1 });
    const rest = await s.schedules.list({ limit: 1, after: page.next });
    assert.deepEqual(
      [...page.items, ...rest.items].map(({ schedule }) => schedule),
      ['nightly', 'other'],
    );
    assert.equal(rest.next, undefined);
  });

  test('a calendar has what became of ticks and those to come, by the local days of a zone', async (t) => {
    const s = await openSchedules(t, open);
    await s.schedule({ cron: '0 22 * * *' }, 'late');
    await s.schedule({ cron: '*/30 * * * *', catchUp: { all: 100 } });
    const freeze = { reason: 'closed', from: '2001-01-03T00:00:00Z', to: '2001-01-04T00:00:00Z' };
    await s.resources.apply(apply, [{ kind: 'freeze', name: 'books', spec: freeze }]);
    await s.clock.advance(HOUR_MS);
    await s.settle();
    const day = (date: number) => Date.UTC(2001, 0, date);
    const query = { from: day(1), to: day(4), timeZone: 'UTC', limit: 100, each: 3 };
    const told = ({ schedule, day: at, counts, ticks }: CalendarDay) => [schedule, at, counts, ticks.length];

    const first = await s.schedules.calendar({ ...query, limit: 1 });
    const { items } = await s.schedules.calendar({ ...query, after: first.next });
    const zoned = await s.schedules.calendar({ ...query, schedule: 'late', timeZone: 'Asia/Tokyo' });
    const march = {
      from: Date.UTC(2001, 2, 24),
      to: Date.UTC(2001, 2, 27),
      timeZone: 'Europe/Berlin',
      schedule: 'late',
    };
    const summer = await s.schedules.calendar({ ...query, ...march });
    await s.schedules.pause(context, 'late', 'moving house');
    const paused = await s.schedules.calendar({ ...query, schedule: 'late', to: day(2) });

    assert.deepEqual(
      [first.next, ...first.items.map(told)],
      [
        'late',
        ['late', '2001-01-01', { scheduled: 1 }, 1],
        ['late', '2001-01-02', { scheduled: 1 }, 1],
        ['late', '2001-01-03', { held: 1 }, 1],
      ],
    );
    assert.equal(first.items[2]?.ticks[0]?.reason, 'will be held: closed');
    assert.deepEqual(items.map(told), [
      ['nightly', '2001-01-01', { queued: 2, scheduled: 45 }, 3],
      ['nightly', '2001-01-02', { scheduled: 48 }, 3],
      ['nightly', '2001-01-03', { held: 48 }, 3],
    ]);
    const runs = new Set((await s.runs()).map(({ run }) => run));
    assert.ok(runs.has(items[0]?.ticks[1]?.run ?? ''));
    assert.deepEqual(
      zoned.items.map(({ day: at }) => at),
      ['2001-01-02', '2001-01-03', '2001-01-04'],
    );
    assert.deepEqual(
      summer.items.map(({ day: at }) => at),
      ['2001-03-24', '2001-03-26', '2001-03-27'],
      'the day on which clocks go forward ends an hour early by UTC',
    );
    assert.deepEqual(paused.items[0]?.ticks, [
      { at: day(1) + 22 * HOUR_MS, status: 'held', run: null, reason: 'moving house' },
    ]);
    const last = { from: Date.UTC(9_999, 11, 30), to: Date.UTC(9_999, 11, 31), timeZone: 'Pacific/Kiritimati' };
    assert.equal((await s.schedules.calendar({ ...query, ...last })).items.at(-1)?.day, '9999-12-31');
    await assert.rejects(s.schedules.calendar({ ...query, schedule: 'none' }), {
      code: 'pipelines/schedule-not-found',
    });
  });
});
