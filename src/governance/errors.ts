import { defineErrors } from '#core/errors';

export const governanceErrors = defineErrors('governance', {
  'invalid-cursor': { status: 400, title: 'The page to go on from is not one that was answered' },
  'decision-not-found': { status: 404, title: 'No such decision' },
  'waiver-not-found': { status: 404, title: 'No such waiver' },
  'not-waivable': { status: 409, title: 'A policy does not let this be waived' },
  'nothing-to-waive': { status: 409, title: 'No policy requires this' },
  limit: { status: 409, title: 'There are as many waivers as there may be' },
});
