import { z } from 'zod';
import { digestSchema, key, text, timestamp } from '../shapes.ts';
import { SOURCE_TYPES, TRACE_LIMITS, TRACE_STATES } from '../traces/model.ts';

const VALUE_LENGTH_MAX = 65_535;
const keyed = (value: z.ZodString) =>
  z.record(key, value).refine((map) => Object.keys(map).length <= TRACE_LIMITS.keys, {
    message: `expected at most ${TRACE_LIMITS.keys} keys`,
  });
/** Longer previews are cut off, as they are when clients send them. */
const preview = z
  .string()
  .max(1_048_576)
  .transform((full) => full.slice(0, TRACE_LIMITS.previewLength).toWellFormed().replaceAll('\0', '\uFFFD'));

const importedAssessment = z.strictObject({
  id: text(256).min(1),
  name: key,
  kind: z.enum(['feedback', 'expectation', 'issue']),
  /** Any JSON. */
  value: z
    .unknown()
    .refine((value) => (JSON.stringify(value) ?? '').length <= VALUE_LENGTH_MAX, {
      message: `expected at most ${VALUE_LENGTH_MAX} characters of JSON`,
    })
    .refine((value) => !(JSON.stringify(value) ?? '').includes('\\u0000'), 'expected text without NUL'),
  error: z
    .strictObject({ code: text(1_000), message: text(VALUE_LENGTH_MAX).optional(), stack: text(1_048_576).optional() })
    .optional(),
  rationale: text(VALUE_LENGTH_MAX).optional(),
  source: z.strictObject({ type: z.enum(SOURCE_TYPES), id: text(1_000) }),
  span: text(256).optional(),
  metadata: keyed(text(VALUE_LENGTH_MAX)).default({}),
  /** The assessment that this one stands in for. */
  overrides: text(256).optional(),
  valid: z.boolean(),
  createdAt: timestamp,
  updatedAt: timestamp,
});

/** The id of a trace, which its client made. */
export const traceId = z
  .string()
  .max(256)
  .regex(/^[A-Za-z0-9][\w.:-]*$/, 'expected letters, digits, underscores, dots, colons and dashes');

export const importedTrace = z.strictObject({
  source: text(1_000).min(1),
  id: traceId,
  experiment: z.string().regex(/^\d{1,20}$/, 'expected the id of an experiment of this server'),
  requestedAt: timestamp,
  durationMs: timestamp.optional(),
  state: z.enum(TRACE_STATES),
  clientRequestId: text(1_000).optional(),
  requestPreview: preview.optional(),
  responsePreview: preview.optional(),
  tags: keyed(text(TRACE_LIMITS.tagLength)).default({}),
  metadata: keyed(text(TRACE_LIMITS.metadataLength)).default({}),
  assessments: z.array(importedAssessment).max(TRACE_LIMITS.assessments).default([]),
  /** The spans as the text of the file `traces.json`, in either form that MLflow has had of it; none if left out. */
  spans: z.string().max(TRACE_LIMITS.traceBytes).optional(),
  /** Of what the source says, for whoever imports again. */
  digest: digestSchema,
});
export type ImportedTrace = z.output<typeof importedTrace>;

/** How far the import of a trace is. `deleted` when it was deleted here since: it is not brought in again. */
export const traceImportState = z.object({
  state: z.enum(['none', 'finished', 'deleted']),
  digest: digestSchema.nullable(),
  /** How many are here. */
  spans: z.number().int(),
  assessments: z.number().int(),
});
