import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CalendarTick, countsOf, daysOf, entriesByDay, freezesOn, heldTick, isDay, movedBy } from './calendar.ts';

const at = (text: string) => Date.parse(text);
const tick = (schedule: string, time: string, status = 'succeeded'): CalendarTick => {
  return { schedule, at: at(time), status, run: null, reason: null };
};

test('a week begins on Monday, and a month has the whole of its first and last week', () => {
  assert.deepEqual(daysOf('week', '2026-11-22').slice(0, 1), ['2026-11-16']);
  const month = daysOf('month', '2026-02-14');
  assert.deepEqual([month[0], month.at(-1), month.length], ['2026-01-26', '2026-03-01', 35]);
  assert.deepEqual(
    [movedBy('month', '2026-01-31', 1), movedBy('week', '2026-01-01', -1)],
    ['2026-02-01', '2025-12-25'],
  );
  assert.deepEqual(['2026-02-29', 'today', undefined, '2026-02-28'].map(isDay), [false, false, false, true]);
});

test('a tick is on the day that its time zone has then, through both changes of daylight saving', () => {
  const ticks = [
    tick('late', '2026-10-24T22:30Z'),
    tick('late', '2026-10-25T22:30Z'),
    tick('early', '2026-03-28T23:10Z'),
  ];
  const days = ['2026-03-29', '2026-10-25', '2026-10-26'];
  const named = (zone: string) =>
    [...entriesByDay(ticks, days, zone)].map(([day, entries]) => `${day} ${entries.map((e) => e.schedule)}`);
  assert.deepEqual(named('Europe/Berlin'), ['2026-03-29 early', '2026-10-25 late', '2026-10-26 ']);
  assert.deepEqual(named('UTC'), ['2026-03-29 ', '2026-10-25 late', '2026-10-26 ']);
});

test('ticks of a day are together by schedule, and counted by what became of them', () => {
  const ticks = [
    tick('b', '2026-11-22T05:00Z', 'failed'),
    tick('a', '2026-11-22T06:00Z'),
    tick('b', '2026-11-22T04:00Z'),
    tick('b', '2026-11-22T07:00Z'),
  ];
  const [first, second] = entriesByDay(ticks, ['2026-11-22'], 'UTC').get('2026-11-22') ?? [];
  assert.deepEqual([first?.schedule, second?.schedule], ['b', 'a']);
  assert.deepEqual(countsOf(first?.ticks ?? []), [
    ['succeeded', 2],
    ['failed', 1],
  ]);
});

test('a freeze is on each day that it has a part of, and not on the one at whose midnight it ends', () => {
  const freeze = { name: 'f', reason: '', from: at('2026-11-27T22:00Z'), to: at('2026-11-29T00:00Z'), pipelines: [] };
  const on = (zone: string) => ['27', '28', '29'].map((day) => freezesOn([freeze], `2026-11-${day}`, zone).length);
  assert.deepEqual(
    [on('UTC'), on('Asia/Tokyo')],
    [
      [1, 1, 0],
      [0, 1, 1],
    ],
  );
  const coming = tick('nightly', '2026-11-28T02:30Z', 'scheduled');
  const held = (pipelines: readonly string[]) => heldTick(coming, [{ ...freeze, pipelines }], 'train').status;
  assert.deepEqual([held([]), held(['train']), held(['other'])], ['held', 'held', 'scheduled']);
});
