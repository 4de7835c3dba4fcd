import type { z } from 'zod';
import { defineErrors, type KedgeError } from '#core/errors';

export const trackingErrors = defineErrors('tracking', {
  invalid: { status: 400, title: 'The input does not fit' },
  'invalid-cursor': { status: 400, title: 'The page to go on from is not one that was answered' },
  'experiment-not-found': { status: 404, title: 'No such experiment' },
  'experiment-deleted': { status: 409, title: 'The experiment is deleted' },
  'experiment-exists': { status: 409, title: 'There is an experiment of this name already' },
  'run-not-found': { status: 404, title: 'No such run' },
  'run-deleted': { status: 409, title: 'The run is deleted' },
  'run-exists': { status: 409, title: 'Another run has this id' },
  'run-over': { status: 409, title: 'The run has ended with another status' },
  'not-imported': { status: 409, title: 'It was made here, and not brought in from elsewhere' },
  'param-changed': { status: 409, title: 'A logged param cannot be changed' },
  'tag-not-found': { status: 404, title: 'No such tag' },
  'trace-not-found': { status: 404, title: 'No such trace' },
  'trace-exists': { status: 409, title: 'Another trace has this id' },
  'trace-deleted': { status: 409, title: 'The trace was deleted' },
  'trace-incomplete': { status: 404, title: 'Not all spans of the trace have arrived' },
  'span-not-found': { status: 404, title: 'No such span' },
  'assessment-not-found': { status: 404, title: 'No such assessment' },
  'issue-not-found': { status: 404, title: 'No such issue' },
  'dataset-not-found': { status: 404, title: 'No such evaluation data set' },
  'scorer-not-found': { status: 404, title: 'No such scorer' },
  'model-not-found': { status: 404, title: 'No such logged model' },
  'model-exists': { status: 409, title: 'Another logged model has this id' },
  'artifact-not-found': { status: 404, title: 'No such artifact' },
  'artifact-conflict': { status: 409, title: 'A file and a folder cannot have the same path' },
  'artifact-locked': { status: 409, title: 'A registered version is made of this file' },
  'upload-not-found': { status: 404, title: 'No such open upload' },
  limit: { status: 409, title: 'The run holds as much as it may' },
});

/** The value if it fits its schema; otherwise `tracking/invalid`, which names the first field and lists the others. */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, name: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw invalid(name, parsed.error);
}

function invalid(name: string, error: z.ZodError): KedgeError {
  const fields = error.issues.slice(0, 20).map((issue) => ({
    path: [name, ...issue.path].join('.'),
    message: issue.message,
  }));
  return trackingErrors.invalid(`${fields[0]?.path}: ${fields[0]?.message}`, fields);
}
