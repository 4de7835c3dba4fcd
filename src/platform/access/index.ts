export { type Authenticator, localSender, type Presented, tokenAuthenticator } from './authenticator.ts';
export { claimAt, type RoleMapping, rolesOfClaims, SIGNATURE_ALGORITHMS } from './claims.ts';
export { accessErrors } from './errors.ts';
export {
  DEFAULT_PROJECT,
  type Grants,
  highest,
  LEVELS,
  type Level,
  NO_GRANTS,
  type ObjectRef,
  type ProjectGrants,
} from './levels.ts';
export {
  type AccessContext,
  fullAccess,
  levelFor,
  type ObjectAccess,
  objectAccess,
  requireMember,
  requireRoute,
  type Sender,
} from './object-access.ts';
export { isAdministrator, mayUse, requirePermission } from './roles.ts';
