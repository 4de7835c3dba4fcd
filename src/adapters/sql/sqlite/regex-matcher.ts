import { RE2JS } from 're2js';
import { BoundedCache } from '#core/bounded-cache';
import { sqlErrors } from '#ports/sql';

/** An expression in use keeps up to 8 MiB of states. */
const EXPRESSIONS_MAX = 8;

/**
 * Matches regular expressions for the statements of one connection. A text takes time linear in its length; that all
 * the texts of one statement do not hold up the process, the time since {@link begin} is bounded.
 */
export class RegexMatcher {
  readonly #expressions = new BoundedCache<RE2JS>(EXPRESSIONS_MAX);
  readonly #limitMs: number;
  #until: number | undefined;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** A statement begins. */
  begin(): void {
    this.#until = undefined;
  }

  /** Errors: `sql/regex-limit`. */
  hasMatch(text: unknown, pattern: unknown): number {
    const now = performance.now();
    this.#until ??= now + this.#limitMs;
    if (now > this.#until) {
      throw sqlErrors['regex-limit'](
        `matching the regular expression took longer than ${this.#limitMs} ms: narrow the search by other comparisons`,
      );
    }
    if (typeof text !== 'string' && typeof text !== 'number') return 0;
    return this.#expression(String(pattern)).test(String(text)) ? 1 : 0;
  }

  #expression(pattern: string): RE2JS {
    const known = this.#expressions.get(pattern);
    if (known) return known;
    const expression = RE2JS.compile(pattern);
    this.#expressions.set(pattern, expression);
    return expression;
  }
}
