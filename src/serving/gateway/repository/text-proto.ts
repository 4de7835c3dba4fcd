/**
 * Reads Protocol Buffers' text format (https://protobuf.dev/reference/protobuf/textformat-spec/) as far as model
 * configurations use it. A field that occurs more than once, or in brackets, has all its values in order.
 */
export interface TextMessage {
  readonly [field: string]: readonly (string | TextMessage)[];
}

const TOKEN = /\s+|#[^\n]*|"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|([\w.+-]+)|([{}[\]<>:,;])/gy;
const DEPTH_MAX = 32;

/** Throws an `Error` with the place of what it does not understand. */
export function parseTextProto(text: string): TextMessage {
  const tokens = tokensOf(text);
  let at = 0;
  const fail = (expected: string): never => {
    throw new Error(`expected ${expected} at ${tokens[at]?.place ?? 'the end'}`);
  };
  const taken = (symbol: string): boolean => {
    if (tokens[at]?.symbol !== symbol) return false;
    at += 1;
    return true;
  };
  const message = (end: string | undefined, depth: number): TextMessage => {
    if (depth > DEPTH_MAX) fail(`at most ${DEPTH_MAX} levels`);
    const fields: Record<string, (string | TextMessage)[]> = Object.create(null);
    for (;;) {
      if (at === tokens.length ? end === undefined : end !== undefined && taken(end)) return fields;
      const name = tokens[at]?.word ?? fail('a field');
      at += 1;
      fields[name] ??= [];
      const values = fields[name];
      const colon = taken(':');
      if (taken('[')) {
        while (!taken(']')) {
          values.push(value(depth, colon));
          taken(',');
        }
      } else {
        values.push(value(depth, colon));
      }
      if (!taken(',')) taken(';');
    }
  };
  const value = (depth: number, colon: boolean): string | TextMessage => {
    if (taken('{')) return message('}', depth + 1);
    if (taken('<')) return message('>', depth + 1);
    const token = tokens[at];
    const scalar = token?.text ?? token?.word;
    if (!colon || scalar === undefined) return fail('a value');
    at += 1;
    return scalar;
  };
  return message(undefined, 0);
}

interface Token {
  readonly place: string;
  readonly text?: string | undefined;
  readonly word?: string | undefined;
  readonly symbol?: string | undefined;
}

function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    end = match.index + match[0].length;
    const [, double, single, word, symbol] = match;
    const quoted = double ?? single;
    if (quoted === undefined && word === undefined && symbol === undefined) continue;
    const place = `line ${text.slice(0, match.index).split('\n').length}`;
    tokens.push({ place, text: quoted?.replace(/\\(.)/g, '$1'), word, symbol });
  }
  if (end === text.length) return tokens;
  throw new Error(`cannot be read from line ${text.slice(0, end).split('\n').length} on`);
}
