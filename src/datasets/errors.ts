import { defineErrors } from '#core/errors';

export const datasetErrors = defineErrors('datasets', {
  'not-found': { status: 404, title: 'No such dataset' },
  'batch-conflict': { status: 409, title: 'A batch of this name exists with other content' },
  'batch-not-found': { status: 404, title: 'No such batch' },
  'nothing-held': { status: 409, title: 'The batch holds no quarantined rows' },
  'unreadable-batch': { status: 400, title: 'The batch cannot be read' },
  'empty-batch': { status: 400, title: 'The batch has no rows' },
  'too-many-rows': { status: 413, title: 'The batch has more rows than the limit' },
  'bad-expression': { status: 400, title: 'An SQL expression of the dataset cannot be evaluated' },
});
