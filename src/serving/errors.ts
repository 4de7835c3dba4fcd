import { defineErrors } from '#core/errors';

export const servingErrors = defineErrors('serving', {
  'not-found': { status: 404, title: 'No such endpoint' },
  'rollout-not-found': { status: 404, title: 'No such rollout' },
  'version-not-found': { status: 404, title: 'No such model version' },
  'not-servable': { status: 409, title: 'The model version cannot be served' },
  'rollout-active': { status: 409, title: 'The endpoint has an active rollout' },
  'already-current': { status: 409, title: 'The version is the current revision of the endpoint' },
  'not-active': { status: 409, title: 'The rollout has ended' },
  locked: { status: 409, title: 'The endpoint is locked after a rollback' },
  'not-locked': { status: 409, title: 'The endpoint is not locked' },
  'golden-full': { status: 409, title: 'The endpoint has as many golden requests as there may be' },
  'no-records': { status: 409, title: 'Nothing is recorded to take golden requests from' },
  'no-bundle': { status: 404, title: 'The rollout was not rolled back' },
  'no-arms': { status: 409, title: 'There are no candidates that could be rolled out together' },
  'unknown-arm': { status: 409, title: 'The rollout has no such arm in traffic' },
  'no-metric': { status: 409, title: 'The rollout has no business metric' },
  'model-fixed': { status: 409, title: 'The model of an endpoint cannot be changed' },
  'feature-unknown': { status: 409, title: 'A feature view of the endpoint cannot be used' },
  'feature-needed': { status: 409, title: 'A revision of the endpoint needs a feature that would be gone' },
});
