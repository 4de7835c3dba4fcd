import { createLocalJWKSet, type JSONWebKeySet, type JWTHeaderParameters } from 'jose';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Logger } from '#platform/observe';

export interface KeySetOptions {
  /** Reads the keys of the issuer. Rejects while they cannot be had. */
  readonly fetchKeys: () => Promise<JSONWebKeySet>;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly logger: Logger;
}

type Lookup = ReturnType<typeof createLocalJWKSet>;

/** Keys of this age are read anew, while the old ones still count. */
const STALE_MS = 600_000;
/** The issuer is asked at most so often, however many tokens name keys that nobody knows. */
const PAUSE_MS = 30_000;
/** Without word of the issuer for so long its keys count no more: it may have withdrawn them. */
const KEPT_MS = 24 * 3_600_000;

/**
 * The public keys with which an issuer signs (JWKS, RFC 7517). They are fetched at first use and then in the
 * background, so that no request waits for the issuer and an issuer that is away for a while stops nobody.
 */
export class KeySet {
  readonly #options: KeySetOptions;
  #lookup: Lookup | undefined;
  #fetchedMs = 0;
  #triedMs = Number.NEGATIVE_INFINITY;
  #fetching: Promise<void> | undefined;

  constructor(options: KeySetOptions) {
    this.#options = options;
  }

  /** The key of a token. Rejects with an error of jose's when there is none, or with why no keys can be had. */
  readonly find = async (header?: JWTHeaderParameters, token?: Parameters<Lookup>[1]): ReturnType<Lookup> => {
    const now = this.#options.clock.monotonic();
    if (this.#lookup && now - this.#fetchedMs > KEPT_MS) this.#lookup = undefined;
    if (!this.#lookup) await this.#fetch();
    else if (now - this.#fetchedMs > STALE_MS) this.#fetch().catch(() => undefined);
    try {
      return await this.#known()(header, token);
    } catch (error) {
      // A key that is not known may be a new one.
      if (!this.#fetching && now - this.#triedMs < PAUSE_MS) throw error;
      await this.#fetch();
      return this.#known()(header, token);
    }
  };

  #known(): Lookup {
    if (this.#lookup) return this.#lookup;
    throw new Error('the keys of the issuer are not known');
  }

  #fetch(): Promise<void> {
    this.#fetching ??= this.#read().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #read(): Promise<void> {
    const { clock, fetchKeys, logger } = this.#options;
    const now = clock.monotonic();
    if (now - this.#triedMs < PAUSE_MS) return;
    this.#triedMs = now;
    try {
      this.#lookup = createLocalJWKSet(await fetchKeys());
      this.#fetchedMs = clock.monotonic();
    } catch (error) {
      logger.warn(`the keys of the token issuer cannot be read: ${messageOf(error)}`);
      throw error;
    }
  }
}
