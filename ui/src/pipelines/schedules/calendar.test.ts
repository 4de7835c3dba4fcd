import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CalendarDay } from '#pipelines/schedules/contract';
import { countsOf, daysOf, entriesByDay, freezesOn, isDay, movedBy } from './calendar.ts';

const at = (text: string) => Date.parse(text);

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

test('the schedules of a day are in the order of their first ticks, and counted by what became of them', () => {
  const entry = (schedule: string, time: string, counts: Readonly<Record<string, number>>): CalendarDay => {
    const tick = { at: at(time), status: 'succeeded', run: null, reason: null };
    return { schedule, pipeline: 'p', day: time.slice(0, 10), counts, ticks: [tick] };
  };
  const entries = [
    entry('a', '2026-11-22T06:00Z', { succeeded: 1 }),
    entry('a', '2026-11-23T06:00Z', { scheduled: 1 }),
    entry('b', '2026-11-22T04:00Z', { failed: 1, succeeded: 2 }),
  ];
  const [first, second] = entriesByDay(entries).get('2026-11-22') ?? [];
  assert.deepEqual([first?.schedule, second?.schedule], ['b', 'a']);
  assert.deepEqual(first && countsOf(first), [
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
});
