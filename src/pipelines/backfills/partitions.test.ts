import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { partitionOf, partitionsBetween, partitionsSpec } from './partitions.ts';

const spec = (change: Readonly<Record<string, unknown>>) => partitionsSpec.parse({ param: 'day', ...change });
const now = Date.parse('2026-03-02T12:00Z');

test('partitions of the calendar begin where they are declared and end with the last that is over', () => {
  const names = (every: string, span: { from?: string; to?: string } = {}) =>
    partitionsBetween(spec({ every, from: '2026-01-15' }), { ...span, now }, 10_000);

  assert.deepEqual(names('day').slice(-3), ['2026-02-27', '2026-02-28', '2026-03-01']);
  assert.equal(names('day').length, 46);
  assert.deepEqual(names('month'), ['2026-01-01', '2026-02-01']);
  assert.deepEqual(names('week').slice(0, 2), ['2026-01-12', '2026-01-19']);
  assert.equal(names('week').at(-1), '2026-02-23');
  assert.deepEqual(names('hour').at(-1), '2026-03-02T11:00Z');
  assert.deepEqual(names('day', { from: '2026-02-01', to: '2026-02-03' }), ['2026-02-01', '2026-02-02']);
  assert.deepEqual(partitionsBetween(spec({ values: ['eu', 'us'] }), { now }, 10), ['eu', 'us']);
});

test('a value of the parameter is a partition when it names one exactly', () => {
  const daily = spec({ every: 'day', from: '2026-01-01' });

  assert.equal(partitionOf(daily, '2026-02-03'), '2026-02-03');
  assert.equal(partitionOf(daily, Date.parse('2026-02-03')), '2026-02-03');
  assert.equal(partitionOf(daily, '2026-02-03T01:00Z'), undefined);
  assert.equal(partitionOf(daily, 'soon'), undefined);
  assert.equal(partitionOf(spec({ values: ['eu'] }), 'us'), undefined);
});

test('every partition names itself, and they follow each other without a gap', () => {
  const cases = fc.record({
    every: fc.constantFrom('hour', 'day', 'week', 'month'),
    from: fc.integer({ min: 0, max: 3_000 }).map((day) => new Date(day * 86_400_000).toISOString().slice(0, 10)),
    days: fc.integer({ min: 1, max: 120 }),
  });
  fc.assert(
    fc.property(cases, ({ every, from, days }) => {
      const declared = spec({ every, from });
      const until = Date.parse(from) + days * 86_400_000;
      const names = partitionsBetween(declared, { now: until }, 10_000);
      assert.deepEqual(names, [...new Set(names)].sort());
      for (const name of names) assert.equal(partitionOf(declared, name), name);
      const further = partitionsBetween(declared, { now: until + 40 * 86_400_000 }, 10_000);
      assert.deepEqual(further.slice(0, names.length), names);
    }),
  );
});
