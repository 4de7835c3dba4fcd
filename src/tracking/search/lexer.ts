/** A piece of a filter or an order. `at` is its position in the text, in UTF-16 units from 0. */
export interface Token {
  readonly kind: 'word' | 'quoted' | 'string' | 'number' | 'operator' | '(' | ')' | ',' | 'end';
  readonly text: string;
  readonly at: number;
  /** Of a word, its parts between dots as they were written, each unquoted: `params."a b"` has two. */
  readonly parts?: readonly string[];
}

export type Refuse = (message: string, at: number) => Error;

const SPACE = /\s+/y;
const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\p{L}\p{N}_.])/uy;
const OPERATOR = /[<>!]=|[=<>]/y;
const PUNCTUATION = /[(),]/y;
const WORD = /[\p{L}_][\p{L}\p{N}_./-]*/uy;

/** Cuts a text into tokens; the last one is `end`. */
export function tokensOf(text: string, refuse: Refuse): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  while (at < text.length) {
    const space = match(SPACE);
    if (space !== undefined) {
      at += space.length;
      continue;
    }
    const token = tokenAt(text, at, { match, refuse });
    tokens.push(token.token);
    at = token.end;
  }
  tokens.push({ kind: 'end', text: '', at });
  return tokens;
}

interface Reading {
  readonly match: (pattern: RegExp) => string | undefined;
  readonly refuse: Refuse;
}

function tokenAt(text: string, at: number, { match, refuse }: Reading): { token: Token; end: number } {
  const first = text[at] ?? '';
  if (first === "'") {
    const { value, end } = quotedAt(text, at, refuse);
    return { token: { kind: 'string', text: value, at }, end };
  }
  const punctuation = match(PUNCTUATION);
  if (punctuation !== undefined) {
    return { token: { kind: punctuation as '(' | ')' | ',', text: punctuation, at }, end: at + 1 };
  }
  const number = match(NUMBER);
  if (number !== undefined) return { token: { kind: 'number', text: number, at }, end: at + number.length };
  const operator = match(OPERATOR);
  if (operator !== undefined) return { token: { kind: 'operator', text: operator, at }, end: at + operator.length };
  if (first === '"' || first === '`' || match(WORD) !== undefined) return wordAt(text, at, refuse);
  throw refuse(`'${first}' has no place in it`, at);
}

/** An entity, a dot and a key, where the end of the key, or all of it, may be quoted. The first dot parts them. */
function wordAt(text: string, start: number, refuse: Refuse): { token: Token; end: number } {
  const first = text[start];
  if (first === '"' || first === '`') {
    const { value, end } = quotedAt(text, start, refuse);
    return { token: { kind: 'quoted', text: value, at: start, parts: [value] }, end };
  }
  WORD.lastIndex = start;
  const word = WORD.exec(text)?.[0] ?? '';
  const end = start + word.length;
  const next = text[end];
  const dot = word.indexOf('.');
  if ((next === '"' || next === '`') && word.endsWith('.')) {
    const quoted = quotedAt(text, end, refuse);
    const parts = [word.slice(0, dot), word.slice(dot + 1) + quoted.value];
    return { token: { kind: 'word', text: text.slice(start, quoted.end), at: start, parts }, end: quoted.end };
  }
  const parts = dot < 0 ? [word] : [word.slice(0, dot), word.slice(dot + 1)];
  return { token: { kind: 'word', text: word, at: start, parts }, end };
}

/** A text in quotes; the quote itself is doubled in it. */
function quotedAt(text: string, start: number, refuse: Refuse): { value: string; end: number } {
  const quote = text[start] ?? '';
  let value = '';
  let at = start + 1;
  for (;;) {
    const next = text.indexOf(quote, at);
    if (next < 0) throw refuse(`the ${quote} that opens here is not closed`, start);
    value += text.slice(at, next);
    if (text[next + 1] !== quote) return { value, end: next + 1 };
    value += quote;
    at = next + 2;
  }
}
