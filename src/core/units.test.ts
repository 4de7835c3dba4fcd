import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { durationMs, formatBytes, formatDuration } from './units.ts';

test('durations are read in every unit, and anything else is refused with an example', () => {
  assert.deepEqual(
    ['250ms', '30s', '1.5m', '24h', '7d', '2w'].map(durationMs),
    [250, 30_000, 90_000, 86_400_000, 604_800_000, 1_209_600_000],
  );
  for (const text of ['', '5', 'h', '-1h', '1 h', '1h30m']) assert.throws(() => durationMs(text), /as in 24h/);
});

test('durations are written in units that carry over', () => {
  const cases: [number, string][] = [
    [0, '0 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [9_940, '9.9 s'],
    [9_960, '10 s'],
    [59_499, '59 s'],
    [59_999, '1 min 0 s'],
    [119_999, '2 min 0 s'],
    [3_599_999, '1 h'],
    [172_799_999, '2 d 0 h'],
    [259_199_999, '3 d 0 h'],
  ];
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
});

test('no written duration has sixty seconds or twenty-four hours beside a larger unit', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e10, noNaN: true }), (ms) => {
      assert.doesNotMatch(formatDuration(ms), /min 60 s|d 24 h|^60 s|1000 ms/);
    }),
  );
});

test('bytes are written in the largest unit of which there is one', () => {
  assert.deepEqual([0, 1023, 1024, 1536, 1_048_575, 1_048_576, 2 ** 50].map(formatBytes), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '1.0 MiB',
    '1.0 MiB',
    '1024.0 TiB',
  ]);
});
