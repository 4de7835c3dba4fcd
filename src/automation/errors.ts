import { defineErrors } from '#core/errors';

export const automationErrors = defineErrors('automation', {
  'incident-not-found': { status: 404, title: 'No such incident' },
});
