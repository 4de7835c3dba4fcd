import { type Accounts, createAccounts, type OidcOptions } from '#platform/accounts';
import type { Config } from '#platform/config';
import type { Actor, Database } from '#platform/db';
import { invalidSetting, rolesOfGroups } from '../oidc-settings.ts';
import type { ProcessBase } from '../process.ts';

const LOOPBACK: readonly string[] = ['127.0.0.1', '::1', 'localhost'];

/** Who may get in, as this installation is configured. Errors: `config/invalid`. */
export function openAccounts({ config, dataDir, system, logger }: ProcessBase, db: Database): Accounts {
  const { admin, worker, gateway } = dataDir.tokens;
  const machines = new Map<string, Actor>([
    [admin, { id: 'user:admin', roles: ['admin'] }],
    [worker, { id: 'service:worker', roles: ['worker'] }],
    [gateway, { id: 'service:gateway', roles: ['gateway'] }],
  ]);
  if (config.insecureLoopback && !LOOPBACK.includes(config.host)) {
    throw invalidSetting('KEDGE_INSECURE_LOOPBACK', `not with KEDGE_HOST=${config.host}, which others can reach`);
  }
  const localRole = config.insecureLoopback ? 'admin' : undefined;
  return createAccounts({
    ...{ db, system, logger, machines, localRole },
    oidc: oidcOf(config),
    publicUrl: config.publicUrl,
  });
}

function oidcOf(config: Config): OidcOptions | undefined {
  const { oidcIssuer: issuer, oidcClientId: clientId, oidcClientSecret: clientSecret } = config;
  if (issuer === '') return undefined;
  if (!URL.canParse(issuer)) throw invalidSetting('KEDGE_OIDC_ISSUER', `expected a URL, found '${issuer}'`);
  const { oidcAudience: audience, oidcRoleClaim: roleClaim } = config;
  return { issuer, clientId, clientSecret, audience, roleClaim, roles: rolesOfGroups(config.oidcRoles) };
}
