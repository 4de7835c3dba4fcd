/** What an expression may ask about: what the request sent. Features of views are looked up later. */
export interface Attributes {
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly entities: Readonly<Record<string, string>> | undefined;
}

/** Throws nothing and ends in a time that depends on the length of the expression alone. */
export type FlagTest = (request: Attributes) => boolean;

export const FLAG_LENGTH_MAX = 1_000;
const DEPTH_MAX = 20;

type Value = string | number | boolean | undefined;
type Node = (request: Attributes) => Value;

interface Token {
  readonly kind: 'name' | 'text' | 'quoted' | 'number' | 'sign' | 'end';
  readonly text: string;
  readonly at: number;
}

/**
 * Compiles a condition on a request, in the manner of SQL:
 *
 *     inputs.amount >= 1000 and entities.country in ('DE', 'FR') and not starts_with(entities.customer, 'test-')
 *
 * - names: `inputs.<name>`, `entities.<name>`, odd ones in double quotes (`inputs."days left"`)
 * - `= != <> < <= > >=`, `in (…)`, `is missing`, `is not missing`, `and`, `or`, `not`, parentheses
 * - texts in single quotes (`''` for one), numbers, `true`, `false`
 * - `starts_with(a, b)`, `ends_with(a, b)`, `contains(a, b)`
 *
 * There is nothing else: no loops, no patterns, no access to anything but the request, so a condition can neither harm
 * nor hang a gateway. A comparison with what is missing, or of values of different kinds, is false. Throws an `Error`
 * that says what was expected where.
 */
export function parseFlag(text: string): FlagTest {
  if (text.length > FLAG_LENGTH_MAX) throw new Error(`has ${text.length} characters, at most ${FLAG_LENGTH_MAX} fit`);
  const parser = new Parser(tokensOf(text));
  const node = parser.either(0);
  parser.expect('end', '');
  return (request) => node(request) === true;
}

const TOKEN =
  /\s*(?:([A-Za-z_][\w]*)|'((?:[^']|'')*)'|"([^"]+)"|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(<=|>=|<>|!=|[=<>(),.]))/y;

function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  for (let at = 0; at < end; ) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (!found) throw new Error(`cannot be read from character ${at + 1} on: ${text.slice(at, at + 20)}`);
    const [whole, name, quoted, odd, number, sign] = found;
    if (name !== undefined) tokens.push({ kind: 'name', text: name, at });
    else if (quoted !== undefined) tokens.push({ kind: 'text', text: quoted.replaceAll("''", "'"), at });
    else if (odd !== undefined) tokens.push({ kind: 'quoted', text: odd, at });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number, at });
    else tokens.push({ kind: 'sign', text: sign ?? '', at });
    at += whole.length;
  }
  return [...tokens, { kind: 'end', text: '', at: end }];
}

const COMPARISONS: Readonly<Record<string, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '!=': (order) => order !== 0,
  '<>': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

const FUNCTIONS: Readonly<Record<string, (text: string, part: string) => boolean>> = {
  starts_with: (text, part) => text.startsWith(part),
  ends_with: (text, part) => text.endsWith(part),
  contains: (text, part) => text.includes(part),
};

/** Recursive descent, one method a level of precedence. */
class Parser {
  readonly #tokens: readonly Token[];
  #place = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  either(depth: number): Node {
    if (depth > DEPTH_MAX) throw new Error(`is nested more than ${DEPTH_MAX} deep`);
    let left = this.#both(depth);
    while (this.#takeWord('or')) {
      const [a, b] = [left, this.#both(depth)];
      left = (request) => a(request) === true || b(request) === true;
    }
    return left;
  }

  #both(depth: number): Node {
    let left = this.#negated(depth);
    while (this.#takeWord('and')) {
      const [a, b] = [left, this.#negated(depth)];
      left = (request) => a(request) === true && b(request) === true;
    }
    return left;
  }

  #negated(depth: number): Node {
    if (!this.#takeWord('not')) return this.#compared(depth);
    if (depth > DEPTH_MAX) throw new Error(`is nested more than ${DEPTH_MAX} deep`);
    const inner = this.#negated(depth + 1);
    return (request) => inner(request) !== true;
  }

  #compared(depth: number): Node {
    const left = this.#operand(depth);
    const { kind, text } = this.#peek();
    const compare = kind === 'sign' ? COMPARISONS[text] : undefined;
    if (compare) {
      this.#place += 1;
      const right = this.#operand(depth);
      return (request) => {
        const order = orderOf(left(request), right(request));
        return order !== undefined && compare(order);
      };
    }
    if (this.#takeWord('in')) {
      const known = new Set(this.#literals());
      return (request) => known.has(left(request));
    }
    if (this.#takeWord('is')) {
      const negated = this.#takeWord('not');
      if (!this.#takeWord('missing')) this.#fail('missing');
      return (request) => (left(request) === undefined) !== negated;
    }
    return left;
  }

  #literals(): Value[] {
    this.expect('sign', '(');
    const values: Value[] = [];
    do values.push(this.#literal());
    while (this.#takeSign(','));
    this.expect('sign', ')');
    return values;
  }

  #literal(): Value {
    const { kind, text } = this.#next();
    if (kind === 'text') return text;
    if (kind === 'number') return Number(text);
    if (kind === 'name' && /^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
    this.#place -= 1;
    return this.#fail("a text in '…', a number, true or false");
  }

  #operand(depth: number): Node {
    if (this.#takeSign('(')) {
      const inner = this.either(depth + 1);
      this.expect('sign', ')');
      return inner;
    }
    const { kind, text } = this.#peek();
    if (kind === 'name' && (text === 'inputs' || text === 'entities')) {
      this.#place += 1;
      return this.#attribute(text);
    }
    const test = kind === 'name' && Object.hasOwn(FUNCTIONS, text) ? FUNCTIONS[text] : undefined;
    if (test) return this.#call(test, depth);
    const value = this.#literal();
    return () => value;
  }

  #attribute(of: 'inputs' | 'entities'): Node {
    this.expect('sign', '.');
    const { kind, text: name } = this.#next();
    if (kind !== 'name' && kind !== 'quoted') {
      this.#place -= 1;
      this.#fail(`a name after ${of}.`);
    }
    return (request) => {
      const values = request[of];
      const value = values && Object.hasOwn(values, name) ? values[name] : undefined;
      return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
    };
  }

  #call(test: (text: string, part: string) => boolean, depth: number): Node {
    this.#place += 1;
    this.expect('sign', '(');
    const text = this.#operand(depth + 1);
    this.expect('sign', ',');
    const part = this.#operand(depth + 1);
    this.expect('sign', ')');
    return (request) => {
      const [a, b] = [text(request), part(request)];
      return typeof a === 'string' && typeof b === 'string' && test(a, b);
    };
  }

  expect(kind: Token['kind'], text: string): void {
    const next = this.#peek();
    if (next.kind !== kind || next.text !== text) this.#fail(kind === 'end' ? 'the end' : `'${text}'`);
    this.#place += 1;
  }

  #takeWord(word: string): boolean {
    const { kind, text } = this.#peek();
    const taken = kind === 'name' && text.toLowerCase() === word;
    if (taken) this.#place += 1;
    return taken;
  }

  #takeSign(sign: string): boolean {
    const { kind, text } = this.#peek();
    const taken = kind === 'sign' && text === sign;
    if (taken) this.#place += 1;
    return taken;
  }

  #peek(): Token {
    return this.#tokens[Math.min(this.#place, this.#tokens.length - 1)] as Token;
  }

  #next(): Token {
    const token = this.#peek();
    this.#place += 1;
    return token;
  }

  #fail(expected: string): never {
    const { text, kind, at } = this.#peek();
    throw new Error(`character ${at + 1}: expected ${expected}, found ${kind === 'end' ? 'the end' : `'${text}'`}`);
  }
}

/** Negative, 0 or positive; undefined where two values cannot be compared. */
function orderOf(a: Value, b: Value): number | undefined {
  if (a === undefined || typeof a !== typeof b || b === undefined || Number.isNaN(a) || Number.isNaN(b))
    return undefined;
  return a < b ? -1 : a > b ? 1 : 0;
}
