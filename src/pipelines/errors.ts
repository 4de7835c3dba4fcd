import { defineErrors } from '#core/errors';

export const pipelineErrors = defineErrors('pipelines', {
  'not-found': { status: 404, title: 'No such pipeline' },
  'run-not-found': { status: 404, title: 'No such pipeline run' },
  'step-not-found': { status: 404, title: 'The run has no such step' },
  'invalid-params': { status: 400, title: 'The parameters do not fit the pipeline' },
  'unknown-reference': { status: 400, title: 'A step refers to something that does not exist' },
  'code-missing': { status: 400, title: 'The code bundle is not in the blob store' },
  'code-invalid': { status: 400, title: 'The code cannot be bundled' },
  'run-finished': { status: 409, title: 'The run is over' },
  'schedule-not-found': { status: 404, title: 'No such schedule' },
  'run-not-so': { status: 409, title: 'The run or step is not in a state for this' },
  'own-run': { status: 403, title: 'Whoever started the run does not decide about it' },
  'not-partitioned': { status: 400, title: 'The pipeline has no such partition' },
  'nothing-to-backfill': { status: 409, title: 'No partition is left to do' },
  'backfill-not-found': { status: 404, title: 'No such backfill' },
  'backfill-over': { status: 409, title: 'The backfill is over' },
  'attempt-not-found': { status: 404, title: 'No such attempt' },
  'stale-attempt': { status: 409, title: 'The attempt no longer holds its step; its work is discarded' },
  'output-missing': { status: 400, title: 'An output is not in the blob store as it was reported' },
  'log-full': { status: 413, title: 'The log of the attempt is at its limit' },
});
