import { type Accounts, createAccounts, type OidcOptions } from '#platform/accounts';
import { type Config, configErrors } from '#platform/config';
import type { Actor, Database } from '#platform/db';
import type { ProcessBase } from '../process.ts';

const LOOPBACK: readonly string[] = ['127.0.0.1', '::1', 'localhost'];
const ROLES: readonly string[] = ['admin', 'editor', 'approver', 'viewer'];

/** Who may get in, as this installation is configured. Errors: `config/invalid`. */
export function openAccounts({ config, dataDir, system, logger }: ProcessBase, db: Database): Accounts {
  const { admin, worker, gateway } = dataDir.tokens;
  const machines = new Map<string, Actor>([
    [admin, { id: 'user:admin', roles: ['admin'] }],
    [worker, { id: 'service:worker', roles: ['worker'] }],
    [gateway, { id: 'service:gateway', roles: ['gateway'] }],
  ]);
  if (config.insecureLoopback && !LOOPBACK.includes(config.host)) {
    throw invalid('KEDGE_INSECURE_LOOPBACK', `not with KEDGE_HOST=${config.host}, which others can reach`);
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
  if (!URL.canParse(issuer)) throw invalid('KEDGE_OIDC_ISSUER', `expected a URL, found '${issuer}'`);
  const { oidcAudience: audience, oidcRoleClaim: roleClaim } = config;
  return { issuer, clientId, clientSecret, audience, roleClaim, roles: rolesOf(config.oidcRoles) };
}

/** `ml-admins=admin,ml-team=editor` as a map from groups to roles. */
function rolesOf(text: string): ReadonlyMap<string, string> {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '');
  return new Map(
    pairs.map((pair): [string, string] => {
      const at = pair.lastIndexOf('=');
      const [group, role] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
      if (at > 0 && group !== '' && ROLES.includes(role)) return [group, role];
      throw invalid('KEDGE_OIDC_ROLES', `expected <group>=${ROLES.join('|')}, found '${pair}'`);
    }),
  );
}

function invalid(variable: string, message: string) {
  return configErrors.invalid('the configuration cannot be used', [{ path: variable, message }]);
}
