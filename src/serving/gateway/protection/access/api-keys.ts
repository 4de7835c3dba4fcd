import { hash } from 'node:crypto';
import type { CallerTable } from '#platform/accounts/contract';
import type { Caller } from './caller.ts';

interface Known {
  readonly caller: Caller;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/**
 * The keys that let requests in, by their digests, as the control plane told last. A look costs one SHA-256 and one
 * look into a map, so nothing is remembered of what was found, and a new table voids a key with the next request.
 */
export class ApiKeys {
  #keys: ReadonlyMap<string, Known> = new Map();
  #barred: ReadonlySet<string> = new Set();
  #tag = '';

  /** Of the table in force; empty while there is none. */
  get tag(): string {
    return this.#tag;
  }

  apply({ tag, keys, barred }: CallerTable): void {
    this.#keys = new Map(
      keys.map(({ hash: digest, actor, groups, expiresAt }) => [
        digest,
        { caller: { id: actor, groups }, expiresAt: expiresAt ?? Number.POSITIVE_INFINITY },
      ]),
    );
    this.#barred = new Set(barred.map(({ issuer, subject }) => identity(issuer, subject)));
    this.#tag = tag;
  }

  /** Whose key this is at `now` (epoch milliseconds). */
  find(key: string, now: number): Caller | undefined {
    const known = this.#keys.get(hash('sha256', key, 'hex'));
    return known && known.expiresAt > now ? known.caller : undefined;
  }

  /** Whether somebody of an identity provider is disabled here. */
  isBarred(issuer: string, subject: string): boolean {
    return this.#barred.has(identity(issuer, subject));
  }
}

function identity(issuer: string, subject: string): string {
  return `${issuer}\n${subject}`;
}
