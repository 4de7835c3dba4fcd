import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseCsv } from './csv.ts';

const LIMITS = { rowsMax: 1_000, cellsMax: 100 };

test('whatever was written as CSV is read back', () => {
  const cell = fc.oneof(fc.string(), fc.constantFrom('', ',', '"', '\n', '\r\n', ' a ', '""'));
  fc.assert(
    fc.property(
      fc.array(fc.array(cell, { minLength: 2, maxLength: 5 }), { maxLength: 8 }),
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
      (rows, end, last) => {
        const line = (row: readonly string[]): string =>
          row.map((text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)).join(',');
        const text = rows.map(line).join(end) + (last && rows.length > 0 ? end : '');
        assert.deepEqual(parseCsv(text, LIMITS), rows);
      },
    ),
  );
});

test('empty lines are no rows, and a quote has to be closed', () => {
  assert.deepEqual(parseCsv('a\n\n1\n', LIMITS), [['a'], ['1']]);
  assert.throws(() => parseCsv('a,"b\nc', LIMITS), /line 1 has a quote/);
  assert.throws(() => parseCsv('1\n2\n3', { ...LIMITS, rowsMax: 2 }), /more than 2 lines/);
  assert.throws(() => parseCsv('1,2,3', { ...LIMITS, cellsMax: 2 }), /more than 2 cells/);
});
