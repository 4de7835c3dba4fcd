import { z } from 'zod';
import { SOURCE_TYPES, TRACE_LIMITS, TRACE_STATES } from '../../../traces/model.ts';
import { KEY_LENGTH_MAX } from '../fields.ts';
import { REQUIRED, wire } from '../wire.ts';

export const TRACE_BODY_BYTES_MAX = 8_388_608;

export const traceId = () =>
  wire
    .string(256)
    .min(1, REQUIRED)
    .regex(/^[A-Za-z0-9][\w.:-]*$/, 'expected letters, digits, underscores, dots, colons and dashes');

export const traceIds = (max: number) => wire.list(traceId(), max);
export const tagKey = () => wire.required(KEY_LENGTH_MAX);
export const tagValue = () => wire.string(TRACE_LIMITS.tagLength);

/** A map of texts, as protobuf's JSON has it: an object. */
export const map = (options: { readonly valueMax: number; readonly max: number }) =>
  z
    .record(wire.string(KEY_LENGTH_MAX), wire.string(options.valueMax), 'expected an object of texts')
    .refine((value) => Object.keys(value).length <= options.max, `expected at most ${options.max} keys`);

export const tagMap = () => map({ valueMax: TRACE_LIMITS.tagLength, max: TRACE_LIMITS.keys }).default({});
export const metadataMap = () => map({ valueMax: TRACE_LIMITS.metadataLength, max: TRACE_LIMITS.keys }).default({});

/** A point in time as protobuf's JSON has it, as epoch milliseconds. */
export const time = () =>
  z.preprocess(
    (value) => (typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : value),
    z.number('expected a time such as 2026-01-31T12:00:00Z').min(0, 'expected a time since 1970').transform(Math.floor),
  );

/** A length of time as protobuf's JSON has it, `1.5s`, as milliseconds. */
export const duration = () =>
  wire
    .string(40)
    .regex(/^\d{1,12}(\.\d{1,9})?s$/, 'expected seconds such as 1.5s')
    .transform((text) => Math.round(Number(text.slice(0, -1)) * 1_000));

export const state = () => wire.oneOf(TRACE_STATES).default('STATE_UNSPECIFIED');

/** A preview is cut off where it is too long: clients do so too, at lengths of their own. */
export const preview = () =>
  wire
    .string(1_048_576)
    .transform((text) => text.slice(0, TRACE_LIMITS.previewLength).toWellFormed())
    .optional();

export const VALUE_LENGTH_MAX = 65_535;

/** Any JSON of a bounded length. */
const anyJson = () =>
  z
    .unknown()
    .refine((value) => (JSON.stringify(value) ?? '').length <= VALUE_LENGTH_MAX, {
      message: `expected at most ${VALUE_LENGTH_MAX} characters of JSON`,
    })
    .refine((value) => !(JSON.stringify(value) ?? '').includes('\\u0000'), 'expected text without NUL');

const error = wire.message({
  error_code: wire.string(1_000).default(''),
  error_message: wire.string().optional(),
  stack_trace: wire.string().optional(),
});
const serialized = wire.message({
  serialization_format: wire.string(100).default('JSON_FORMAT'),
  value: wire.string(VALUE_LENGTH_MAX),
});

export const feedback = wire.message({ value: anyJson().optional(), error: error.optional() });
export const expectation = wire.message({ value: anyJson().optional(), serialized_value: serialized.optional() });
const issue = wire.message({ issue_name: wire.string(1_000).default('') });
const source = wire.message({
  source_type: wire.oneOf(SOURCE_TYPES).default('SOURCE_TYPE_UNSPECIFIED'),
  source_id: wire.string(1_000).default('default'),
});

export const assessment = () =>
  wire.message({
    assessment_id: wire.string(256).optional(),
    assessment_name: wire.required(KEY_LENGTH_MAX),
    trace_id: wire.string(256).optional(),
    span_id: wire.string(256).optional(),
    source: source.default({ source_type: 'SOURCE_TYPE_UNSPECIFIED', source_id: 'default' }),
    create_time: time().optional(),
    feedback: feedback.optional(),
    expectation: expectation.optional(),
    issue: issue.optional(),
    rationale: wire.string(VALUE_LENGTH_MAX).optional(),
    error: error.optional(),
    metadata: map({ valueMax: VALUE_LENGTH_MAX, max: 100 }).default({}),
    overrides: wire.string(256).optional(),
  });
export type SentAssessment = z.output<ReturnType<typeof assessment>>;
export type SentError = z.output<typeof error>;
