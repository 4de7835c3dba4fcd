import { defineErrors } from '#core/errors';

export const governanceErrors = defineErrors('governance', {
  'invalid-cursor': { status: 400, title: 'The page to go on from is not one that was answered' },
  'decision-not-found': { status: 404, title: 'No such decision' },
  'waiver-not-found': { status: 404, title: 'No such waiver' },
  'not-waivable': { status: 409, title: 'A policy does not let this be waived' },
  'nothing-to-waive': { status: 409, title: 'No policy requires this' },
  'request-not-found': { status: 404, title: 'No such approval request' },
  'request-over': { status: 409, title: 'The approval request is decided or withdrawn' },
  'own-version': { status: 403, title: 'Whoever made or proposed a version does not decide about it' },
  'key-not-found': { status: 404, title: 'No such key' },
  'key-unknown': { status: 403, title: 'The key is not one that the caller signs with' },
  'key-invalid': { status: 400, title: 'The key is not an Ed25519 public key' },
  'signature-invalid': { status: 400, title: 'The signature is not over what is approved' },
  'webhook-not-found': { status: 404, title: 'No such webhook' },
  'delivery-not-found': { status: 404, title: 'No such delivery' },
  limit: { status: 409, title: 'There are as many as there may be' },
});
