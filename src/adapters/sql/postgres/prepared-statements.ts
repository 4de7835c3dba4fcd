import type pg from 'pg';
import { PLANNED_BY_VALUES } from '#ports/sql';

/** A statement that has run so often is worth keeping, and so many are kept: what pgjdbc does (`prepareThreshold`). */
const KEPT_FROM_RUN = 5;
const KEPT_MAX = 256;
/** Statements whose runs are counted. With more of them, counting starts again. */
const COUNTED_MAX = 2_000;
/** Longer texts are lists of values, of which hardly one comes twice. */
const TEXT_LENGTH_MAX = 8_000;
/** `feature_not_supported`, which PostgreSQL says of a kept statement whose table has other columns by now. */
const CHANGED = '0A000';

/**
 * Gives statements that come again and again a name, so that the server parses them once for each connection, and does
 * not plan them anew when that is of no use. A statement is known by its text, whoever built it. One that is planned by
 * its values gets none: the server compares plans by what they cost on the whole, and one for any values that reads a
 * whole index in its order seems cheap until nothing is found.
 */
export class PreparedStatements {
  readonly #runs = new Map<string, number>();
  readonly #names = new Map<string, string>();
  #generation = 0;

  /** The name of a statement that is run with values, from the time on that it is worth one. */
  nameOf(text: string): string | undefined {
    if (text.startsWith(PLANNED_BY_VALUES)) return undefined;
    const known = this.#names.get(text);
    if (known !== undefined || this.#names.size >= KEPT_MAX || text.length > TEXT_LENGTH_MAX) return known;
    const runs = (this.#runs.get(text) ?? 0) + 1;
    if (runs < KEPT_FROM_RUN) {
      if (this.#runs.size >= COUNTED_MAX) this.#runs.clear();
      this.#runs.set(text, runs);
      return undefined;
    }
    this.#runs.delete(text);
    const name = `kedge_${this.#generation}_${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }

  /** Forgets all names: statements are prepared anew, under others. */
  renew(): void {
    this.#generation++;
    this.#names.clear();
  }

  /** Has a client run its statements under their names. */
  serve(client: pg.PoolClient): void {
    const query = client.query.bind(client) as (...args: readonly unknown[]) => unknown;
    const renewed = (error: { readonly code?: string }): never => {
      if (error.code === CHANGED) this.renew();
      throw error;
    };
    const named = (...args: readonly unknown[]): unknown => {
      const [text, values] = args;
      const hasValues = typeof text === 'string' && Array.isArray(values) && values.length > 0;
      const name = hasValues ? this.nameOf(text) : undefined;
      if (name === undefined) return query(...args);
      return (query({ name, text, values }) as Promise<unknown>).catch(renewed);
    };
    client.query = named as typeof client.query;
  }
}
