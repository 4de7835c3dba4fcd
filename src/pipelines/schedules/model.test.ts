import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseCron } from './cron.ts';
import { decideTicks, freezeOf, type ScheduleState, tickParams } from './model.ts';
import { type ScheduleSpec, scheduleSpec } from './spec.ts';
import { ticksBetween } from './ticks.ts';

const MINUTE_MS = 60_000;
const at = (text: string): number => Date.parse(text);
const spec = (change: Readonly<Record<string, unknown>> = {}): ScheduleSpec =>
  scheduleSpec.parse({ pipeline: 'p', cron: '0 * * * *', ...change });
const from = (cursorAt: number): ScheduleState => ({ cursorAt, pausedAt: null });
const times = (ticks: readonly { readonly at: number }[]): string[] =>
  ticks.map((tick) => new Date(tick.at).toISOString().slice(11, 16));

test('a tick on time starts a run and moves the cursor to it', () => {
  const decision = decideTicks(spec(), from(at('2026-01-01T00:30Z')), at('2026-01-01T01:00:00.400Z'));

  assert.deepEqual(times(decision.due), ['01:00']);
  assert.equal(decision.missed, null);
  assert.equal(decision.cursorAt, at('2026-01-01T01:00Z'));
  assert.equal(decision.nextAt, at('2026-01-01T02:00Z'));
});

test('of missed ticks none, the newest or so many start a run, and the others are told', () => {
  const decide = (catchUp: ScheduleSpec['catchUp']) =>
    decideTicks(spec({ catchUp }), from(at('2026-01-01T00:30Z')), at('2026-01-01T05:30Z'));

  const none = decide('none');
  assert.deepEqual([none.due, none.missed], [[], { at: at('2026-01-01T05:00Z'), count: 5 }]);
  const latest = decide('latest');
  assert.deepEqual([times(latest.due), latest.missed?.count], [['05:00'], 4]);
  const all = decide({ all: 3 });
  assert.deepEqual([times(all.due), all.missed?.count], [['03:00', '04:00', '05:00'], 2]);
  assert.deepEqual(
    [none, latest, all].map(({ cursorAt }) => cursorAt),
    Array.from({ length: 3 }, () => at('2026-01-01T05:00Z')),
  );
});

test('a year without anybody there costs one decision, and does not count all that was missed', () => {
  const decision = decideTicks(spec({ cron: '* * * * *' }), from(at('2025-01-01T00:00Z')), at('2026-01-01T00:00Z'));

  assert.equal(decision.due.length, 2, 'the tick of this minute and that of a minute ago are on time');
  assert.equal(decision.missed?.count, 1_000);
});

test('a paused schedule decides nothing', () => {
  const state = { cursorAt: at('2026-01-01T00:00Z'), pausedAt: 1 };

  assert.deepEqual(decideTicks(spec(), state, at('2026-01-02T00:00Z')).due, []);
});

test('parameters are told the tick, the one before and the local date', () => {
  const params = { to: '${at}', from: '${previous}', day: 'day=${date}', n: 3 };
  const declared = spec({ cron: '30 0 * * *', timeZone: 'Europe/Berlin', params });
  const { due } = decideTicks(declared, from(at('2026-06-01T12:00Z')), at('2026-06-01T22:30Z'));

  assert.deepEqual(tickParams(declared, due[0] as (typeof due)[number]), {
    to: '2026-06-01T22:30:00.000Z',
    from: '2026-05-31T22:30:00.000Z',
    day: 'day=2026-06-02',
    n: 3,
  });
});

test('a freeze holds the pipelines that it names, or all, from its begin until just before its end', () => {
  const span = { reason: 'sale', from: '2026-11-27T00:00:00Z', to: '2026-11-30T00:00:00Z' };
  const some = { name: 'some', spec: { ...span, pipelines: ['p'] } };
  const all = { name: 'all', spec: { ...span, pipelines: [] } };

  assert.equal(freezeOf([some], 'p', at('2026-11-27T00:00Z')), some);
  assert.equal(freezeOf([some], 'p', at('2026-11-30T00:00Z')), undefined);
  assert.equal(freezeOf([some], 'q', at('2026-11-28T00:00Z')), undefined);
  assert.equal(freezeOf([all], 'q', at('2026-11-28T00:00Z')), all);
});

test('a spec that cannot work is refused with the field', () => {
  const issues = (change: Readonly<Record<string, unknown>>): string[] =>
    scheduleSpec
      .safeParse({ pipeline: 'p', cron: '0 * * * *', ...change })
      .error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];

  assert.match(issues({ cron: '0 25 * * *' }).join(), /^cron: hour '25': expected 0 to 23/);
  assert.match(issues({ timeZone: 'Mars/Olympus' }).join(), /^timeZone: expected a time zone by its IANA name/);
  assert.match(issues({ timeZone: '+02:00' }).join(), /^timeZone/);
  assert.equal(issues({ catchUp: { all: 0 } }).length, 1);
});

test('however the clock jumps, each tick up to the latest time seen starts one run, over daylight saving too', () => {
  const cases = fc.record({
    cron: fc.constantFrom('*/20 * * * *', '30 2 * * *', '0,45 1-3 * * *', '@hourly', '15 */2 * * *'),
    zone: fc.constantFrom('Europe/Berlin', 'America/New_York'),
    begin: fc.constantFrom('2026-03-28T20:00Z', '2026-10-24T20:00Z', '2026-03-08T02:00Z', '2026-11-01T00:00Z'),
    jumps: fc.array(
      fc.oneof(
        fc.integer({ min: 1, max: 90 }),
        fc.constantFrom(60, -60, -60, 61, -61, 180),
        fc.integer({ min: -90, max: 0 }),
      ),
      { minLength: 1, maxLength: 40 },
    ),
  });
  fc.assert(
    fc.property(cases, ({ cron, zone, begin, jumps }) => {
      const declared = spec({ cron, timeZone: zone, catchUp: { all: 1_000 } });
      let state = from(at(begin));
      let [now, latest] = [at(begin), at(begin)];
      const started: number[] = [];
      for (const minutes of jumps) {
        now += minutes * MINUTE_MS;
        latest = Math.max(latest, now);
        for (;;) {
          const { due, missed, cursorAt, nextAt } = decideTicks(declared, state, now);
          assert.equal(missed, null);
          assert.ok(cursorAt >= state.cursorAt && (nextAt ?? Number.POSITIVE_INFINITY) > cursorAt);
          if (due.length === 0) break;
          started.push(...due.map((tick) => tick.at));
          state = from(cursorAt);
        }
      }
      assert.deepEqual(started, [...ticksBetween(parseCron(cron), zone, at(begin), latest)]);
    }),
    { numRuns: 300 },
  );
});
