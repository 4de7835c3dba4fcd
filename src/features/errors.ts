import { defineErrors } from '#core/errors';

export const featureErrors = defineErrors('features', {
  'missing-entity': { status: 400, title: 'A key that a feature view needs was not given' },
  'no-rows': { status: 409, title: 'No labelled row lies in the asked range' },
  'mixed-datasets': { status: 400, title: 'Feature views of several datasets cannot be recomputed together' },
  'name-taken': { status: 400, title: 'Two columns of a training set have the same name' },
});
