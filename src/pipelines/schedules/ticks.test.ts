import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseCron } from './cron.ts';
import { lastTicks, ticksAfter, ticksBetween } from './ticks.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const at = (text: string): number => Date.parse(text);
const shown = (ticks: Iterable<number>): string[] =>
  [...ticks].map((tick) => new Date(tick).toISOString().slice(0, 16));
const between = (cron: string, zone: string, from: string, to: string): string[] =>
  shown(ticksBetween(parseCron(cron), zone, at(from) - 1, at(to)));

test('a time of the hour that is skipped comes at the end of the gap, once', () => {
  const day = ['2026-03-29T00:00Z', '2026-03-29T12:00Z'] as const;
  assert.deepEqual(between('30 2 * * *', 'Europe/Berlin', ...day), ['2026-03-29T01:00']);
  assert.deepEqual(between('0,30 2,3 * * *', 'Europe/Berlin', ...day), ['2026-03-29T01:00', '2026-03-29T01:30']);
  const american = ['2026-03-08T05:00Z', '2026-03-08T12:00Z'] as const;
  assert.deepEqual(between('15 2 * * *', 'America/New_York', ...american), ['2026-03-08T07:00']);
});

test('a time that occurs twice comes at its first occurrence', () => {
  const day = ['2026-10-24T22:00Z', '2026-10-25T12:00Z'] as const;
  assert.deepEqual(between('30 2 * * *', 'Europe/Berlin', ...day), ['2026-10-25T00:30']);
  assert.deepEqual(between('30 2 * * *', 'Europe/Berlin', '2026-10-25T00:45Z', '2026-10-25T12:00Z'), []);
  const american = ['2026-11-01T04:00Z', '2026-11-01T12:00Z'] as const;
  assert.deepEqual(between('30 1 * * *', 'America/New_York', ...american), ['2026-11-01T05:30']);
});

test('what is met in every hour follows real time through both changes', () => {
  const spring = between('*/30 * * * *', 'Europe/Berlin', '2026-03-29T00:00Z', '2026-03-29T02:00Z');
  const autumn = between('*/30 * * * *', 'Europe/Berlin', '2026-10-25T00:00Z', '2026-10-25T02:00Z');
  assert.equal(spring.length, 5);
  assert.equal(autumn.length, 5);
  assert.deepEqual(autumn.slice(0, 2), ['2026-10-25T00:00', '2026-10-25T00:30']);
});

test('odd zones are no exceptions: half an hour of daylight saving, a skipped day, no change at all', () => {
  const lordHowe = between('15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T00:00Z', '2026-10-04T00:00Z');
  assert.deepEqual(lordHowe, ['2026-10-03T15:30']);
  const apia = between('0 9 * * *', 'Pacific/Apia', '2011-12-29T00:00Z', '2012-01-01T00:00Z');
  assert.deepEqual(apia, ['2011-12-29T19:00', '2011-12-30T10:00', '2011-12-30T19:00', '2011-12-31T19:00']);
  assert.deepEqual(between('45 5 * * *', 'Asia/Kathmandu', '2026-01-01T00:00Z', '2026-01-02T00:00Z'), [
    '2026-01-01T00:00',
    '2026-01-02T00:00',
  ]);
});

test('rare days are found: the 29th of February over a century without one, and the last of several months', () => {
  assert.deepEqual(shown(ticksAfter(parseCron('0 0 29 2 *'), 'UTC', at('2096-03-01T00:00Z'), 1)), ['2104-02-29T00:00']);
  assert.deepEqual(shown(ticksAfter(parseCron('0 12 31 * *'), 'UTC', at('2026-01-31T12:00Z'), 2)), [
    '2026-03-31T12:00',
    '2026-05-31T12:00',
  ]);
});

test('both day fields restricted means either, a star means both', () => {
  const june = ['2026-06-01T00:00Z', '2026-06-30T23:59Z'] as const;
  assert.equal(between('0 0 13 * fri', 'UTC', ...june).length, 5);
  assert.equal(between('0 0 */2 * fri', 'UTC', ...june).length, 2);
  assert.deepEqual(between('@monthly', 'UTC', ...june), ['2026-06-01T00:00']);
  assert.deepEqual(between('0 0 * jun 7', 'UTC', ...june), between('0 0 * 6 sun', 'UTC', ...june));
});

test('what is no cron expression is refused with the field and what it expects', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['* * * *', /has 4 fields: expected minute, hour/],
    ['60 * * * *', /minute '60': expected 0 to 59/],
    ['* 5-1 * * *', /hour '5-1'/],
    ['* * * * 8', /day of week '8': expected 0 to 7 or sun to sat/],
    ['* * 0 * *', /day of month '0'/],
    ['*/0 * * * *', /minute '\*\/0'/],
    ['1,,2 * * * *', /minute ''/],
    ['0 0 31 2,4 *', /never comes/],
    ['* * * foo *', /month 'foo'/],
    ['@reboot', /has 1 fields/],
  ];
  for (const [text, message] of refused) assert.throws(() => parseCron(text), message, text);
});

const ZONES = [
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Africa/Casablanca',
  'America/St_Johns',
  'Asia/Tehran',
  'Pacific/Apia',
  'UTC',
] as const;

/** A field as the oracle understands it, a set, beside its text. */
const field = (min: number, max: number) =>
  fc.oneof(
    fc.constant({ text: '*', values: range(min, max, 1) }),
    fc.integer({ min: 2, max: 12 }).map((by) => ({ text: `*/${by}`, values: range(min, max, by) })),
    fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 3 }).map((values) => ({
      text: values.join(','),
      values,
    })),
  );
const range = (min: number, max: number, by: number): number[] => {
  const values: number[] = [];
  for (let value = min; value <= max; value += by) values.push(value);
  return values;
};

interface Fields {
  readonly minute: readonly number[];
  readonly hour: readonly number[];
  readonly day: readonly number[];
  readonly week: readonly number[];
  readonly either: boolean;
}

/** The wall clock at an instant as Intl formats it, a text for each minute that sorts like time. */
function wallClock(zone: string) {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    ...{ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' },
  });
  return (instant: number): string => format.format(instant);
}

function isMet(fields: Fields, wall: string): boolean {
  const [date = '', time = ''] = wall.split(' ');
  const [hour, minute] = time.split(':').map(Number) as [number, number];
  const ofMonth = fields.day.includes(Number(date.slice(8)));
  const ofWeek = fields.week.includes(new Date(`${date}T00:00Z`).getUTCDay());
  const day = fields.either ? ofMonth || ofWeek : ofMonth && ofWeek;
  return fields.minute.includes(minute) && fields.hour.includes(hour) && day;
}

/** Walks from minute to minute and looks at the clock, as a person with a calendar would. */
function byMinutes(fields: Fields, zone: string, from: number, to: number): number[] {
  const clock = wallClock(zone);
  const everyHour = fields.hour.length === 24;
  const seen = new Set<string>();
  const found: number[] = [];
  let last = clock(from - 30 * HOUR_MS);
  for (let now = from - 30 * HOUR_MS; now < to; now += MINUTE_MS) {
    const wall = clock(now);
    let due = isMet(fields, wall) && (everyHour || !seen.has(wall));
    if (!everyHour) {
      for (let gone = Date.parse(`${last}Z`) + MINUTE_MS; gone < Date.parse(`${wall}Z`); gone += MINUTE_MS) {
        const skipped = new Date(gone).toISOString().slice(0, 16).replace('T', ' ');
        if (!seen.has(skipped) && isMet(fields, skipped)) due = true;
      }
    }
    seen.add(wall);
    last = wall;
    if (due && now >= from) found.push(now);
  }
  return found;
}

/** Instants around which clocks are changed, and some at which nothing happens. */
const begins = fc
  .record({
    base: fc.constantFrom(
      '2026-03-07T12:00Z',
      '2026-03-28T12:00Z',
      '2026-10-24T12:00Z',
      '2026-10-31T12:00Z',
      '2026-04-04T00:00Z',
      '2026-10-03T00:00Z',
      '2026-02-15T00:00Z',
      '2026-03-22T00:00Z',
      '2021-09-21T12:00Z',
      '2011-12-29T00:00Z',
      '2026-07-01T00:00Z',
    ),
    minutes: fc.nat(36 * 60),
  })
  .map(({ base, minutes }) => at(base) + minutes * MINUTE_MS);

test('the ticks are those that a walk from minute to minute by the wall clock finds, in every zone', () => {
  const cases = fc.record({
    minute: field(0, 59),
    hour: field(0, 23),
    day: field(1, 31),
    week: field(0, 6),
    zone: fc.constantFrom(...ZONES),
    begin: begins,
    hours: fc.integer({ min: 1, max: 40 }),
  });
  fc.assert(
    fc.property(cases, ({ minute, hour, day, week, zone, begin, hours }) => {
      const cron = parseCron(`${minute.text} ${hour.text} ${day.text} * ${week.text}`);
      const either = !day.text.startsWith('*') && !week.text.startsWith('*');
      const fields = { minute: minute.values, hour: hour.values, day: day.values, week: week.values, either };
      const end = begin + hours * HOUR_MS;
      const expected = byMinutes(fields, zone, begin, end);
      assert.deepEqual(shown(ticksBetween(cron, zone, begin - 1, end - 1)), shown(expected));
      const span = { after: begin - 1, until: end - 1, count: 5 };
      assert.deepEqual(shown(lastTicks(cron, zone, span)), shown(expected.slice(-5)));
    }),
    { numRuns: 150 },
  );
});
