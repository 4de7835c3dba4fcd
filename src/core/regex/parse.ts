import {
  type CodePoints,
  complement,
  FIRST_CODE_POINT,
  LAST_CODE_POINT,
  type Range,
  union,
  withOtherCases,
} from './code-points.ts';

/**
 * A regular expression that can be matched in time linear in the text: there are no back references and nothing looks
 * around. Sets are spelled out, so that it means the same to every engine that it is printed for.
 */
export type Regex =
  | { readonly kind: 'one-of'; readonly set: CodePoints }
  | { readonly kind: 'at'; readonly place: Place }
  | { readonly kind: 'sequence' | 'either'; readonly of: readonly Regex[] }
  | { readonly kind: 'repeat'; readonly of: Regex; readonly min: number; readonly max: number | undefined };

export type Place = 'text-start' | 'text-end' | 'line-start' | 'line-end' | 'word-boundary' | 'no-word-boundary';

/** What is wrong with an expression, and at which of its characters, counted from 0. */
export class RegexError extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.name = 'RegexError';
    this.at = at;
  }
}

const LENGTH_MAX = 1_000;
const DEPTH_MAX = 50;
const REPEAT_MAX = 255;
/** With every counted repetition written out: what there is to match, what may be left out, and positions. */
const SIZE_MAX = 1_000;
const OPTIONAL_MAX = 200;
const PLACES_MAX = 10;

/**
 * Reads RE2's syntax without `\p`, `\Q` and `\C`: literals, `.`, classes, `\d \w \s \b` (ASCII), groups of every form,
 * `|`, greedy and lazy repetition, `^ $ \A \z \Z`, and the flags i, m and s. Lazy is read as greedy: whether there is
 * a match does not depend on it. `$` is the end of the text, and of lines with the flag m.
 *
 * Errors: {@link RegexError}, which names what there is not: look-around, back references, possessive repetition.
 */
export function parseRegex(text: string): Regex {
  const characters = [...text];
  if (characters.length > LENGTH_MAX) {
    throw new RegexError(`is longer than ${LENGTH_MAX} characters`, LENGTH_MAX);
  }
  return new Parser(characters).whole();
}

interface Flags {
  readonly ignoreCase: boolean;
  readonly lines: boolean;
  readonly dotAll: boolean;
}

/** A part with what it comes to when each of its repetitions is written out. */
interface Part {
  readonly regex: Regex;
  readonly size: number;
  readonly optional: number;
  readonly places: number;
}

const NO_FLAGS: Flags = { ignoreCase: false, lines: false, dotAll: false };
const FLAG_NAMES: Readonly<Record<string, keyof Flags>> = { i: 'ignoreCase', m: 'lines', s: 'dotAll' };
const LINE_FEED = 0x0a;
const ANY: CodePoints = [[FIRST_CODE_POINT, LAST_CODE_POINT]];
const range = (first: string, last: string): Range => [first.codePointAt(0) ?? 0, last.codePointAt(0) ?? 0];

const DIGITS: CodePoints = [range('0', '9')];
const UPPER: CodePoints = [range('A', 'Z')];
const LOWER: CodePoints = [range('a', 'z')];
const LETTERS = union(UPPER, LOWER);
const WORD = union(DIGITS, LETTERS, [range('_', '_')]);
/** Tab, line feed, form feed, carriage return, space: RE2's, which leaves the vertical tab out. */
const SPACE: CodePoints = [[0x09, 0x0a], [0x0c, 0x0d], range(' ', ' ')];

const CLASSES: Readonly<Record<string, CodePoints>> = {
  d: DIGITS,
  w: WORD,
  s: SPACE,
  D: complement(DIGITS),
  W: complement(WORD),
  S: complement(SPACE),
};
const NAMED_CLASSES: Readonly<Record<string, CodePoints>> = {
  alnum: union(DIGITS, LETTERS),
  alpha: LETTERS,
  blank: [[0x09, 0x09], range(' ', ' ')],
  digit: DIGITS,
  lower: LOWER,
  punct: [range('!', '/'), range(':', '@'), range('[', '`'), range('{', '~')],
  space: union(SPACE, [[0x0b, 0x0b]]),
  upper: UPPER,
  word: WORD,
  xdigit: union(DIGITS, [range('A', 'F')], [range('a', 'f')]),
};
const PLACES: Readonly<Record<string, Place>> = {
  A: 'text-start',
  z: 'text-end',
  Z: 'text-end',
  b: 'word-boundary',
  B: 'no-word-boundary',
};
const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

class Parser {
  readonly #text: readonly string[];
  #at = 0;

  constructor(text: readonly string[]) {
    this.#text = text;
  }

  whole(): Regex {
    const { regex } = this.#either(NO_FLAGS, 0);
    if (this.#at < this.#text.length) throw this.#wrong("has a ')' that closes nothing");
    return regex;
  }

  #either(flags: Flags, depth: number): Part {
    if (depth > DEPTH_MAX) throw this.#wrong(`is nested deeper than ${DEPTH_MAX} groups`);
    let current = flags;
    const branches: Part[] = [];
    let parts: Part[] = [];
    while (this.#at < this.#text.length && this.#peek() !== ')') {
      if (this.#take('|')) {
        branches.push(this.#joined('sequence', parts));
        parts = [];
        continue;
      }
      const set = this.#flagsAlone(current);
      if (set) current = set;
      else parts.push(this.#repeated(this.#atom(current, depth)));
    }
    branches.push(this.#joined('sequence', parts));
    return this.#joined('either', branches);
  }

  /** `(?i)`, which holds from here to the end of the group. */
  #flagsAlone(flags: Flags): Flags | undefined {
    const found = /^\(\?([a-zA-Z-]*)\)/.exec(this.#rest(20));
    if (!found) return undefined;
    const changed = this.#flags(found[1] ?? '', flags);
    this.#at += found[0].length;
    return changed;
  }

  #flags(text: string, flags: Flags): Flags {
    let changed = flags;
    let on = true;
    if (text === '') throw this.#wrong("has '(?' and no flags");
    for (const letter of text) {
      if (letter === '-' && on) on = false;
      else {
        const name = Object.hasOwn(FLAG_NAMES, letter) ? FLAG_NAMES[letter] : undefined;
        if (!name) throw this.#wrong(`sets the flag '${letter}'; there are i, m and s`);
        changed = { ...changed, [name]: on };
      }
    }
    return changed;
  }

  #atom(flags: Flags, depth: number): Part {
    const character = this.#peek();
    if (/^[*+?]$/.test(character)) throw this.#wrong(`repeats nothing with '${character}'`);
    if (this.#take('(')) return this.#group(flags, depth);
    if (this.#take('[')) return one(this.#bracketed(flags));
    if (this.#take('.')) return one(flags.dotAll ? ANY : complement([[LINE_FEED, LINE_FEED]]));
    if (this.#take('^')) return at(flags.lines ? 'line-start' : 'text-start');
    if (this.#take('$')) return at(flags.lines ? 'line-end' : 'text-end');
    if (character === '\\') {
      const place = PLACES[this.#text[this.#at + 1] ?? ''];
      if (!place) return one(this.#escaped(flags));
      this.#at += 2;
      return at(place);
    }
    return one(this.#cases([this.#next()], flags));
  }

  #group(flags: Flags, depth: number): Part {
    let inner = flags;
    const head = this.#rest(300);
    const named = /^\?P?<[A-Za-z_][A-Za-z0-9_]*>/.exec(head);
    const flagged = /^\?([a-zA-Z-]*):/.exec(head);
    if (named) this.#at += named[0].length;
    else if (flagged) {
      if (flagged[1] !== '') inner = this.#flags(flagged[1] ?? '', flags);
      this.#at += flagged[0].length;
    } else if (head.startsWith('?')) throw this.#wrong(refusedGroup(head));
    const start = this.#at;
    const part = this.#either(inner, depth + 1);
    if (!this.#take(')')) throw new RegexError("has a '(' that is not closed", start - 1);
    return part;
  }

  #repeated(part: Part): Part {
    const repetition = this.#repetition();
    if (!repetition) return part;
    const { min, max } = repetition;
    if (part.regex.kind === 'at') throw this.#wrong('repeats a position, where nothing is to repeat');
    if (min > REPEAT_MAX || (max ?? 0) > REPEAT_MAX) throw this.#wrong(`repeats more than ${REPEAT_MAX} times`);
    if (max !== undefined && max < min) throw this.#wrong('repeats at most fewer times than at least');
    if (this.#take('+')) throw this.#wrong('has possessive repetition, which there is not');
    this.#take('?');
    if (this.#repetition()) throw this.#wrong('repeats a repetition: put it into a group');
    const times = Math.max(1, max ?? min + 1);
    const optional = max === undefined ? 1 : max - min;
    return this.#bounded({
      regex: { kind: 'repeat', of: part.regex, min, max },
      size: part.size * times,
      optional: part.optional * times + optional,
      places: part.places * times,
    });
  }

  #repetition(): { readonly min: number; readonly max: number | undefined } | undefined {
    if (this.#take('*')) return { min: 0, max: undefined };
    if (this.#take('+')) return { min: 1, max: undefined };
    if (this.#take('?')) return { min: 0, max: 1 };
    const counted = /^\{(\d+)(,(\d*))?\}/.exec(this.#rest(60));
    if (!counted) return undefined;
    this.#at += counted[0].length;
    const min = Number(counted[1]);
    if (counted[2] === undefined) return { min, max: min };
    return { min, max: counted[3] === '' ? undefined : Number(counted[3]) };
  }

  /** A class after its opening bracket, which a `]` that comes first does not close. */
  #bracketed(flags: Flags): CodePoints {
    const start = this.#at - 1;
    const negated = this.#take('^');
    let set: CodePoints = [];
    for (let first = true; first || this.#peek() !== ']'; first = false) {
      if (this.#at >= this.#text.length) throw new RegexError("has a '[' that is not closed", start);
      set = union(set, this.#classItem(flags));
    }
    this.#at += 1;
    return negated ? complement(set) : set;
  }

  #classItem(flags: Flags): CodePoints {
    const named = /^\[:(\^?)([a-z]+):\]/.exec(this.#rest(20));
    if (named) {
      const set = Object.hasOwn(NAMED_CLASSES, named[2] ?? '') ? NAMED_CLASSES[named[2] ?? ''] : undefined;
      if (!set) throw this.#wrong(`names the class '${named[2]}', which there is not`);
      this.#at += named[0].length;
      return named[1] === '^' ? complement(set) : set;
    }
    const low = this.#classEnd();
    if (typeof low !== 'number') return low;
    const isRange = this.#peek() === '-' && ![']', undefined].includes(this.#text[this.#at + 1]);
    if (!isRange) return this.#cases([[low, low]], flags);
    this.#at += 1;
    const high = this.#classEnd();
    if (typeof high !== 'number' || high < low) throw this.#wrong('has a range whose end is not after its start');
    return this.#cases([[low, high]], flags);
  }

  /** A code point of a class, or a class of its own such as `\d`. */
  #classEnd(): number | CodePoints {
    if (this.#peek() !== '\\') return this.#next()[0];
    const letter = this.#text[this.#at + 1] ?? '';
    if (letter === 'b') throw this.#wrong("has '\\b' in a class");
    const set = this.#escaped(NO_FLAGS);
    return Object.hasOwn(CLASSES, letter) ? set : (set[0]?.[0] ?? 0);
  }

  #escaped(flags: Flags): CodePoints {
    const letter = this.#text[this.#at + 1];
    if (letter === undefined) throw this.#wrong("ends in a '\\'");
    if (Object.hasOwn(CLASSES, letter)) {
      this.#at += 2;
      return CLASSES[letter] ?? [];
    }
    const code = this.#escapedCode(letter);
    return this.#cases([[code, code]], flags);
  }

  #escapedCode(letter: string): number {
    if (/^[1-9gk]$/.test(letter)) throw this.#wrong(`refers back with '\\${letter}'; there are no back references`);
    const braced = /^\\x\{([0-9a-fA-F]{1,8})\}/.exec(this.#rest(15));
    const digits = Object.hasOwn(HEX_DIGITS, letter) ? HEX_DIGITS[letter] : undefined;
    if (braced || digits !== undefined) {
      const hex = braced ?? new RegExp(`^\\\\[xuU]([0-9a-fA-F]{${digits}})`).exec(this.#rest(15));
      const code = Number.parseInt(hex?.[1] ?? '', 16);
      if (!hex || code > LAST_CODE_POINT || code === 0) throw this.#wrong('escapes a code point that there is not');
      if (code >= 0xd800 && code <= 0xdfff) throw this.#wrong('escapes half of a surrogate pair');
      this.#at += hex[0].length;
      return code;
    }
    const control = Object.hasOwn(CONTROLS, letter) ? CONTROLS[letter] : undefined;
    if (control === undefined && /^[\p{L}\p{N}]$/u.test(letter)) {
      throw this.#wrong(`escapes '${letter}', which means nothing`);
    }
    this.#at += 2;
    return control ?? letter.codePointAt(0) ?? 0;
  }

  #cases(set: CodePoints, { ignoreCase }: Flags): CodePoints {
    return ignoreCase ? withOtherCases(set) : set;
  }

  #joined(kind: 'sequence' | 'either', parts: readonly Part[]): Part {
    const [only] = parts;
    if (parts.length === 1 && only) return only;
    const total = (of: (part: Part) => number) => parts.reduce((sum, part) => sum + of(part), 0);
    return this.#bounded({
      regex: { kind, of: parts.map(({ regex }) => regex) },
      size: Math.max(
        1,
        total(({ size }) => size),
      ),
      optional: total(({ optional }) => optional),
      places: total(({ places }) => places),
    });
  }

  #bounded(part: Part): Part {
    const over = (what: string, max: number) =>
      this.#wrong(`comes to more than ${max} ${what}, repetitions written out`);
    if (part.size > SIZE_MAX) throw over('characters', SIZE_MAX);
    if (part.optional > OPTIONAL_MAX) throw over('parts that may be absent', OPTIONAL_MAX);
    if (part.places > PLACES_MAX) throw over('positions such as ^ and \\b', PLACES_MAX);
    return part;
  }

  #peek(): string {
    return this.#text[this.#at] ?? '';
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at += 1;
    return true;
  }

  #next(): Range {
    const code = this.#peek().codePointAt(0) ?? 0;
    this.#at += 1;
    return [code, code];
  }

  #rest(length: number): string {
    return this.#text.slice(this.#at, this.#at + length).join('');
  }

  #wrong(message: string): RegexError {
    return new RegexError(message, this.#at);
  }
}

function one(set: CodePoints): Part {
  return { regex: { kind: 'one-of', set }, size: 1, optional: 0, places: 0 };
}

function at(place: Place): Part {
  return { regex: { kind: 'at', place }, size: 1, optional: 0, places: 1 };
}

function refusedGroup(head: string): string {
  if (/^\?<?[=!]/.test(head)) return `looks around with '(${/^\?<?[=!]/.exec(head)?.[0]}'; there is no look-around`;
  if (head.startsWith('?P=')) return "refers back with '(?P='; there are no back references";
  if (head.startsWith('?>')) return "has an atomic group '(?>', which there is not";
  if (head.startsWith('?#')) return "has a comment '(?#', which there is not";
  return `has a group '(${head.slice(0, 3)}', which there is not`;
}
