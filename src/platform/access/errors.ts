import { defineErrors } from '#core/errors';

export const accessErrors = defineErrors('access', {
  unauthenticated: { status: 401, title: 'Valid credentials are needed' },
  forbidden: { status: 403, title: 'This needs a permission that the caller does not have' },
  'not-a-member': { status: 403, title: 'The caller has no access to this project' },
  'not-found': { status: 404, title: 'There is no such object, or the caller may not see it' },
  'no-project': { status: 404, title: 'There is no such project' },
  'invalid-project': { status: 400, title: 'The project is not named as projects are' },
  'too-many-attempts': { status: 429, title: 'There were too many failed attempts; try again later' },
});
