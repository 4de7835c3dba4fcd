import { createRemoteJWKSet, type JWTPayload, type JWTVerifyGetKey, errors as joseErrors, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import { claimAt, type RoleMapping, rolesOfClaims, SIGNATURE_ALGORITHMS } from '#platform/access';
import type { Logger } from '#platform/observe';
import { accountErrors } from './errors.ts';
import type { Verified } from './identities.ts';
import type { StoredUser } from './store/users.ts';
import type { Users } from './users.ts';

export interface OidcOptions extends RoleMapping {
  /** Such as `https://login.bank.example/realms/ml`; its discovery document says everything else. */
  readonly issuer: string;
  readonly clientId: string;
  /** Empty for a public client, which PKCE protects alone. */
  readonly clientSecret: string;
  /** Whom bearer tokens are for; the client unless told. */
  readonly audience: string;
}

/** What the browser keeps between going to the provider and coming back, in a cookie of its own. */
export interface Pending {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

const CLOCK_TOLERANCE_S = 30;
const TIMEOUT_S = 10;

interface Provider {
  readonly configuration: oidc.Configuration;
  readonly keys: JWTVerifyGetKey;
}

/** Sign-in at an OpenID Connect provider: authorization code with PKCE, and bearer tokens that it signed. */
export class Oidc {
  readonly #options: OidcOptions;
  readonly #users: Users;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #provider: Promise<Provider> | undefined;

  constructor(options: OidcOptions, deps: { readonly users: Users; readonly clock: Clock; readonly logger: Logger }) {
    this.#options = options;
    this.#users = deps.users;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
  }

  /** Where to send the browser, and what it has to bring back. Errors: `accounts/oidc-failed`. */
  async begin(redirectUri: string): Promise<{ readonly url: string; readonly pending: Pending }> {
    const { configuration } = await this.#discovered();
    const pending = {
      state: oidc.randomState(),
      nonce: oidc.randomNonce(),
      verifier: oidc.randomPKCECodeVerifier(),
    };
    const url = oidc.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: 'openid profile email',
      code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: 'S256',
      state: pending.state,
      nonce: pending.nonce,
    });
    return { url: url.href, pending };
  }

  /** The user who came back from the provider. Errors: `accounts/oidc-failed`, `accounts/sign-in-refused`. */
  async finish(callback: URL, pending: Pending): Promise<string> {
    const { configuration } = await this.#discovered();
    const claims = await this.#exchanged(configuration, callback, pending);
    return `user:${(await this.#provision(claims)).name}`;
  }

  /** Whose bearer token this is; undefined for one that this provider did not sign for us. */
  async verify(token: string): Promise<Verified | undefined> {
    try {
      const { keys } = await this.#discovered();
      const { issuer, audience, clientId } = this.#options;
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience: audience || clientId,
        algorithms: [...SIGNATURE_ALGORITHMS],
        clockTolerance: CLOCK_TOLERANCE_S,
        currentDate: new Date(this.#clock.now()),
        requiredClaims: ['sub', 'exp'],
      });
      const user = await this.#provision(payload);
      const expiresAt = (payload.exp ?? 0) * 1_000;
      return { actor: `user:${user.name}`, version: user.credentialsVersion, expiresAt };
    } catch (error) {
      const isExpected = error instanceof joseErrors.JOSEError && !(error instanceof joseErrors.JWKSTimeout);
      if (!isExpected) this.#logger.warn({ err: error }, `a bearer token cannot be verified: ${messageOf(error)}`);
      return undefined;
    }
  }

  async #exchanged(configuration: oidc.Configuration, callback: URL, pending: Pending): Promise<JWTPayload> {
    try {
      const tokens = await oidc.authorizationCodeGrant(configuration, callback, {
        pkceCodeVerifier: pending.verifier,
        expectedState: pending.state,
        expectedNonce: pending.nonce,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      if (!claims) throw new Error('it sent no ID token');
      if (claimAt(claims, this.#options.roleClaim) !== undefined) return claims;
      if (!configuration.serverMetadata().userinfo_endpoint) return claims;
      const more = await oidc.fetchUserInfo(configuration, tokens.access_token, claims.sub);
      return { ...(more as JWTPayload), ...claims };
    } catch (error) {
      this.#logger.warn({ err: error }, `a sign-in at ${this.#options.issuer} failed: ${messageOf(error)}`);
      throw accountErrors['oidc-failed']('the identity provider did not confirm the sign-in: begin again');
    }
  }

  #provision(claims: JWTPayload): Promise<StoredUser> {
    const { issuer } = this.#options;
    const named = [claims['preferred_username'], claims['email'], claims.sub];
    const name = named.find((value): value is string => typeof value === 'string' && value !== '') ?? 'user';
    return this.#users.provision({
      issuer,
      subject: claims.sub ?? '',
      name,
      roles: rolesOfClaims(claims, this.#options),
    });
  }

  /** Discovery is done once; after a failure, again at the next use. */
  #discovered(): Promise<Provider> {
    this.#provider ??= this.#discover().catch((error) => {
      this.#provider = undefined;
      this.#logger.warn({ err: error }, `${this.#options.issuer} cannot be discovered: ${messageOf(error)}`);
      throw accountErrors['oidc-failed']('the identity provider does not answer: try again later');
    });
    return this.#provider;
  }

  async #discover(): Promise<Provider> {
    const { issuer, clientId, clientSecret } = this.#options;
    const url = new URL(issuer);
    const isLocal = url.protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname);
    const configuration = await oidc.discovery(
      url,
      clientId,
      undefined,
      clientSecret === '' ? oidc.None() : oidc.ClientSecretBasic(clientSecret),
      { timeout: TIMEOUT_S, ...(isLocal ? { execute: [oidc.allowInsecureRequests] } : {}) },
    );
    const { jwks_uri: jwks } = configuration.serverMetadata();
    if (jwks === undefined) throw new Error('its discovery document names no jwks_uri');
    return { configuration, keys: createRemoteJWKSet(new URL(jwks), { timeoutDuration: TIMEOUT_S * 1_000 }) };
  }
}
