/** A lexical element of TypeScript. Comments are kept apart, see {@link Tokens}. */
export interface Token {
  readonly kind: 'name' | 'punctuator' | 'string' | 'template' | 'number' | 'regex' | 'jsx';
  /** As written; of a string literal what is between its quotes. */
  readonly text: string;
  readonly line: number;
}

export interface Comment {
  readonly text: string;
  readonly line: number;
}

export interface Tokens {
  readonly tokens: readonly Token[];
  readonly comments: readonly Comment[];
}

/**
 * Splits TypeScript into tokens. It knows strings, templates with substitutions, comments, regular expressions and,
 * with `jsx`, elements, so that nothing inside those is taken for code. It does not check the syntax.
 */
export function tokenize(text: string, options: { readonly jsx: boolean }): Tokens {
  const lexer = new Lexer(text, options.jsx);
  lexer.code();
  return lexer;
}

const keywordsBeforeExpression = new Set(
  'return typeof case in of delete void throw new instanceof do else yield await default extends'.split(' '),
);

class Lexer implements Tokens {
  readonly tokens: Token[] = [];
  readonly comments: Comment[] = [];
  readonly #text: string;
  readonly #jsx: boolean;
  #at = 0;
  #line = 1;

  constructor(text: string, jsx: boolean) {
    this.#text = text;
    this.#jsx = jsx;
    if (text.startsWith('#!')) this.#takeUntil('\n');
  }

  /** Reads code to the end of the text, or to the `}` that closes the substitution in which it stands. */
  code(isNested = false): void {
    let depth = 0;
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at]!;
      if (character === '}' && depth === 0 && isNested) return;
      if (character === '{') depth += 1;
      if (character === '}') depth -= 1;
      this.#element(character);
    }
  }

  #element(character: string): void {
    if (/\s/.test(character)) this.#take(1);
    else if (this.#text.startsWith('//', this.#at)) this.#comment('\n');
    else if (this.#text.startsWith('/*', this.#at)) this.#comment('*/');
    else if (character === "'" || character === '"') this.#string(character);
    else if (character === '`') this.#template();
    else if (character === '/' && this.#isBeforeExpression()) this.#regex();
    else if (character === '<' && this.#startsElement()) this.#jsxElement();
    else if (/[\p{ID_Start}$_#]/u.test(character)) this.#push('name', this.#match(/#?[\p{ID_Continue}$]*/uy));
    else if (/\d/.test(character)) this.#push('number', this.#match(/[\w.]+/y));
    else this.#punctuator(this.#match(/=>|\.\.\.|\?\.(?!\d)|./sy));
  }

  #punctuator(text: string): void {
    this.#push('punctuator', text);
  }

  #push(kind: Token['kind'], text: string, line = this.#line): void {
    this.tokens.push({ kind, text, line });
  }

  /** Moves on by `length` characters and counts the lines in them. */
  #take(length: number): string {
    const taken = this.#text.slice(this.#at, this.#at + length);
    this.#at += length;
    for (const character of taken) if (character === '\n') this.#line += 1;
    return taken;
  }

  #takeUntil(end: string): string {
    const found = this.#text.indexOf(end, this.#at);
    return this.#take((found < 0 ? this.#text.length : found) - this.#at);
  }

  #match(sticky: RegExp): string {
    sticky.lastIndex = this.#at;
    return this.#take(Math.max(1, sticky.exec(this.#text)?.[0].length ?? 1));
  }

  #comment(end: string): void {
    const line = this.#line;
    const text = this.#takeUntil(end);
    if (end !== '\n') this.#take(end.length);
    this.comments.push({ text, line });
  }

  /** A quote without its partner on the same line is no string: it is prose in an element that was not recognised. */
  #string(quote: string): void {
    const literal = quote === "'" ? /'((?:[^'\\\n]|\\.)*)'/sy : /"((?:[^"\\\n]|\\.)*)"/sy;
    literal.lastIndex = this.#at;
    const found = literal.exec(this.#text);
    const line = this.#line;
    if (found) {
      this.#take(found[0].length);
      this.#push('string', found[1]!, line);
    } else this.#punctuator(this.#take(1));
  }

  #template(): void {
    this.#push('template', this.#take(1));
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at]!;
      if (character === '`') break;
      if (character === '$' && this.#text[this.#at + 1] === '{') this.#substitution(2);
      else this.#take(character === '\\' ? 2 : 1);
    }
    this.#push('template', this.#take(1));
  }

  /** `{ code }`, in an element, or `${ code }`, in a template. */
  #substitution(openingLength: number): void {
    this.#take(openingLength);
    this.#punctuator('{');
    this.code(true);
    this.#punctuator('}');
    this.#take(1);
  }

  #regex(): void {
    this.#push('regex', this.#match(/\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*|\//y));
  }

  /** Tells a regular expression from a division, and an element from a comparison, by what stands before. */
  #isBeforeExpression(): boolean {
    const last = this.tokens.at(-1);
    if (!last) return true;
    if (last.kind === 'name') return keywordsBeforeExpression.has(last.text);
    if (last.kind !== 'punctuator') return false;
    if (last.text === '!') return !endsOperand(this.tokens.at(-2));
    return !/^[)\]}]$/.test(last.text);
  }

  #startsElement(): boolean {
    if (!this.#jsx || !this.#isBeforeExpression()) return false;
    const ahead = this.#text.slice(this.#at, this.#at + 200);
    return /^<[A-Za-z>]/.test(ahead) && !/^<[A-Z]\w*\s*(,|extends\b)/.test(ahead);
  }

  #jsxElement(): void {
    const line = this.#line;
    this.#match(/<[\w.:-]*/y);
    if (this.#attributes() === 'open') this.#children();
    this.#push('jsx', '', line);
  }

  /** Reads to the end of an opening tag. */
  #attributes(): 'open' | 'closed' {
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at]!;
      if (character === '{') this.#substitution(1);
      else if (character === '"' || character === "'") {
        this.#take(1);
        this.#takeUntil(character);
        this.#take(1);
      } else if (this.#text.startsWith('//', this.#at)) this.#comment('\n');
      else if (this.#text.startsWith('/*', this.#at)) this.#comment('*/');
      else if (this.#text.startsWith('/>', this.#at)) {
        this.#take(2);
        return 'closed';
      } else if (character === '>') {
        this.#take(1);
        return 'open';
      } else this.#take(1);
    }
    return 'closed';
  }

  /** Reads to the end of the closing tag. */
  #children(): void {
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at]!;
      if (this.#text.startsWith('</', this.#at)) {
        this.#takeUntil('>');
        this.#take(1);
        return;
      }
      if (character === '<') this.#jsxElement();
      else if (character === '{') this.#substitution(1);
      else this.#take(1);
    }
  }
}

function endsOperand(token: Token | undefined): boolean {
  if (!token) return false;
  if (token.kind === 'name') return !keywordsBeforeExpression.has(token.text);
  return token.kind !== 'punctuator' || token.text === ')' || token.text === ']';
}
