import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csvRows } from './csv.ts';

const all = { separator: ',', rowsMax: 100, isCut: false } as const;

test('quotes keep separators, line breaks and quotes within a field', () => {
  assert.deepEqual(csvRows('a,"b, c"\r\n"x\ny","say ""hi"""\n', all), [
    ['a', 'b, c'],
    ['x\ny', 'say "hi"'],
  ]);
});

test('a last row without a line break counts, unless the text was cut off in it', () => {
  assert.deepEqual(csvRows('a,b\n1,2', all), [
    ['a', 'b'],
    ['1', '2'],
  ]);
  assert.deepEqual(csvRows('a,b\n1,2', { ...all, isCut: true }), [['a', 'b']]);
  assert.deepEqual(csvRows('a\tb\n1\t2\n3\t4\n', { separator: '\t', rowsMax: 2, isCut: false }), [
    ['a', 'b'],
    ['1', '2'],
  ]);
});
