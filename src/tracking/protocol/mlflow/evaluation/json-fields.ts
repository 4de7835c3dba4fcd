import { z } from 'zod';
import { EVALUATION_LIMITS, type RecordContent } from '../../../evaluation/model.ts';
import { jsonText } from '../json-text.ts';
import { invalidValue } from '../route.ts';

/** MLflow sends tags and records of evaluation data sets as JSON within a text. */

const jsonObject = z.record(z.string(), z.unknown(), 'expected an object');
const text = (max: number) =>
  z
    .string('expected a text')
    .max(max, `expected at most ${max} characters`)
    .refine((value) => !value.includes('\0'), 'expected text without NUL');
const tagKey = text(250).min(1, 'expected a key');
/** Values of other kinds are kept as the text that MLflow makes of them. */
const tagValue = z.preprocess(
  (value) => (typeof value === 'number' || typeof value === 'boolean' ? String(value) : value),
  text(5_000),
);

const tags = z
  .preprocess(withoutNulls, z.record(tagKey, tagValue, 'expected an object of texts'))
  .refine((value) => Object.keys(value).length <= EVALUATION_LIMITS.tags, {
    message: `expected at most ${EVALUATION_LIMITS.tags} tags`,
  });

const SOURCES = ['UNSPECIFIED', 'SOURCE_TYPE_UNSPECIFIED', 'TRACE', 'HUMAN', 'DOCUMENT', 'CODE'] as const;
const source = z.object({
  source_type: z.preprocess(
    (value) => (typeof value === 'string' ? value.toUpperCase() : value),
    z.enum(SOURCES, `expected one of ${SOURCES.join(', ')}`),
  ),
  source_data: jsonObject.nullish().transform((value) => value ?? {}),
});

const record = z.object({
  inputs: jsonObject,
  outputs: z.unknown().optional(),
  expectations: jsonObject.nullish(),
  tags: tags.nullish(),
  source: source.nullish(),
});

export function datasetTags(sent: string): Record<string, string> {
  if (sent === '') return {};
  return fitting(tags, jsonText(sent, 'tags'), 'tags');
}

export function datasetRecords(sent: string): RecordContent[] {
  const list = z
    .array(z.unknown(), 'expected a list')
    .max(EVALUATION_LIMITS.recordsInRequest, `expected at most ${EVALUATION_LIMITS.recordsInRequest} records`);
  return fitting(list, jsonText(sent, 'records'), 'records').map((item, i) => {
    const { inputs, expectations, tags: tagged, source: from, ...rest } = fitting(record, item, `records[${i}]`);
    const isAnswered = typeof item === 'object' && item !== null && Object.hasOwn(item, 'outputs');
    return {
      inputs,
      ...(isAnswered ? { outputs: rest.outputs } : {}),
      ...(expectations ? { expectations } : {}),
      ...(tagged ? { tags: tagged } : {}),
      ...(from ? { source: { type: from.source_type, data: from.source_data } } : {}),
    };
  });
}

function fitting<Schema extends z.ZodType>(schema: Schema, value: unknown, path: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const at = [path, ...(issue?.path ?? [])].map(String).join('.');
  throw invalidValue(at, value, issue?.message);
}

function withoutNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null));
}
