import type { Clock } from '#core/clock';
import { gatewayErrors } from '../../errors.ts';
import type { ApiKeys } from './api-keys.ts';
import { type Caller, type Credentials, secretOf } from './caller.ts';
import { isLocal } from './local-origin.ts';
import type { Tokens } from './tokens.ts';

export interface RequestHead extends Credentials {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
}

/** Lets requests in. A gateway that lets in everybody has none. */
export interface Door {
  /**
   * Who sends a request; undefined when nobody has to say. Without a promise whenever nothing has to be looked up.
   * Errors: `gateway/unauthenticated`, `gateway/forbidden`, `gateway/foreign-origin`, `gateway/busy`.
   */
  enter(head: RequestHead): Caller | undefined | Promise<Caller | undefined>;
}

/** For a gateway that only this machine reaches: no credentials, but no browser on behalf of another site either. */
export const localDoor: Door = {
  enter({ host, origin }) {
    if (isLocal(host, origin)) return undefined;
    throw gatewayErrors['foreign-origin'](
      'the Host or Origin is not of this machine: set KEDGE_GATEWAY_ACCESS to let such requests in',
    );
  },
};

export interface CredentialDoorOptions {
  readonly keys: ApiKeys;
  readonly tokens: Tokens | undefined;
  readonly clock: Pick<Clock, 'now'>;
}

/** For everything else: a key of a user who may ask for predictions, or a token of the identity provider. */
export function credentialDoor({ keys, tokens, clock }: CredentialDoorOptions): Door {
  const known = (caller: Caller | undefined): Caller => {
    if (caller) return caller;
    throw gatewayErrors.unauthenticated('the key or token is not known, has ended or may not ask for predictions');
  };
  return {
    enter(head) {
      const secret = secretOf(head);
      if (secret === undefined) {
        throw gatewayErrors.unauthenticated('send a key or token as Authorization: Bearer, or as X-Api-Key');
      }
      const caller = keys.find(secret, clock.now());
      if (caller) return caller;
      const found = tokens?.find(secret);
      return found instanceof Promise ? found.then(known) : known(found);
    },
  };
}
