import type { KedgeError } from '#core/errors';
import { configErrors } from '#platform/config';

const ROLES: readonly string[] = ['admin', 'editor', 'approver', 'viewer', 'caller'];

/** `ml-admins=admin,ml-team=editor` as a map from groups to roles. Errors: `config/invalid`. */
export function rolesOfGroups(text: string): ReadonlyMap<string, string> {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '');
  return new Map(
    pairs.map((pair): [string, string] => {
      const at = pair.lastIndexOf('=');
      const [group, role] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
      if (at > 0 && group !== '' && ROLES.includes(role)) return [group, role];
      throw invalidSetting('KEDGE_OIDC_ROLES', `expected <group>=${ROLES.join('|')}, found '${pair}'`);
    }),
  );
}

export function invalidSetting(variable: string, message: string): KedgeError {
  return configErrors.invalid('the configuration cannot be used', [{ path: variable, message }]);
}
