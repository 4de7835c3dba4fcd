import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { shellCommand } from './shell.ts';

test('a shell starts the program with exactly the words that it is given', () => {
  const nasty = fc.constantFrom(
    "'",
    '"',
    '\\',
    '$',
    '`',
    '!',
    '\n',
    ' ',
    ';',
    '&',
    '*',
    '~',
    '#',
    '(',
    '\u00fc',
    '-',
    '%',
  );
  const word = fc.string({ unit: fc.oneof(nasty, fc.string({ minLength: 1, maxLength: 1 })), maxLength: 12 });
  const words = fc.array(
    word.map((text) => text.replaceAll('\0', '')),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(words, (given) => {
      const line = shellCommand(['/usr/bin/env', 'printf', '%s\\0', ...given, 'end']);
      const { stdout, status } = spawnSync('/bin/sh', ['-c', line], { encoding: 'utf8' });
      assert.equal(status, 0);
      assert.deepEqual(stdout.split('\0'), [...given, 'end', '']);
    }),
    { numRuns: 30 },
  );
});
