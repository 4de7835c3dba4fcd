import { type ImportStatement, importsOf } from './imports.ts';
import { type Tokens, tokenize } from './tokens.ts';

/** What a rule found: where, and in words that say what to do. */
export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

export type Rule = (files: readonly SourceFile[]) => Violation[];

/** One file of the tree that is checked. */
export class SourceFile {
  /** Relative to the root of the tree, with forward slashes. */
  readonly path: string;
  /** Empty for a file that is not text. */
  readonly text: string;
  #tokens: Tokens | undefined;
  #imports: readonly ImportStatement[] | undefined;

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
  }

  /** Code is what the tokenizer reads: TypeScript and JavaScript that people wrote. */
  get isCode(): boolean {
    return /\.(ts|tsx|mjs|js)$/.test(this.path) && !this.path.endsWith('.gen.ts');
  }

  /** Tests and what exists for tests only. */
  get isTest(): boolean {
    return /\.test\.tsx?$|\/testing\.ts$|\/(testing|conformance|golden|fixtures)\/|^test\//.test(this.path);
  }

  get tokens(): Tokens['tokens'] {
    return this.#lexed().tokens;
  }

  get comments(): Tokens['comments'] {
    return this.#lexed().comments;
  }

  get imports(): readonly ImportStatement[] {
    this.#imports ??= this.isCode ? importsOf(this.tokens) : [];
    return this.#imports;
  }

  get lines(): readonly string[] {
    return this.text.replace(/\n$/, '').split('\n');
  }

  #lexed(): Tokens {
    this.#tokens ??= this.isCode
      ? tokenize(this.text, { jsx: this.path.endsWith('.tsx') })
      : { tokens: [], comments: [] };
    return this.#tokens;
  }
}
