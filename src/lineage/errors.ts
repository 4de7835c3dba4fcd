import { defineErrors } from '#core/errors';

export const lineageErrors = defineErrors('lineage', {
  'invalid-page': { status: 400, title: 'No such page of events' },
});
