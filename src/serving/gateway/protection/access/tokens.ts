import { hash } from 'node:crypto';
import { type JWTVerifyGetKey, errors as joseErrors, jwtVerify } from 'jose';
import { BoundedCache } from '#core/bounded-cache';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import { mayUse, type RoleMapping, rolesOfClaims, SIGNATURE_ALGORITHMS } from '#platform/access';
import type { Logger } from '#platform/observe';
import { gatewayErrors, later } from '../../errors.ts';
import type { Caller } from './caller.ts';

export interface TokenOptions extends RoleMapping {
  readonly issuer: string;
  /** Whom tokens have to be for. */
  readonly audience: string;
}

export interface TokensOptions extends TokenOptions {
  readonly keys: JWTVerifyGetKey;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly isBarred: (issuer: string, subject: string) => boolean;
}

interface Verified {
  readonly caller: Caller;
  readonly subject: string;
  /** Epoch milliseconds. */
  readonly until: number;
}

const CLOCK_TOLERANCE_S = 30;
const REMEMBERED_MS = 600_000;
const REMEMBERED_MAX = 10_000;
/** Signatures checked at a time; with more, somebody sends tokens to keep the gateway busy. */
const CHECKS_MAX = 64;
const TOKEN_LENGTH_MAX = 8_192;

/**
 * Bearer tokens that an identity provider signed (JWT, RFC 7519, checked as RFC 8725 asks for). One that was found good
 * is remembered by its digest until it ends, at most ten minutes, so that a signature is not checked per request.
 */
export class Tokens {
  readonly #options: TokensOptions;
  readonly #verified = new BoundedCache<Verified>(REMEMBERED_MAX);
  readonly #checking = new Map<string, Promise<Caller | undefined>>();

  constructor(options: TokensOptions) {
    this.#options = options;
  }

  /** Who holds the token; undefined when it lets nobody in. Errors: `gateway/busy`, `gateway/forbidden`. */
  find(token: string): Caller | undefined | Promise<Caller | undefined> {
    if (token.length > TOKEN_LENGTH_MAX || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return undefined;
    const { clock, isBarred, issuer } = this.#options;
    const key = hash('sha256', token, 'base64');
    const known = this.#verified.get(key);
    if (known && known.until > clock.now()) return isBarred(issuer, known.subject) ? undefined : known.caller;
    const checking = this.#checking.get(key);
    if (checking) return checking;
    if (this.#checking.size >= CHECKS_MAX) {
      throw later(gatewayErrors.busy(`${CHECKS_MAX} tokens are being checked, which is the limit`), 1_000);
    }
    const check = this.#check(token, key).finally(() => this.#checking.delete(key));
    this.#checking.set(key, check);
    return check;
  }

  async #check(token: string, key: string): Promise<Caller | undefined> {
    const { issuer, audience, clock, keys, isBarred } = this.#options;
    const claims = await this.#claims(token, { issuer, audience, keys });
    const { sub: subject = '', exp = 0 } = claims ?? {};
    if (!claims || subject === '' || isBarred(issuer, subject)) return undefined;
    const roles = rolesOfClaims(claims, this.#options) ?? [];
    const caller = { id: `token:${subject}`, groups: roles.filter((role) => role.startsWith('group:')) };
    if (!mayUse({ id: caller.id, roles }, 'serving:predict')) {
      throw gatewayErrors.forbidden(`no claim of the token gives a role that may ask for predictions`);
    }
    const until = Math.min(exp * 1_000, clock.now() + REMEMBERED_MS);
    this.#verified.set(key, { caller, subject, until });
    return caller;
  }

  async #claims(token: string, { issuer, audience, keys }: Pick<TokensOptions, 'issuer' | 'audience' | 'keys'>) {
    const { clock, logger } = this.#options;
    try {
      const { payload } = await jwtVerify(token, keys, {
        ...{ issuer, audience, algorithms: [...SIGNATURE_ALGORITHMS], clockTolerance: CLOCK_TOLERANCE_S },
        currentDate: new Date(clock.now()),
        requiredClaims: ['sub', 'exp'],
      });
      return payload;
    } catch (error) {
      if (error instanceof joseErrors.JOSEError) return undefined;
      logger.warn(`a token cannot be checked: ${messageOf(error)}`);
      throw later(gatewayErrors['access-unavailable']('tokens cannot be checked at this moment'), 5_000);
    }
  }
}
