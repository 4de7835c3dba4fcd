import { defineErrors } from '#core/errors';

/** Expected failures of training and scoring. Each occurrence names the field and the limit. */
export const errors = defineErrors('gbdt', {
  'invalid-table': { status: 400, title: 'The table cannot be used' },
  'invalid-label': { status: 400, title: 'The label cannot be learnt' },
  'invalid-parameter': { status: 400, title: 'A training parameter is out of range' },
  'limit-exceeded': { status: 413, title: 'The training set or the model is larger than the trainer allows' },
  'invalid-model': { status: 400, title: 'The text is not a gradient boosting model' },
});
