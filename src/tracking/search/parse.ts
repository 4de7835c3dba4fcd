import { parseRegex, RegexError } from '#core/regex/parse';
import type { Comparison, Entity, Field, FieldRules, Filter, Operator, Order, Vocabulary } from './ast.ts';
import { searchErrors } from './errors.ts';
import { type Token, tokensOf } from './lexer.ts';

export const FILTER_LENGTH_MAX = 100_000;
const DEPTH_MAX = 50;
const COMPARISONS_MAX = 200;
const LIST_MAX = 5_000;
const ORDERING: readonly Operator[] = ['>', '>=', '<', '<='];

/**
 * Parses a filter by recursive descent; `undefined` when it is blank.
 *
 * ```
 * filter     = term { OR term }            term   = factor { AND factor }
 * factor     = NOT factor | '(' filter ')' | comparison
 * comparison = [entity '.'] key ( op value | [NOT] IN '(' value {',' value} ')' | IS [NOT] NULL )
 * ```
 * Errors: `search/invalid-filter`, which says what was expected and where.
 */
export function parseFilter(text: string, vocabulary: Vocabulary): Filter | undefined {
  const refuse = (message: string, at: number) =>
    searchErrors['invalid-filter'](`Invalid filter string: ${message} (position ${at}) in '${shown(text)}'.`);
  if (text.length > FILTER_LENGTH_MAX) {
    throw searchErrors['invalid-filter'](`Invalid filter string: longer than ${FILTER_LENGTH_MAX} characters.`);
  }
  if (text.trim() === '') return undefined;
  return new Parser(tokensOf(text, refuse), vocabulary, refuse).filter();
}

/** Parses `[entity.]key [ASC|DESC]`. Errors: `search/invalid-order`. */
export function parseOrder(text: string, vocabulary: Vocabulary): Order {
  const refuse = (message: string, at: number) =>
    searchErrors['invalid-order'](`Invalid order_by clause '${shown(text)}': ${message} (position ${at}).`);
  if (text.length > 1_000) throw refuse('longer than 1000 characters', 0);
  return new Parser(tokensOf(text, refuse), vocabulary, refuse).order();
}

function shown(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

type FilterRefusal = (message: string, at: number) => Error;

class Parser {
  readonly #tokens: readonly Token[];
  readonly #vocabulary: Vocabulary;
  readonly #refuse: FilterRefusal;
  #next = 0;
  #comparisons = 0;

  constructor(tokens: readonly Token[], vocabulary: Vocabulary, refuse: FilterRefusal) {
    this.#tokens = tokens;
    this.#vocabulary = vocabulary;
    this.#refuse = refuse;
  }

  filter(): Filter {
    const filter = this.#either(0);
    if (this.#peek().kind !== 'end') throw this.#unexpected('AND, OR or the end');
    return filter;
  }

  order(): Order {
    const { field, rules, at } = this.#field();
    if (!rules.orders) throw this.#refuse(`results cannot be ordered by '${field.entity}.${field.key}'`, at);
    const descending = this.#takeWord('DESC');
    if (!descending) this.#takeWord('ASC');
    if (this.#peek().kind !== 'end') throw this.#unexpected('ASC, DESC or the end');
    return { field, descending };
  }

  #either(depth: number): Filter {
    const of = [this.#both(depth)];
    while (this.#takeWord('OR')) of.push(this.#both(depth));
    return joined('or', of);
  }

  #both(depth: number): Filter {
    const of = [this.#factor(depth)];
    while (this.#takeWord('AND')) of.push(this.#factor(depth));
    return joined('and', of);
  }

  #factor(depth: number): Filter {
    if (depth > DEPTH_MAX) throw this.#refuse(`nested deeper than ${DEPTH_MAX} levels`, this.#peek().at);
    if (this.#takeWord('NOT')) return { kind: 'not', of: this.#factor(depth + 1) };
    if (!this.#take('(')) return this.#comparison();
    const inner = this.#either(depth + 1);
    if (!this.#take(')')) throw this.#unexpected("')'");
    return inner;
  }

  #comparison(): Comparison {
    this.#comparisons += 1;
    if (this.#comparisons > COMPARISONS_MAX) {
      throw this.#refuse(`more than ${COMPARISONS_MAX} comparisons`, this.#peek().at);
    }
    const { field, rules } = this.#field();
    const at = this.#peek().at;
    const operator = this.#operator();
    if (!rules.operators.includes(operator)) {
      const allowed = rules.operators.join(', ');
      throw this.#refuse(`'${field.entity}.${field.key}' is not compared with ${operator} but with ${allowed}`, at);
    }
    if (operator === 'IS NULL' || operator === 'IS NOT NULL') return { kind: 'compare', field, operator, value: null };
    const list = operator === 'IN' || operator === 'NOT IN';
    const type = rules.type === 'any' && ORDERING.includes(operator) ? 'number' : rules.type;
    const valueAt = this.#peek().at;
    const value = list ? this.#list(field, type) : this.#value(field, operator === 'RLIKE' ? 'text' : type);
    if (operator === 'RLIKE') this.#requireRegex(String(value), valueAt);
    return { kind: 'compare', field, operator, value };
  }

  #field(): { readonly field: Field; readonly rules: FieldRules; readonly at: number } {
    const token = this.#peek();
    if (token.kind !== 'word' && token.kind !== 'quoted') throw this.#unexpected('what to compare, as params.name');
    this.#next += 1;
    const parts = token.parts ?? [];
    const [name, key] = parts.length === 2 ? parts : [this.#vocabulary.bare, parts[0]];
    const entity = entityOf(this.#vocabulary, name ?? '');
    if (!entity || key === undefined || key === '') {
      throw this.#refuse(`'${token.text}' names nothing that can be compared; ${offered(this.#vocabulary)}`, token.at);
    }
    const rules = entity.rules(key);
    if (!rules) {
      const keys = entity.keys?.join(', ') ?? '';
      throw this.#refuse(`'${key}' is not a key of ${entity.name}, which has ${keys}`, token.at);
    }
    return { field: { entity: entity.name, key: rules.key }, rules, at: token.at };
  }

  #operator(): Operator {
    const token = this.#peek();
    if (token.kind === 'operator') {
      this.#next += 1;
      return token.text as Operator;
    }
    if (this.#takeWord('IS')) {
      const negated = this.#takeWord('NOT');
      if (!this.#takeWord('NULL')) throw this.#unexpected('NULL');
      return negated ? 'IS NOT NULL' : 'IS NULL';
    }
    if (this.#takeWord('NOT')) {
      if (!this.#takeWord('IN')) throw this.#unexpected('IN');
      return 'NOT IN';
    }
    for (const word of ['LIKE', 'ILIKE', 'RLIKE', 'IN'] as const) if (this.#takeWord(word)) return word;
    throw this.#unexpected('an operator');
  }

  #requireRegex(text: string, at: number): void {
    try {
      parseRegex(text);
    } catch (error) {
      if (!(error instanceof RegexError)) throw error;
      throw this.#refuse(`the regular expression '${shown(text)}' ${error.message} (its character ${error.at})`, at);
    }
  }

  #list(field: Field, type: FieldRules['type']): (string | number)[] {
    if (!this.#take('(')) throw this.#unexpected("'(' and a list of values");
    const values = [this.#value(field, type)];
    while (this.#take(',')) {
      if (this.#peek().kind === ')') break;
      values.push(this.#value(field, type));
    }
    if (!this.#take(')')) throw this.#unexpected("',' or ')'");
    if (values.length > LIST_MAX) throw this.#refuse(`a list of more than ${LIST_MAX} values`, this.#peek().at);
    return values;
  }

  #value({ entity, key }: Field, type: FieldRules['type']): string | number {
    const token = this.#peek();
    if (type === 'number' || (type === 'any' && token.kind === 'number')) {
      if (token.kind !== 'number') throw this.#unexpected(`a number without quotes for '${entity}.${key}'`);
      this.#next += 1;
      return Number(token.text);
    }
    if (token.kind !== 'string' && token.kind !== 'quoted') {
      throw this.#unexpected(`a value in quotes for '${entity}.${key}'`);
    }
    if (token.text.includes('\0')) throw this.#refuse('a value with NUL', token.at);
    this.#next += 1;
    return token.text;
  }

  #peek(): Token {
    return this.#tokens[this.#next] as Token;
  }

  #take(kind: Token['kind']): boolean {
    if (this.#peek().kind !== kind) return false;
    this.#next += 1;
    return true;
  }

  #takeWord(word: string): boolean {
    const token = this.#peek();
    if (token.kind !== 'word' || token.text.toUpperCase() !== word) return false;
    this.#next += 1;
    return true;
  }

  #unexpected(wanted: string): Error {
    const token = this.#peek();
    const found = token.kind === 'end' ? 'the end' : `'${shown(token.text)}'`;
    return this.#refuse(`expected ${wanted}, found ${found}`, token.at);
  }
}

function joined(kind: 'and' | 'or', of: readonly Filter[]): Filter {
  return of.length === 1 ? (of[0] as Filter) : { kind, of };
}

function entityOf(vocabulary: Vocabulary, name: string): Entity | undefined {
  return Object.hasOwn(vocabulary.entities, name) ? vocabulary.entities[name] : undefined;
}

function offered({ entities }: Vocabulary): string {
  const names = [...new Set(Object.values(entities).map((entity) => entity.name))];
  return `there are ${names.join(', ')}`;
}
