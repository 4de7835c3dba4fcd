import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { regexPatterns, regexTexts } from './arbitrary.ts';
import { parseRegex, RegexError } from './parse.ts';
import { postgresRegex, re2Regex } from './print.ts';

const hasMatch = (pattern: string, text: string) => RE2JS.compile(re2Regex(parseRegex(pattern))).test(text);

test('an expression finds what JavaScript finds by it', () => {
  fc.assert(
    fc.property(regexPatterns, fc.array(regexTexts, { minLength: 5, maxLength: 5 }), (expression, texts) => {
      for (const one of texts)
        assert.equal(hasMatch(expression, one), new RegExp(expression, 'u').test(one), expression);
    }),
    { numRuns: 300 },
  );
});

test('expressions at random are within what is taken', () => {
  // One of some hundred would not be; this seed has such ones.
  fc.assert(
    fc.property(regexPatterns, (expression) => void parseRegex(expression)),
    { seed: -237852262, numRuns: 3_000 },
  );
});

test('letters of either case are found where case does not matter, and only there', () => {
  for (const [expression, found, other] of [
    ['(?i)straße', 'STRAẞE', 'STRASSE'],
    ['(?i)k', '\u212a', 'c'],
    ['(?i)[a-c]+$', 'xAbC', 'xyz'],
    ['(?i)[^a]', 'B', 'A'],
    ['(?i)ς', 'Σ', 'S'],
    ['(?i)i', 'I', 'ı'],
    ['a(?i)b', 'aB', 'AB'],
    ['(?i:a)b', 'Ab', 'AB'],
    ['(?i)a(?-i)b', 'Ab', 'aB'],
    ['(?i)a|b', 'B', 'c'],
    ['(?:(?i)a)b', 'Ab', 'AB'],
  ] as const) {
    assert.equal(hasMatch(expression, found), true, expression);
    assert.equal(hasMatch(expression, other), false, expression);
  }
});

test('escapes and classes mean what they mean in RE2', () => {
  for (const [expression, found, other] of [
    ['^\\x41\\u0042\\x{1F600}\\U00000043$', 'AB😀C', 'AB'],
    ['^[]a]$', ']', 'b'],
    ['^[^]a]$', 'b', ']'],
    ['^[a-]$', '-', 'b'],
    ['^[\\]\\-\\n]$', '\n', 'n'],
    ['^[[:upper:][:^alnum:]]$', '!', 'a'],
    ['^a{,2}$', 'a{,2}', 'aa'],
    ['^\\A(?P<name>b)\\z', 'b', 'b\n'],
    ['a}]', 'a}]', 'a'],
  ] as const) {
    assert.equal(hasMatch(expression, found), true, expression);
    assert.equal(hasMatch(expression, other), false, expression);
  }
  assert.equal(postgresRegex(parseRegex('^a.\\b(?m:$)')), '(?w)\\Aa[^\\U0000000a]\\y$');
});

test('what cannot be matched in linear time, is too large or cannot be read is refused by its name', () => {
  for (const [expression, told] of [
    ['a(?=b)', /'\(\?='; there is no look-around/],
    ['a(?!b)', /no look-around/],
    ['(?<=a)b', /no look-around/],
    ['(?<!a)b', /no look-around/],
    ['(a)\\1', /'\\1'; there are no back references/],
    ['(?P<n>a)(?P=n)', /no back references/],
    ['(?<n>a)\\k<n>', /no back references/],
    ['a*+', /possessive/],
    ['(?>a)', /atomic/],
    ['(?#a)', /comment/],
    ['(?x)a', /the flag 'x'/],
    ['(?|a)', /which there is not/],
    ['a**', /repeats a repetition/],
    ['*a', /repeats nothing/],
    ['(?:|*)', /repeats nothing/],
    ['\\b+', /repeats a position/],
    ['a{3,2}', /at most fewer/],
    ['a{256}', /more than 255 times/],
    ['(a{100}){100}', /more than 1000 characters/],
    ['(?:a?){201}', /more than 200 parts/],
    ['(?:\\ba){11}', /more than 10 positions/],
    ['('.repeat(60), /deeper than 50/],
    ['a'.repeat(1_001), /longer than 1000/],
    ['(a', /'\(' that is not closed/],
    ['a)', /'\)' that closes nothing/],
    ['[a', /'\[' that is not closed/],
    ['[b-a]', /range/],
    ['[[:no:]]', /class 'no'/],
    ['[\\b]', /in a class/],
    ['\\pL', /escapes 'p'/],
    ['\\u00', /code point/],
    ['\\x{110000}', /code point/],
    ['\\ud800', /surrogate/],
    ['\\x00', /code point/],
    ['a\\', /ends in/],
  ] as const) {
    assert.throws(
      () => parseRegex(expression),
      (error) => error instanceof RegexError && told.test(error.message),
      expression,
    );
  }
});

test('any text is read or refused, and what is read both engines can be given', () => {
  const hostile = fc.string({ unit: fc.constantFrom(...'ab1()[]{}*+?|^$.\\-,:<>=!PxuimsdwbAzQ'), maxLength: 12 });
  fc.assert(
    fc.property(hostile, (expression) => {
      let read: ReturnType<typeof parseRegex>;
      try {
        read = parseRegex(expression);
      } catch (error) {
        assert.ok(error instanceof RegexError, String(error));
        return;
      }
      RE2JS.compile(re2Regex(read));
      assert.ok(postgresRegex(read).startsWith('(?w)'));
    }),
    { numRuns: 500 },
  );
});
