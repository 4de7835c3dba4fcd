/** Questions, and what is expected of answers to them, that programs are evaluated with. */
export interface EvaluationDataset {
  readonly id: string;
  readonly project: string;
  readonly name: string;
  readonly owner: string;
  readonly experiments: readonly string[];
  readonly tags: ReadonlyMap<string, string>;
  readonly schema: RecordSchema;
  readonly records: number;
  readonly createdBy: string | undefined;
  readonly createdAt: number;
  readonly updatedBy: string | undefined;
  readonly updatedAt: number;
}

type FieldType = 'null' | 'boolean' | 'integer' | 'float' | 'string' | 'array' | 'object';
type Fields = Readonly<Record<string, FieldType>>;

/** The fields that records of a data set have had, each with the type that it had first. */
export interface RecordSchema {
  readonly inputs: Fields;
  readonly outputs: Fields;
  readonly expectations: Fields;
}

type JsonObject = Readonly<Record<string, unknown>>;

export interface RecordContent {
  readonly inputs: JsonObject;
  /** Any JSON; undefined where there is none. */
  readonly outputs?: unknown;
  readonly expectations?: JsonObject | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly source?: { readonly type: string; readonly data: JsonObject } | undefined;
}

export interface EvaluationRecord extends RecordContent {
  readonly id: string;
  readonly dataset: string;
  readonly createdBy: string | undefined;
  readonly createdAt: number;
  readonly updatedBy: string | undefined;
  readonly updatedAt: number;
}

export const EVALUATION_LIMITS = {
  recordsInRequest: 10_000,
  records: 100_000,
  recordBytes: 1_048_576,
  /** Of the records in one answer. */
  pageBytes: 16_777_216,
  tags: 100,
  experiments: 1_000,
  scorerLength: 1_048_576,
  scorers: 10_000,
} as const;

export const NO_SCHEMA: RecordSchema = { inputs: {}, outputs: {}, expectations: {} };
const FIELDS_MAX = 1_000;

/** A record after the same inputs came again: outputs are replaced, expectations and tags added to. */
export function merged(known: RecordContent, sent: RecordContent): RecordContent {
  return {
    ...known,
    ...('outputs' in sent ? { outputs: sent.outputs } : {}),
    ...(sent.expectations ? { expectations: { ...known.expectations, ...sent.expectations } } : {}),
    ...(sent.tags ? { tags: { ...known.tags, ...sent.tags } } : {}),
  };
}

/** The schema with the fields of a record that it does not know yet. */
export function schemaWith(schema: RecordSchema, { inputs, outputs, expectations }: RecordContent): RecordSchema {
  return {
    inputs: fieldsWith(schema.inputs, inputs),
    outputs: fieldsWith(schema.outputs, outputs),
    expectations: fieldsWith(schema.expectations, expectations),
  };
}

function fieldsWith(known: Fields, value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return known;
  const fresh = Object.entries(value).filter(([name]) => !Object.hasOwn(known, name));
  if (fresh.length === 0) return known;
  const all = [...Object.entries(known), ...fresh.map(([name, item]) => [name, typeOf(item)] as const)];
  return Object.fromEntries(all.slice(0, FIELDS_MAX));
}

function typeOf(value: unknown): FieldType {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  switch (typeof value) {
    case 'boolean':
      return 'boolean';
    case 'number':
      return Number.isInteger(value) ? 'integer' : 'float';
    case 'string':
      return 'string';
    default:
      return 'object';
  }
}
