import { defineErrors } from '#core/errors';

export const searchErrors = defineErrors('search', {
  'invalid-filter': { status: 400, title: 'The filter cannot be read' },
  'invalid-order': { status: 400, title: 'The order cannot be read' },
  'invalid-page-token': { status: 400, title: 'The page token was not answered for this search' },
});
