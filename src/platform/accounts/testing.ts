import { createClient } from '#platform/contract';
import { openHttpServer, type RouteGroup } from '#platform/http';
import type { OpenDatabase } from '#testing/databases';
import { accountsContract, sessionContract } from './contract.ts';
import { type AccountsDeps, createAccounts } from './index.ts';
import { accountMigrations } from './migrations.ts';

export const ADMIN_TOKEN = 'admin-token-of-the-data-directory';
export { accountMigrations };

/** Accounts behind a server of their own, with clients that present what they are told to. */
export async function openAccounts(
  open: OpenDatabase,
  options: Partial<Pick<AccountsDeps, 'localRole' | 'oidc' | 'publicUrl' | 'ownerOf'>> & {
    readonly groups?: readonly RouteGroup[];
    /** Any free one unless told. */
    readonly port?: number;
  } = {},
) {
  const database = await open();
  const { db, system, deps, clock } = database;
  const { groups = [], port = 0, ...rest } = options;
  const machines = new Map([
    [ADMIN_TOKEN, { id: 'user:admin', roles: ['admin'] }],
    ['worker-token', { id: 'service:worker', roles: ['worker'] }],
    ['gateway-token', { id: 'service:gateway', roles: ['gateway'] }],
  ]);
  const accounts = createAccounts({ db, system, logger: deps.logger, machines, ...rest });
  const server = openHttpServer({
    groups: [...accounts.routes, ...groups],
    authenticator: accounts.authenticator,
    system,
    logger: deps.logger,
    metrics: deps.metrics,
  });
  accounts.serve(server);
  const baseUrl = await server.listen('127.0.0.1', port);
  const as = (headers: Readonly<Record<string, string>>) => {
    const presenting: typeof fetch = (input, init) =>
      fetch(input, { ...init, headers: { ...(init?.headers as Record<string, string>), ...headers } });
    const given = { baseUrl, fetch: presenting };
    return { ...createClient(accountsContract, given), ...createClient(sessionContract, given) };
  };
  return {
    ...{ db, clock, accounts, baseUrl, as, server },
    admin: as({ authorization: `Bearer ${ADMIN_TOKEN}` }),
    byPassword: (user: string, password: string) => as({ authorization: basic(user, password) }),
    byToken: (token: string) => as({ authorization: `Bearer ${token}` }),
    async close() {
      await server.close();
      await database.close();
    },
  };
}

export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
