import type { Clock } from '#core/clock';
import type { Logger } from '#platform/observe';
import { ApiKeys } from './api-keys.ts';
import { discoverKeys } from './discover-keys.ts';
import { credentialDoor, type Door, localDoor } from './door.ts';
import { KeySet } from './key-set.ts';
import { type TokenOptions, Tokens } from './tokens.ts';

/** Whom a gateway lets in. */
export type AccessOptions =
  /** Everybody who reaches it. */
  | { readonly kind: 'open' }
  /** Programs on this machine, without credentials. */
  | { readonly kind: 'local' }
  /** Holders of a key, or of a token of the identity provider where there is one. */
  | {
      readonly kind: 'credentials';
      /** Where the table of callers of the last run is kept. */
      readonly callersFile: string;
      readonly tokens?: TokenOptions | undefined;
    };

export interface OpenedDoor {
  readonly door: Door | undefined;
  /** To be kept up to date; absent where no keys count. */
  readonly keys: ApiKeys | undefined;
}

export function openDoor(
  access: AccessOptions,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): OpenedDoor {
  if (access.kind === 'open') return { door: undefined, keys: undefined };
  if (access.kind === 'local') return { door: localDoor, keys: undefined };
  const keys = new ApiKeys();
  const { tokens: options } = access;
  const tokens = options && openTokens(options, { keys, clock, logger });
  return { door: credentialDoor({ keys, tokens, clock }), keys };
}

function openTokens(
  options: TokenOptions,
  { keys, clock, logger }: { readonly keys: ApiKeys; readonly clock: Clock; readonly logger: Logger },
): Tokens {
  const keySet = new KeySet({ fetchKeys: () => discoverKeys(options.issuer), clock, logger });
  const isBarred = (issuer: string, subject: string): boolean => keys.isBarred(issuer, subject);
  return new Tokens({ ...options, keys: keySet.find, clock, logger, isBarred });
}
