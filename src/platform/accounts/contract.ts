import { z } from 'zod';
import { contract, pageQuery, route } from '#platform/contract';
import { callerTableSchema } from './caller-table.ts';

export { type CallerTable, callerTableSchema } from './caller-table.ts';

/** Names of users: those that others write in a header, so no spaces and no colon. */
export const userName = z
  .string()
  .min(1)
  .max(100)
  .regex(
    /^[a-z0-9](?:[a-z0-9._@+-]*[a-z0-9])?$/,
    'expected lower case letters, digits and . _ @ + - (as in ada@bank.ch)',
  );
/** Names that no user can have, as the platform acts under them. */
export const RESERVED_USER_NAMES: ReadonlySet<string> = new Set(['admin', 'local', 'anonymous', 'system']);
export const projectName = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?$/, 'expected lower case letters, digits, - and _ (as in credit-risk)');
const role = z.enum(['admin', 'editor', 'approver', 'viewer', 'caller']);
const level = z.enum(['READ', 'USE', 'EDIT', 'MANAGE']);
const principal = z
  .string()
  .max(210)
  .regex(/^(?:user|group):[^\s:]{1,200}$/, 'expected user:<name> or group:<name>');
const object = z
  .string()
  .max(600)
  .regex(/^(?:experiment|model)\/[^/\p{Cc}]+$/u, 'expected experiment/<id> or model/<name>');
/** A new password; how strong it has to be is told by the error `accounts/password-weak`. */
const password = z.string().min(1).max(1_000);

const userView = z.object({
  name: z.string(),
  actor: z.string(),
  roles: z.array(z.string()),
  hasPassword: z.boolean(),
  /** The identity provider at which the user signs in. */
  issuer: z.string().nullable(),
  disabled: z.boolean(),
  createdAt: z.number(),
});
export type UserView = z.output<typeof userView>;

const keyView = z.object({
  id: z.string(),
  user: z.string(),
  label: z.string(),
  createdAt: z.number(),
  expiresAt: z.number().nullable(),
  revokedAt: z.number().nullable(),
});
export type KeyView = z.output<typeof keyView>;

const projectView = z.object({
  name: z.string(),
  description: z.string(),
  archived: z.boolean(),
  createdAt: z.number(),
  /** What the caller holds on it; null for somebody who at most has single objects there. */
  level: level.nullable(),
});
export type ProjectView = z.output<typeof projectView>;

const grantView = z.object({
  principal: z.string(),
  project: z.string(),
  /** Null for the project as a whole. */
  object: z.string().nullable(),
  level,
});
export type GrantView = z.output<typeof grantView>;

const oneUser = z.object({ user: userName });
const oneProject = z.object({ project: projectName });
const newKey = z.strictObject({
  label: z.string().min(1).max(100),
  /** After this many days the key is void; never unless told. */
  days: z.number().int().min(1).max(3_650).optional(),
});
/** The key is in no other answer, and nobody can read it again. */
const createdKey = keyView.extend({ key: z.string() });

/** What administrators do: users, their keys, projects. */
export const accountsContract = contract({
  listUsers: route({
    method: 'GET',
    path: '/api/v1/users',
    summary: 'Users by name',
    permission: 'accounts:manage',
    query: pageQuery,
    reply: z.object({ items: z.array(userView), next: z.string().optional() }),
  }),
  createUser: route({
    method: 'POST',
    path: '/api/v1/users',
    summary: 'Add a user, who signs in with a password or, without one, only with keys',
    permission: 'accounts:manage',
    body: z.strictObject({ name: userName, roles: z.array(role).max(5).default([]), password: password.optional() }),
    reply: userView,
    errors: ['accounts/user-exists', 'accounts/password-weak'],
    audit: 'user.create',
  }),
  updateUser: route({
    method: 'PATCH',
    path: '/api/v1/users/:user',
    summary: 'Change the roles or the password of a user, or disable one, which ends all sessions',
    permission: 'accounts:manage',
    params: oneUser,
    body: z.strictObject({
      roles: z.array(role).max(5).optional(),
      disabled: z.boolean().optional(),
      password: password.optional(),
    }),
    reply: userView,
    errors: ['accounts/user-not-found', 'accounts/password-weak', 'accounts/user-external'],
    audit: 'user.update',
  }),
  listUserKeys: route({
    method: 'GET',
    path: '/api/v1/users/:user/keys',
    summary: 'The keys of a user',
    permission: 'accounts:manage',
    params: oneUser,
    reply: z.object({ items: z.array(keyView) }),
    errors: ['accounts/user-not-found'],
  }),
  createUserKey: route({
    method: 'POST',
    path: '/api/v1/users/:user/keys',
    summary: 'Make a key for a user, such as a service that has no password',
    permission: 'accounts:manage',
    params: oneUser,
    body: newKey,
    reply: createdKey,
    errors: ['accounts/user-not-found', 'accounts/key-limit'],
    audit: 'key.create',
  }),
  revokeUserKey: route({
    method: 'DELETE',
    path: '/api/v1/users/:user/keys/:key',
    summary: 'Revoke a key of a user, at once',
    permission: 'accounts:manage',
    params: oneUser.extend({ key: z.string().max(40) }),
    reply: keyView,
    errors: ['accounts/key-not-found'],
    audit: 'key.revoke',
  }),
  createSignInLink: route({
    method: 'POST',
    path: '/api/v1/session-links',
    summary: 'Make a token with which the caller signs in to the console once, within a quarter of an hour',
    permission: 'accounts:manage',
    reply: z.object({ token: z.string(), expiresAt: z.number() }),
    audit: 'session.link',
  }),
  pollCallers: route({
    method: 'GET',
    path: '/api/v1/callers',
    summary: 'Wait up to 25 seconds for a table of who may call gateways other than the one known',
    permission: 'serving:admit',
    query: z.object({ after: z.string().max(100).default('') }),
    reply: callerTableSchema,
  }),
  createProject: route({
    method: 'POST',
    path: '/api/v1/projects',
    summary: 'Add a project: experiments and models of their own, for whoever is granted a level on it',
    permission: 'accounts:manage',
    body: z.strictObject({ name: projectName, description: z.string().max(2_000).default('') }),
    reply: projectView,
    errors: ['accounts/project-exists'],
    audit: 'project.create',
  }),
  updateProject: route({
    method: 'PATCH',
    path: '/api/v1/projects/:project',
    summary: 'Describe a project, or archive it: nobody then gets in, and nothing in it is lost',
    permission: 'accounts:manage',
    params: oneProject,
    body: z.strictObject({ description: z.string().max(2_000).optional(), archived: z.boolean().optional() }),
    reply: projectView,
    errors: ['accounts/project-not-found', 'accounts/project-fixed'],
    audit: 'project.update',
  }),
});

/** What whoever is known may do: their own session and keys, and grants on what they manage. */
export const sessionContract = contract({
  getSignInMethods: route({
    method: 'GET',
    path: '/api/v1/session/methods',
    summary: 'How one can sign in here',
    permission: 'public',
    reply: z.object({ password: z.boolean(), oidc: z.boolean(), withoutCredentials: z.boolean() }),
  }),
  signIn: route({
    method: 'POST',
    path: '/api/v1/session',
    summary: 'Begin a session of the console, by password or with a key, a token or a sign-in link',
    permission: 'public',
    body: z.union([
      z.strictObject({ user: z.string().min(1).max(100), password: z.string().min(1).max(1_000) }),
      z.strictObject({ token: z.string().min(1).max(8_000) }),
    ]),
    bodyBytesMax: 16_384,
    reply: z.object({ actor: z.string(), expiresAt: z.number() }),
    errors: ['accounts/sign-in-refused', 'access/too-many-attempts'],
    audit: 'session.start',
  }),
  getSession: route({
    method: 'GET',
    path: '/api/v1/session',
    summary: 'Who one is here, with which roles, and in which projects',
    permission: 'signed-in',
    reply: z.object({ actor: z.string(), roles: z.array(z.string()), projects: z.array(projectView) }),
  }),
  signOut: route({
    method: 'DELETE',
    path: '/api/v1/session',
    summary: 'End the session of the console',
    permission: 'signed-in',
    reply: z.object({ ended: z.boolean() }),
    audit: 'session.end',
  }),
  changePassword: route({
    method: 'POST',
    path: '/api/v1/session/password',
    summary: 'Change the own password, which ends all other sessions',
    permission: 'signed-in',
    body: z.strictObject({ current: z.string().min(1).max(1_000), next: password }),
    reply: z.object({ changed: z.boolean() }),
    errors: ['accounts/sign-in-refused', 'accounts/password-weak', 'access/too-many-attempts'],
    audit: 'user.change-password',
  }),
  listOwnKeys: route({
    method: 'GET',
    path: '/api/v1/keys',
    summary: 'The own keys',
    permission: 'signed-in',
    reply: z.object({ items: z.array(keyView) }),
  }),
  createOwnKey: route({
    method: 'POST',
    path: '/api/v1/keys',
    summary: 'Make a key for scripts and MLflow clients, shown once',
    permission: 'signed-in',
    body: newKey,
    reply: createdKey,
    errors: ['accounts/user-not-found', 'accounts/key-limit'],
    audit: 'key.create',
  }),
  revokeOwnKey: route({
    method: 'DELETE',
    path: '/api/v1/keys/:key',
    summary: 'Revoke an own key, at once',
    permission: 'signed-in',
    params: z.object({ key: z.string().max(40) }),
    reply: keyView,
    errors: ['accounts/key-not-found'],
    audit: 'key.revoke',
  }),
  listProjects: route({
    method: 'GET',
    path: '/api/v1/projects',
    summary: 'The projects in which one has anything',
    permission: 'signed-in',
    reply: z.object({ items: z.array(projectView) }),
  }),
  listGrants: route({
    method: 'GET',
    path: '/api/v1/projects/:project/grants',
    summary: 'Who holds which level on a project, or on an object in it; for whoever manages it',
    permission: 'signed-in',
    params: oneProject,
    query: z.object({ object: object.optional() }),
    reply: z.object({ items: z.array(grantView) }),
    errors: ['access/forbidden', 'access/not-found'],
  }),
  putGrant: route({
    method: 'PUT',
    path: '/api/v1/projects/:project/grants',
    summary: 'Grant a user or a group a level on a project or an object; for whoever manages it',
    permission: 'signed-in',
    params: oneProject,
    body: z.strictObject({ principal, object: object.optional(), level }),
    reply: grantView,
    errors: ['access/forbidden', 'access/not-found', 'accounts/grant-limit'],
    audit: 'grant.put',
  }),
  deleteGrant: route({
    method: 'DELETE',
    path: '/api/v1/projects/:project/grants/:principal',
    summary: 'Take a grant back, at once; for whoever manages the project or the object',
    permission: 'signed-in',
    params: oneProject.extend({ principal }),
    query: z.object({ object: object.optional() }),
    reply: grantView,
    errors: ['access/forbidden', 'access/not-found', 'accounts/grant-not-found'],
    audit: 'grant.delete',
  }),
});
