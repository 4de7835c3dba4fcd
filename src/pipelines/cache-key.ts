import { type Digest, digestOfJson } from '#core/hash';
import { canonicalJson, type Json } from '#core/json';
import type { Artifact } from './contract.ts';
import type { StepDefinition } from './store/steps.ts';

/** Part of every key. Raised when the meaning of a step's surroundings changes, so that old work is not taken. */
const KEY_SCHEMA = 1;

interface KeyParts {
  readonly definition: StepDefinition;
  readonly inputs: Readonly<Record<string, Artifact>>;
  readonly code: string | null;
  readonly seed: number;
}

/**
 * Everything that a step's work is declared to depend on. Two steps with equal ingredients do the same work, whatever
 * they and their pipelines are called.
 */
export function ingredientsOf({ definition, inputs, code, seed }: KeyParts): { readonly [name: string]: Json } {
  return {
    schema: KEY_SCHEMA,
    program: definition.function
      ? { code, module: definition.function.module, export: definition.function.export }
      : { command: definition.command ?? [] },
    params: definition.params,
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, { digest }]) => [name, digest])),
    outputs: [...definition.outputs].sort(),
    env: definition.env,
    seed,
    ...declaredOnly(definition),
  };
}

/** Ingredients that a step without them has no trace of: keys of before they could be declared stay as they are. */
function declaredOnly({ files = {}, runtime = {} }: StepDefinition): { readonly [name: string]: Json } {
  return {
    ...(Object.keys(files).length > 0 ? { files } : {}),
    ...(Object.keys(runtime).length > 0 ? { runtime } : {}),
  };
}

export function cacheKeyOf(ingredients: Json): Digest {
  return digestOfJson(ingredients);
}

export interface IngredientDifference {
  /** Dotted path, such as `params.depth`. */
  readonly ingredient: string;
  /** Null where it was absent. */
  readonly before: Json;
  readonly now: Json;
}

/** The ingredients in which two keys differ, as deep as both are objects. */
export function differencesOf(before: Json, now: Json, path = ''): IngredientDifference[] {
  if (canonicalJson(before) === canonicalJson(now)) return [];
  if (!isObject(before) || !isObject(now)) return [{ ingredient: path, before, now }];
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
  return names.flatMap((name) =>
    differencesOf(before[name] ?? null, now[name] ?? null, path ? `${path}.${name}` : name),
  );
}

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
