import { z } from 'zod';
import type { Json } from '#core/json';
import type { EventSchema } from '#platform/events';
import { valueAt } from '../conditions.ts';

const CONDITIONS_MAX = 20;
/** Names of fields, at most so many deep. */
export const FIELD_PATH = /^[A-Za-z][A-Za-z0-9_-]{0,59}(?:\.[A-Za-z0-9_-]{1,60}){0,10}$/;

const scalar = z.union([z.string().max(1_000), z.number(), z.boolean(), z.null()]);

const comparison = z
  .strictObject({
    equals: scalar.optional(),
    not: scalar.optional(),
    in: z.array(scalar).min(1).max(100).optional(),
    above: z.number().optional(),
    atLeast: z.number().optional(),
    below: z.number().optional(),
    atMost: z.number().optional(),
    startsWith: z.string().min(1).max(1_000).optional(),
  })
  .refine((given) => Object.values(given).some((value) => value !== undefined), 'expected a comparison');

const WORDS = 'equals, not, in, above, atLeast, below, atMost, startsWith';

/** What fields of an event must be, all of them: a value, or comparisons that must all hold. */
export const whereSpec = z
  .record(
    z.string().regex(FIELD_PATH, 'expected the path of a field such as cause.kind'),
    z.union([scalar, comparison], { error: `expected a value, or comparisons by ${WORDS}` }),
  )
  .refine((where) => Object.keys(where).length <= CONDITIONS_MAX, `expected at most ${CONDITIONS_MAX} fields`);
export type Where = z.output<typeof whereSpec>;
type Comparison = z.output<typeof comparison>;

/** What every event has beside its data. */
const ENVELOPE: Readonly<Record<string, EventSchema>> = {
  seq: { type: 'integer' },
  time: { type: 'number' },
  type: { type: 'string' },
  subject: { type: 'string' },
};

/** Whether an event is as `where` says. A field that is absent equals nothing. */
export function matches(where: Where, event: Json): boolean {
  return Object.entries(where).every(([path, expected]) => {
    const found = valueAt(event, path.split('.'));
    return isComparison(expected) ? holds(expected, found) : found === expected;
  });
}

function holds(expected: Comparison, found: Json | undefined): boolean {
  const number = typeof found === 'number' ? found : Number.NaN;
  const { equals, not, above, atLeast, below, atMost, startsWith } = expected;
  return (
    (equals === undefined || found === equals) &&
    (not === undefined || found !== not) &&
    (expected.in === undefined || expected.in.some((value) => value === found)) &&
    (above === undefined || number > above) &&
    (atLeast === undefined || number >= atLeast) &&
    (below === undefined || number < below) &&
    (atMost === undefined || number <= atMost) &&
    (startsWith === undefined || (typeof found === 'string' && found.startsWith(startsWith)))
  );
}

function isComparison(expected: Where[string]): expected is Comparison {
  return expected !== null && typeof expected === 'object';
}

export interface FieldIssue {
  readonly path: string;
  readonly message: string;
}

/** What is wrong with conditions on events of a type: fields that it has not, and values that they never have. */
export function whereIssues(where: Where, of: { readonly type: string; readonly schema: EventSchema }): FieldIssue[] {
  return Object.entries(where).flatMap(([path, expected]) => {
    const schemas = schemasAt(of.schema, path);
    if (typeof schemas === 'string') return [{ path, message: `${of.type} has no field '${path}': ${schemas}` }];
    const message = isComparison(expected) ? misfit(expected, schemas) : valueMisfit(expected, schemas);
    return message === undefined ? [] : [{ path, message: `'${path}' of ${of.type} ${message}` }];
  });
}

/** Why an event of a type has no such field; undefined when it may have. */
export function fieldIssue(path: string, schema: EventSchema): string | undefined {
  const found = schemasAt(schema, path);
  return typeof found === 'string' ? found : undefined;
}

function misfit(expected: Comparison, schemas: readonly EventSchema[]): string | undefined {
  const { equals, not, above, atLeast, below, atMost, startsWith } = expected;
  for (const value of [equals, not, ...(expected.in ?? [])]) {
    const message = value === undefined ? undefined : valueMisfit(value, schemas);
    if (message !== undefined) return message;
  }
  const isOrdered = [above, atLeast, below, atMost].some((bound) => bound !== undefined);
  if (isOrdered && !schemas.some((schema) => takes(schema, 0))) return `is ${wordsOf(schemas)}, and never a number`;
  if (startsWith !== undefined && !schemas.some((schema) => isAny(schema) || typesOf(schema).includes('string'))) {
    return `is ${wordsOf(schemas)}, and never a text`;
  }
  return undefined;
}

function valueMisfit(value: string | number | boolean | null, schemas: readonly EventSchema[]): string | undefined {
  if (schemas.some((schema) => takes(schema, value))) return undefined;
  return `is ${wordsOf(schemas)}, and never ${JSON.stringify(value)}`;
}

function takes(schema: EventSchema, value: string | number | boolean | null): boolean {
  if (isAny(schema)) return true;
  if (schema.const !== undefined) return schema.const === value;
  if (schema.enum) return schema.enum.some((known) => known === value);
  const type = value === null ? 'null' : typeof value;
  return typesOf(schema).some((known) => known === type || (known === 'integer' && type === 'number'));
}

/** The schemas that a value at a path may have, or what there is instead of the first part that is not there. */
function schemasAt(schema: EventSchema, path: string): readonly EventSchema[] | string {
  let current: readonly EventSchema[] = [{ type: 'object', properties: { ...schema.properties, ...ENVELOPE } }];
  for (const name of path.split('.')) {
    const next = current.flatMap((found) => childOf(found, name));
    if (next.length === 0) {
      const known = [...new Set(current.flatMap((found) => Object.keys(found.properties ?? {})))].sort();
      return known.length > 0 ? `expected one of ${known.join(', ')}` : `there is ${wordsOf(current)} before '${name}'`;
    }
    current = next.flatMap(variantsOf);
  }
  return current;
}

function childOf(schema: EventSchema, name: string): EventSchema[] {
  if (isAny(schema)) return [{}];
  const own = schema.properties?.[name];
  if (own !== undefined) return [asSchema(own)];
  const { additionalProperties: rest } = schema;
  return rest === undefined || rest === false || schema.properties?.[name] ? [] : [asSchema(rest)];
}

function variantsOf(schema: EventSchema): EventSchema[] {
  const variants = schema.anyOf ?? schema.oneOf;
  return variants ? variants.flatMap((variant) => variantsOf(asSchema(variant))) : [schema];
}

function asSchema(schema: EventSchema | boolean): EventSchema {
  return typeof schema === 'boolean' ? {} : schema;
}

function isAny(schema: EventSchema): boolean {
  return schema.type === undefined && schema.enum === undefined && schema.const === undefined;
}

function typesOf({ type }: EventSchema): readonly string[] {
  return type === undefined ? [] : [type].flat();
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  ...{ string: 'a text', number: 'a number', integer: 'a whole number', boolean: 'true or false' },
  ...{ null: 'null', array: 'a list', object: 'a map' },
};

function wordsOf(schemas: readonly EventSchema[]): string {
  const words = schemas.map((schema) => {
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' or ');
    return (
      typesOf(schema)
        .map((type) => TYPE_WORDS[type] ?? type)
        .join(' or ') || 'anything'
    );
  });
  return [...new Set(words)].join(' or ');
}

/** The fields of events of a type with what they hold, as `kedge triggers events` lists them. */
export function fieldsOf(schema: EventSchema): { readonly path: string; readonly holds: string }[] {
  const walk = (of: EventSchema, path: string): { path: string; holds: string }[] => {
    const variants = variantsOf(of);
    const inner = variants.flatMap((variant) => Object.entries(variant.properties ?? {}));
    if (inner.length === 0 || path.split('.').length > 3) {
      return [{ path, holds: variants.some(isAny) ? 'anything' : wordsOf(variants) }];
    }
    return inner.flatMap(([name, child]) => walk(asSchema(child), path === '' ? name : `${path}.${name}`));
  };
  return walk({ type: 'object', properties: { ...schema.properties, ...ENVELOPE } }, '');
}
