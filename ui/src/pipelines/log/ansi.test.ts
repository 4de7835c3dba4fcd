import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ansiPieces, plainText } from './ansi.ts';

const ESC = '\u001b';

test('colours and marks become looks, which a reset ends', () => {
  assert.deepEqual(ansiPieces(`plain ${ESC}[1;31mfailed${ESC}[22m soft${ESC}[0m end`), [
    { text: 'plain ', look: '' },
    { text: 'failed', look: 'ansi-bold ansi-fg-1' },
    { text: ' soft', look: 'ansi-fg-1' },
    { text: ' end', look: '' },
  ]);
  assert.deepEqual(ansiPieces(`${ESC}[92;44mok${ESC}[m`), [{ text: 'ok', look: 'ansi-fg-10 ansi-bg-4' }]);
});

test('colours of 256 and of red, green and blue are the closest of sixteen', () => {
  const colours = ['38;5;9', '38;5;46', '38;2;0;95;215', '38;2;30;30;30', '38;5;250'];
  const looks = colours.map((code) => ansiPieces(`${ESC}[${code}mx`)[0]?.look);
  assert.deepEqual(looks, ['ansi-fg-9', 'ansi-fg-10', 'ansi-fg-12', 'ansi-fg-0', 'ansi-fg-7']);
});

test('what moves a cursor, names a window or is cut off is left out, and a progress bar shows its last state', () => {
  assert.equal(plainText(`a${ESC}[2K${ESC}]0;title\u0007b${ESC}[1Ac${ESC}[`), 'abc');
  assert.equal(plainText('10 %\r50 %\r100 %\r'), '100 %');
  assert.equal(plainText('a\tb\u0000c'), 'a\tbc');
});

test('no control character is left of any text, and printable text stays as it is', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(ESC, '[', ']', ';', '3', '1', 'm', 'K', '\r', '\u0007', 'x', 'ä') }),
      (text) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must be gone.
        assert.doesNotMatch(plainText(text), /[\u0000-\u0008\u000b-\u001f]/);
      },
    ),
  );
  fc.assert(fc.property(fc.string({ unit: 'grapheme-ascii' }), (text) => assert.equal(plainText(text), text)));
});
