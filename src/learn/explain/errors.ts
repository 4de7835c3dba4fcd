import { defineErrors } from '#core/errors';

export const errors = defineErrors('explain', {
  'invalid-input': { status: 400, title: 'The explanation cannot be computed from this input' },
});
