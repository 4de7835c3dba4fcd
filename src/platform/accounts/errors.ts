import { defineErrors } from '#core/errors';

export const accountErrors = defineErrors('accounts', {
  'user-not-found': { status: 404, title: 'There is no such user' },
  'user-exists': { status: 409, title: 'There is a user of this name already' },
  'user-invalid': { status: 400, title: 'The user cannot be kept like this' },
  'user-external': { status: 409, title: 'The user signs in at the identity provider' },
  'password-weak': { status: 400, title: 'The password is too easy to guess' },
  'key-not-found': { status: 404, title: 'There is no such key' },
  'key-limit': { status: 409, title: 'The user has as many keys as are allowed' },
  'project-not-found': { status: 404, title: 'There is no such project' },
  'project-exists': { status: 409, title: 'There is a project of this name already' },
  'project-fixed': { status: 409, title: 'The default project stays as it is' },
  'grant-not-found': { status: 404, title: 'There is no such grant' },
  'grant-limit': { status: 409, title: 'The principal has as many grants as are allowed' },
  'sign-in-refused': { status: 401, title: 'The credentials are not valid' },
  'oidc-off': { status: 404, title: 'No identity provider is configured' },
  'oidc-failed': { status: 401, title: 'The identity provider did not confirm the sign-in' },
});
