import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LogLine } from '#pipelines/contract';
import { appended, emptyWindow, prepended } from './log-window.ts';

const linesFrom = (first: number, count: number, length = 10): LogLine[] =>
  Array.from({ length: count }, (_, at) => {
    return { position: first + at, epoch: 1, number: first + at, at: 0, stream: 'stdout', text: 'x'.repeat(length) };
  });

test('a window that is full drops the other end and knows that there is more', () => {
  const limits = { lines: 30, characters: 1_000 };
  const full = appended(appended(emptyWindow, linesFrom(100, 20), limits), linesFrom(120, 20), limits);
  assert.deepEqual([full.lines[0]?.position, full.lines.length, full.hasOlder, full.hasNewer], [110, 30, true, false]);
  const back = prepended(full, { items: linesFrom(90, 20), hasOlder: false }, limits);
  assert.deepEqual([back.lines[0]?.position, back.lines.length, back.hasOlder, back.hasNewer], [90, 30, false, true]);
});

test('few long lines fill it as many short ones do', () => {
  const long = appended(emptyWindow, linesFrom(1, 10, 400), { lines: 30, characters: 1_000 });
  assert.deepEqual([long.lines.length, long.lines.at(-1)?.position], [2, 10]);
});

test('whatever is added, the lines follow each other and the limit holds', () => {
  const limits = { lines: 25, characters: 10_000 };
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 20 }))), (moves) => {
      let window = appended(emptyWindow, linesFrom(10_000, 5), limits);
      for (const [isForward, count] of moves) {
        const [first, last] = [window.lines[0]?.position ?? 0, window.lines.at(-1)?.position ?? 0];
        window = isForward
          ? appended(window, linesFrom(last + 1, count), limits)
          : prepended(window, { items: linesFrom(first - count, count), hasOlder: true }, limits);
        const positions = window.lines.map(({ position }) => position);
        assert.ok(positions.length <= limits.lines);
        assert.deepEqual(
          positions,
          positions.map((_, at) => (positions[0] ?? 0) + at),
        );
      }
    }),
  );
});
