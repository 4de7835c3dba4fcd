import fc from 'fast-check';
import { z } from 'zod';
import type { KnownValues } from './known-values.ts';

/** The part of JSON Schema that Zod writes. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly propertyNames?: Schema;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly $ref?: string;
}

const ITEMS_MAX = 3;
const FREE_LENGTH_MAX = 40;
const TEXTS = ['a', 'ä\u0301 ☃', "'; drop table event; --", '%', '../..', '__proto__', '0', '-1', 'null', '1e999'];
const NUMBERS = [0, 1, -1, 2, 0.5, 1e15, 2 ** 53, -(2 ** 53), 1e308, 1_000_000_000_000, 4_102_444_800_000];

/**
 * Values that mostly fit `schema`: made of what is known under the same names, and of what programs stumble over. What
 * the JSON form of a schema leaves open, such as a refinement, is up to chance.
 */
export function fitInput(schema: z.ZodType, known: KnownValues): fc.Arbitrary<unknown> {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema;
  return arbitraryOf(json, { known });
}

interface Place {
  readonly known: KnownValues;
  /** The name of the field that is made; undefined at the top. */
  readonly field?: string;
}

function arbitraryOf(schema: Schema, place: Place): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return fc.oneof(...choices.map((choice) => arbitraryOf(choice, place)));
  if (schema.allOf) {
    const parts = schema.allOf.map((part) => arbitraryOf(part, place));
    return fc.tuple(...parts).map((values) => Object.assign({}, ...values));
  }
  if (Array.isArray(schema.type))
    return fc.oneof(...schema.type.map((type) => arbitraryOf({ ...schema, type }, place)));
  switch (schema.type) {
    case 'object':
      return objectOf(schema, place);
    case 'array': {
      const { items = {}, minItems: minLength = 0, maxItems = ITEMS_MAX } = schema;
      const maxLength = Math.max(minLength, Math.min(maxItems, ITEMS_MAX));
      return fc.array(arbitraryOf(items, place), { minLength, maxLength });
    }
    case 'string':
      return textOf(schema, place);
    case 'number':
    case 'integer':
      return fc.oneof({ weight: 2, arbitrary: knownNumber(schema, place) }, { weight: 3, arbitrary: numberOf(schema) });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.oneof(fc.jsonValue({ maxDepth: 2 }), knownText({}, place));
  }
}

function objectOf(schema: Schema, { known }: Place): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties, propertyNames } = schema;
  const fields = Object.fromEntries(
    Object.entries(properties).map(([field, value]) => [field, arbitraryOf(value, { known, field })]),
  );
  const declared = fc.record(fields, { requiredKeys: required.filter((name) => Object.hasOwn(fields, name)) });
  if (typeof additionalProperties !== 'object') return declared;
  const key = textOf(propertyNames ?? {}, { known });
  const more = fc.dictionary(key, arbitraryOf(additionalProperties, { known }), { maxKeys: ITEMS_MAX });
  return fc.tuple(declared, more).map(([a, b]) => ({ ...b, ...a }));
}

function textOf(schema: Schema, place: Place): fc.Arbitrary<string> {
  const { pattern, enum: names, minLength = 0, maxLength = FREE_LENGTH_MAX } = schema;
  if (names) return fc.constantFrom(...names.map(String));
  const lengths = { minLength, maxLength: Math.max(minLength, Math.min(maxLength, FREE_LENGTH_MAX)) };
  // What looks around cannot be turned into a generator; there it is left to what is known.
  const isFree = pattern === undefined || /\(\?[=!<]/.test(pattern);
  const free = isFree ? fc.string(lengths) : fc.stringMatching(new RegExp(pattern, 'u'));
  return fc.oneof({ weight: 4, arbitrary: knownText(schema, place) }, { weight: 1, arbitrary: free });
}

/** Looks when the value is drawn, as more is known by then. Mostly what has the field's own name. */
function knownText({ pattern }: Schema, { known, field }: Place): fc.Arbitrary<string> {
  const fits = pattern === undefined ? undefined : new RegExp(pattern, 'u');
  return fc.tuple(fc.nat(4), fc.nat(10_000)).map(([where, n]) => {
    const named = field === undefined ? [] : known.of(field);
    // What a path calls `rollout` is often called `id` or `name` where it is described.
    const likely = named.length > 0 ? named : [...known.of('id'), ...known.of('name')];
    const all = where > 0 && likely.length > 0 ? likely : [...known.of(), ...TEXTS];
    const texts = all.map(String).filter((text) => fits?.test(text) ?? true);
    return texts[n % Math.max(1, texts.length)] ?? 'a';
  });
}

function knownNumber(schema: Schema, { known, field }: Place): fc.Arbitrary<number> {
  return fc.nat(10_000).map((n) => {
    const numbers = known.of(field ?? '').flatMap((value) => (typeof value === 'number' ? value : []));
    return numbers[n % Math.max(1, numbers.length)] ?? schema.minimum ?? 1;
  });
}

function numberOf({ type, minimum, maximum, exclusiveMinimum }: Schema): fc.Arbitrary<number> {
  const low = minimum ?? exclusiveMinimum ?? -Number.MAX_VALUE;
  const high = maximum ?? Number.MAX_VALUE;
  const fits = (n: number): boolean => n >= low && n <= high && (type !== 'integer' || Number.isSafeInteger(n));
  const edges = [low, high, ...NUMBERS].filter(fits);
  const edge = fc.constantFrom(...(edges.length > 0 ? edges : [0]));
  const [min, max] = [Math.ceil(Math.max(low, -100)), Math.floor(Math.min(high, 1_000))];
  return min <= max ? fc.oneof(fc.integer({ min, max }), edge) : edge;
}
