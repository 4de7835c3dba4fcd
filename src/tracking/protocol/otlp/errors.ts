import { defineErrors } from '#core/errors';

export const otlpErrors = defineErrors('otlp', {
  malformed: { status: 400, title: 'The export cannot be read' },
  'no-experiment': { status: 400, title: 'The export does not say into which experiment it goes' },
  'too-large': { status: 413, title: 'The export is too large' },
  'unknown-type': { status: 415, title: 'The export has a media type that is not read' },
});
