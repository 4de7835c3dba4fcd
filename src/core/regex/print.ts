import { type CodePoints, complement, LAST_CODE_POINT } from './code-points.ts';
import type { Place, Regex } from './parse.ts';

interface Syntax {
  readonly places: Readonly<Record<Place, string>>;
  readonly any: string;
  readonly none: string;
  /** A code point that is no ASCII letter or digit. */
  escape(code: number): string;
}

const RE2: Syntax = {
  places: {
    'text-start': '\\A',
    'text-end': '\\z',
    'line-start': '(?m:^)',
    'line-end': '(?m:$)',
    'word-boundary': '\\b',
    'no-word-boundary': '\\B',
  },
  any: '(?s:.)',
  none: '[^\\x{0}-\\x{10FFFF}]',
  escape: (code) => `\\x{${code.toString(16)}}`,
};

const POSTGRES: Syntax = {
  places: {
    'text-start': '\\A',
    'text-end': '\\Z',
    'line-start': '^',
    'line-end': '$',
    'word-boundary': '\\y',
    'no-word-boundary': '\\Y',
  },
  any: '.',
  none: '[^\\U00000001-\\U0010FFFF]',
  escape: (code) => `\\U${code.toString(16).padStart(8, '0')}`,
};

/** The expression as RE2 and its ports read it, without flags. */
export function re2Regex(regex: Regex): string {
  return printed(regex, RE2);
}

/**
 * The expression as PostgreSQL reads it, which is to compare by the collation "C": there a word is of ASCII letters. In
 * the mode w, `^` and `$` are of lines.
 */
export function postgresRegex(regex: Regex): string {
  return `(?w)${printed(regex, POSTGRES)}`;
}

function printed(regex: Regex, syntax: Syntax): string {
  switch (regex.kind) {
    case 'one-of':
      return printedSet(regex.set, syntax);
    case 'at':
      return syntax.places[regex.place];
    case 'sequence':
      return regex.of.map((part) => (part.kind === 'either' ? grouped(part, syntax) : printed(part, syntax))).join('');
    case 'either':
      return regex.of.map((part) => (part.kind === 'either' ? grouped(part, syntax) : printed(part, syntax))).join('|');
    default: {
      const of = regex.of.kind === 'one-of' ? printed(regex.of, syntax) : grouped(regex.of, syntax);
      return regex.max === 0 ? '(?:)' : `${of}${repetition(regex.min, regex.max)}`;
    }
  }
}

function grouped(regex: Regex, syntax: Syntax): string {
  return `(?:${printed(regex, syntax)})`;
}

function repetition(min: number, max: number | undefined): string {
  if (max === undefined) return min === 0 ? '*' : min === 1 ? '+' : `{${min},}`;
  return min === 0 && max === 1 ? '?' : `{${min},${max}}`;
}

function printedSet(set: CodePoints, syntax: Syntax): string {
  const [first] = set;
  if (!first) return syntax.none;
  if (set.length === 1 && first[0] === first[1]) return printedCode(first[0], syntax);
  const isOpen = set.at(-1)?.[1] === LAST_CODE_POINT;
  const shown = isOpen ? complement(set) : set;
  if (shown.length === 0) return syntax.any;
  const ranges = shown.map(([from, to]) =>
    from === to ? printedCode(from, syntax) : `${printedCode(from, syntax)}-${printedCode(to, syntax)}`,
  );
  return `[${isOpen ? '^' : ''}${ranges.join('')}]`;
}

function printedCode(code: number, syntax: Syntax): string {
  const character = String.fromCodePoint(code);
  return /^[A-Za-z0-9]$/.test(character) ? character : syntax.escape(code);
}
