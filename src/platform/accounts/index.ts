import type { Actor } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import type { HttpServer, RouteGroup } from '#platform/http';
import { Callers } from './callers.ts';
import { accountHandlers, type OwnerOf, sessionHandlers } from './handlers.ts';
import { Identities } from './identities.ts';
import { Oidc, type OidcOptions } from './oidc.ts';
import { Projects } from './projects.ts';
import { serveOidc } from './serve-oidc.ts';
import { Sessions } from './sessions.ts';
import { countUsers } from './store/users.ts';
import { Users } from './users.ts';

export type { Identities } from './identities.ts';
export { accountMigrations } from './migrations.ts';
export type { OidcOptions } from './oidc.ts';
export type { Projects } from './projects.ts';
export type { Sessions } from './sessions.ts';
export type { Users } from './users.ts';

export interface AccountsDeps extends Pick<DomainDeps, 'db' | 'system' | 'logger'> {
  /** Tokens of the installation's own processes and of its first administrator. */
  readonly machines: ReadonlyMap<string, Actor>;
  /** The role of requests from this machine without credentials, where those are allowed. */
  readonly localRole?: string | undefined;
  readonly oidc?: OidcOptions | undefined;
  /** Under which browsers reach the console; empty for what they ask for. */
  readonly publicUrl?: string;
  readonly ownerOf?: OwnerOf | undefined;
}

/** Users, keys, sessions, projects and grants, and the authenticator that goes by them. */
export interface Accounts {
  readonly authenticator: Identities;
  readonly users: Users;
  readonly projects: Projects;
  readonly sessions: Sessions;
  readonly routes: readonly RouteGroup[];
  /** The addresses that browsers visit on their way to and from an identity provider. */
  serve(server: HttpServer): void;
  /** Whether nobody has an account yet, so that only the token of the data directory lets anybody in. */
  isNew(): Promise<boolean>;
}

export function createAccounts(deps: AccountsDeps): Accounts {
  const { db, machines, localRole, publicUrl = '', ownerOf } = deps;
  const { clock } = deps.system;
  const identities = new Identities({
    ...{ db, clock, machines, localRole },
    verifyForeignToken: async (token) => oidc?.verify(token),
  });
  const users = new Users(db, identities);
  const projects = new Projects(db, identities);
  const sessions = new Sessions(db, clock, identities);
  const oidc = deps.oidc && new Oidc(deps.oidc, { users, clock, logger: deps.logger });
  const handlerDeps = {
    ...{ users, projects, sessions, identities, ownerOf },
    callers: new Callers({ db, clock, machines }),
    hasOidc: oidc !== undefined,
    secureCookies: publicUrl.startsWith('https:'),
  };
  return {
    authenticator: identities,
    users,
    projects,
    sessions,
    routes: [accountHandlers(handlerDeps), sessionHandlers(handlerDeps)],
    serve: (server) => serveOidc(server, { oidc, sessions, publicUrl }),
    isNew: async () => (await countUsers(db.reader)) === 0,
  };
}
