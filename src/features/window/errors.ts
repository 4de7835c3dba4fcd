import { defineErrors } from '#core/errors';

/** What a caller of the window operator can do wrong. Each detail names the field and the limit. */
export const windowErrors = defineErrors('features', {
  'window-view-invalid': { status: 422, title: 'The window view is not valid' },
  'window-input-invalid': { status: 422, title: 'The columns given to the window operator do not fit together' },
  'window-state-corrupt': { status: 500, title: 'The stored window state of an entity cannot be read' },
  'window-state-full': { status: 507, title: 'The window state of an entity holds too many rows' },
  'window-out-of-reach': { status: 422, title: 'The window reaches back to rows that the state no longer holds' },
});
