/** What a bearer token of an identity provider has to be like, and what its claims say of its holder. */

/** Only signatures of a public key: a client's secret must not be able to sign for the provider. */
export const SIGNATURE_ALGORITHMS: readonly string[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
];

export interface RoleMapping {
  /** Where the roles and groups are in the claims, with dots into nested ones: `groups`, `realm_access.roles`. */
  readonly roleClaim: string;
  /** What becomes of a value of that claim: `ml-admins` → `admin`. Every value is a group besides. */
  readonly roles: ReadonlyMap<string, string>;
}

const GROUPS_MAX = 200;

/** The roles that the claim maps to, and each of its values as a group. Undefined when the claim is not there. */
export function rolesOfClaims(
  claims: Readonly<Record<string, unknown>>,
  { roleClaim, roles }: RoleMapping,
): readonly string[] | undefined {
  const found = claimAt(claims, roleClaim);
  if (found === undefined) return undefined;
  const values = [found]
    .flat()
    .filter((value): value is string => typeof value === 'string' && /^[^\s:]{1,200}$/.test(value))
    .slice(0, GROUPS_MAX);
  const mapped = values.flatMap((value) => roles.get(value) ?? []);
  return [...new Set([...mapped.sort(), ...values.sort().map((value) => `group:${value}`)])];
}

/** A claim by its name, or by its path of names with dots between them. */
export function claimAt(claims: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let at: unknown = claims;
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[name];
  }
  return at;
}
