import { z } from 'zod';

/**
 * Shapes of MLflow's JSON: the protobuf mapping with names in snake case. A 64-bit integer comes as a number or as its
 * digits, a double as a number, its digits or one of NaN, Infinity and -Infinity, an enumeration by its name. In a
 * query everything comes as text and a list as a repeated key. What a client sends beyond the shape is ignored.
 */
export const wire = {
  /** Text. NUL is refused, which not every database can store. */
  string: (max = 65_535) =>
    z
      .string('expected a string')
      .max(max, `expected at most ${max} characters`)
      .refine((value) => !value.includes('\0'), 'expected text without NUL'),
  /** Text that has to be there and not be empty. */
  required: (max = 65_535) => wire.string(max).min(1, REQUIRED),
  int64: (bounds: { readonly min?: number; readonly max?: number } = {}) =>
    z.preprocess(
      (value) => (typeof value === 'string' && /^-?\d{1,19}$/.test(value.trim()) ? Number(value) : value),
      z
        .number('expected an integer')
        .refine(Number.isInteger, 'expected an integer')
        .min(bounds.min ?? Number.MIN_SAFE_INTEGER, `expected at least ${bounds.min ?? Number.MIN_SAFE_INTEGER}`)
        .max(bounds.max ?? Number.MAX_SAFE_INTEGER, `expected at most ${bounds.max ?? Number.MAX_SAFE_INTEGER}`),
    ),
  double: () => z.custom<unknown>((value) => doubleOf(value) !== undefined, 'expected a number').transform(toDouble),
  boolean: () =>
    z.preprocess(
      (value) => (value === 'true' || value === 'True' ? true : value === 'false' || value === 'False' ? false : value),
      z.boolean("expected 'true' or 'false'"),
    ),
  list: <Item extends z.ZodType>(item: Item, max: number) =>
    z.preprocess(
      (value) => (typeof value === 'string' ? [value] : value),
      z.array(item, 'expected a list').max(max, `expected at most ${max} items`),
    ),
  message: <Shape extends z.ZodRawShape>(shape: Shape) => z.object(shape, 'expected an object'),
  /** One of the names of an enumeration. */
  oneOf: <const Name extends string>(names: readonly Name[]) =>
    z.enum(names as readonly [Name, ...Name[]], `expected one of ${names.join(', ')}`),
};

/** Marks an issue as a value that is missing rather than wrong. */
export const REQUIRED = 'required';

function doubleOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  if (/^-?(?:Infinity|inf)$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return Number.NaN;
  return /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

function toDouble(value: unknown): number {
  return doubleOf(value) ?? Number.NaN;
}

/** A double as MLflow sends it: JSON has no NaN and no infinities, which go by their names. */
export function sentDouble(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}
