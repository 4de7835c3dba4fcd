import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { endOf, spanRows } from './span-tree.ts';
import type { Span } from './trace.ts';

function span(id: string, parent: string | null, startUs: number, durationUs: number | null = 1): Span {
  return { id, parent, name: id, type: 'UNKNOWN', status: 'OK', startUs, durationUs };
}

const spans = [span('b', 'a', 5), span('a', null, 0, 9), span('d', 'c', 3), span('c', 'a', 2), span('lost', 'x', 1)];
const shown = (closed: readonly string[]) =>
  spanRows(spans, new Set(closed)).map(({ span: { id }, depth, within }) => `${'-'.repeat(depth)}${id}${within}`);

test('steps are below the step that called them, in the order in which they began', () => {
  assert.deepEqual(shown([]), ['a3', '-c1', '--d0', '-b0', 'lost0']);
  assert.deepEqual(shown(['c']), ['a3', '-c1', '-b0', 'lost0']);
  assert.deepEqual(shown(['a', 'd']), ['a3', 'lost0']);
  assert.equal(endOf(spans), 9);
});

test('every span is shown once, also where parents go round in a circle or a trace is very deep', () => {
  const ids = fc.integer({ min: 0, max: 7 });
  fc.assert(
    fc.property(fc.array(fc.tuple(ids, fc.nat(9)), { minLength: 8, maxLength: 8 }), (drawn) => {
      const made = drawn.map(([parent, at], i) => span(String(i), parent === 7 ? null : String(parent), at));
      const rows = spanRows(made, new Set());
      assert.deepEqual(rows.map((row) => row.span.id).sort(), made.map(({ id }) => id).sort());
    }),
  );
  const deep = Array.from({ length: 3_000 }, (_, i) => span(String(i), i === 0 ? null : String(i - 1), i));
  const rows = spanRows(deep, new Set());
  assert.deepEqual([rows.length, rows[0]?.within, rows.at(-1)?.depth], [3_000, 2_999, 2_999]);
});
