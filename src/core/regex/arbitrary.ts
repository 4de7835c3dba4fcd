import fc from 'fast-check';
import { parseRegex, RegexError } from './parse.ts';

/** Expressions that JavaScript reads as RE2 does, with its flag u, and that come to no more than is taken. */
export const regexPatterns: fc.Arbitrary<string> = fc
  .letrec<{ pattern: string }>((tie) => ({
    pattern: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.constantFrom(
        'a',
        'B',
        '1',
        '_',
        '\\.',
        '[ab]',
        '[^b]',
        '[a-c1]',
        '\\d',
        '\\W',
        '\\s',
        'é',
        'Ω',
        '[^\\d_]',
        '.',
      ),
      fc.constantFrom('^', '$', '\\b', '\\B', '(?:)'),
      fc.tuple(tie('pattern'), tie('pattern')).map((parts) => parts.join('')),
      fc.tuple(tie('pattern'), tie('pattern')).map((parts) => `(?:${parts.join('|')})`),
      fc
        .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '*?', '{2}', '{1,3}', '{0,2}?', '{2,}'))
        .map(([of, times]) => `(?:x|${of})${times}`),
    ),
  }))
  .pattern.filter((pattern) => !isTooLarge(pattern));

function isTooLarge(pattern: string): boolean {
  try {
    parseRegex(pattern);
    return false;
  } catch (error) {
    return error instanceof RegexError && /^comes to more than/.test(error.message);
  }
}

/** Texts of the letters that those have. JavaScript finds `\B` within a surrogate pair, so that none has one. */
export const regexTexts = fc.string({
  unit: fc.constantFrom('a', 'B', 'b', '1', '_', '.', ' ', 'x', 'é', 'Ω', '\n'),
  maxLength: 12,
});
