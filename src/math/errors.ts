import { defineErrors } from '#core/errors';

/** The two ways a numeric function refuses its input; both name the argument and its limit. */
export const errors = defineErrors('math', {
  'bad-input': { status: 422, title: 'A numeric argument is outside its domain' },
  'too-few-windows': { status: 422, title: 'Too few windows of the reference to calibrate a threshold' },
});
