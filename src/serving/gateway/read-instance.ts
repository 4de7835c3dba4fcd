import { invalidField } from './errors.ts';
import type { FeatureRow } from './feature-reader.ts';
import { armNames, type InputSource, type LiveArm, type LiveEndpoint } from './live-endpoint.ts';
import { FLOAT32_MAX } from './tensors/datatypes.ts';

/** One row for one model: a missing number is NaN, a missing category is the empty text. */
export interface Row {
  readonly numeric: readonly number[];
  readonly categories: readonly string[];
}

/** What a request says about one prediction, checked. */
export interface Instance {
  readonly id: string | undefined;
  /** Event time in epoch milliseconds. */
  readonly at: number | undefined;
  readonly entities: Readonly<Record<string, string>> | undefined;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Checked already, as the only arm takes it, in the place of `inputs`. */
  readonly row?: Row | undefined;
  /** The arm that is to answer, where the rollout lets requests name it. */
  readonly arm?: string | undefined;
  /** The key of who named the arm by header, which is checked. */
  readonly armKey?: string | undefined;
}

/** Of an instance whose row was read already. */
export const NO_INPUTS: Instance['inputs'] = Object.freeze({});

export const ID_LENGTH_MAX = 200;
export const TEXT_LENGTH_MAX = 1_000;
const ENTITIES_MAX = 20;
const ARM_NAME = /^[a-z][a-z0-9_-]{0,49}$/;
const FIELDS = new Set(['id', 'at', 'entities', 'inputs', 'arm']);
/** The year 10000: times beyond it are seconds or microseconds taken for milliseconds. */
const AT_MAX = 253_402_300_800_000;

/** Checks the envelope of one instance. `path` leads to it, as in `instances.3`; it is empty for a lone one. */
export function readInstance(value: unknown, path: string): Instance {
  const at = path === '' ? '' : `${path}.`;
  if (!isRecord(value)) throw invalidField(path || 'body', 'expected an object');
  for (const name in value) {
    if (!FIELDS.has(name))
      throw invalidField(at + shown(name), 'is not a field; expected id, at, entities, inputs or arm');
  }
  const { id, at: time, entities, inputs, arm } = value;
  if (id !== undefined && (typeof id !== 'string' || id.length < 1 || id.length > ID_LENGTH_MAX)) {
    throw invalidField(`${at}id`, `expected a text of 1 to ${ID_LENGTH_MAX} characters`);
  }
  if (time !== undefined && !(typeof time === 'number' && Number.isSafeInteger(time) && time >= 0 && time < AT_MAX)) {
    throw invalidField(`${at}at`, 'expected epoch milliseconds, a whole number from 0 to the year 10000');
  }
  if (inputs !== undefined && !isRecord(inputs)) throw invalidField(`${at}inputs`, 'expected an object of inputs');
  if (arm !== undefined && (typeof arm !== 'string' || !ARM_NAME.test(arm))) {
    throw invalidField(`${at}arm`, 'expected current, candidate, or the name of an arm');
  }
  return {
    arm,
    id: id as string | undefined,
    at: time as number | undefined,
    entities: entities === undefined ? undefined : readEntities(entities, `${at}entities`),
    inputs: inputs ?? {},
  };
}

/**
 * Refuses an instance that sends what a feature view delivers, or lacks an entity key of one. Inputs that no arm takes
 * are passed over, so that a release which needs fewer breaks no client; a misspelt one is told as the missing one.
 */
export function checkAgainst(endpoint: LiveEndpoint, instance: Instance, path: string): void {
  const at = path === '' ? '' : `${path}.`;
  if (endpoint.delivered.size > 0) {
    for (const name in instance.inputs) {
      const view = endpoint.delivered.get(name);
      if (view !== undefined)
        throw invalidField(`${at}inputs.${shown(name)}`, `is read from the feature view '${view}'`);
    }
  }
  if (instance.arm !== undefined) {
    const names = armNames(endpoint);
    if (names.length < 2 || !(instance.armKey ?? endpoint.routed.live?.override)) {
      throw invalidField(`${at}arm`, 'cannot be named: the endpoint has no rollout that allows it');
    }
    if (!names.includes(instance.arm)) throw invalidField(`${at}arm`, `expected ${names.join(' or ')}`);
  }
  for (const key of endpoint.entities) {
    if (instance.entities?.[key] === undefined) {
      throw invalidField(`${at}entities.${key}`, 'is needed to look the features up');
    }
  }
}

/** The row of one arm. Throws an error that names the field when an input is missing or of the wrong kind. */
export function readRow(arm: LiveArm, instance: Instance, source: RowSource): Row {
  const { features, path } = source;
  const { inputs } = instance;
  const numeric = arm.noNumbers.slice();
  for (let i = 0; i < numeric.length; i++) {
    const { name, feature } = arm.numeric[i] as InputSource;
    numeric[i] = feature < 0 ? readNumber(inputs[name], name, path) : readFeature(features, feature);
  }
  const categories = new Array<string>(arm.categories.length);
  for (let i = 0; i < arm.categories.length; i++) {
    const { name } = arm.categories[i] as InputSource;
    categories[i] = readCategory(inputs[name], name, path);
  }
  return { numeric, categories };
}

export interface RowSource {
  /** The row that the feature views delivered. */
  readonly features: FeatureRow | undefined;
  readonly path: string;
}

/** A number that float32 can hold; null is a missing value. */
function readNumber(value: unknown, name: string, path: string): number {
  if (typeof value === 'number' && value <= FLOAT32_MAX && value >= -FLOAT32_MAX) return value;
  if (value === null) return Number.NaN;
  const field = `${path === '' ? '' : `${path}.`}inputs.${name}`;
  if (value === undefined) throw invalidField(field, 'is missing; send null for an unknown value');
  if (typeof value === 'number') throw invalidField(field, 'is outside the range of 32-bit floating point numbers');
  throw invalidField(field, `expected a number or null, found ${kindOf(value)}`);
}

/** A text; null is a missing value. A text that training never saw is the model's to handle, as missing. */
function readCategory(value: unknown, name: string, path: string): string {
  if (typeof value === 'string' && value.length <= TEXT_LENGTH_MAX) return value;
  if (value === null) return '';
  const field = `${path === '' ? '' : `${path}.`}inputs.${name}`;
  if (value === undefined) throw invalidField(field, 'is missing; send null for an unknown value');
  if (typeof value === 'string') throw invalidField(field, `has more than ${TEXT_LENGTH_MAX} characters`);
  throw invalidField(field, `expected a text or null, found ${kindOf(value)}`);
}

function readFeature(features: FeatureRow | undefined, place: number): number {
  return features?.[place] ?? Number.NaN;
}

function readEntities(value: unknown, path: string): Readonly<Record<string, string>> {
  if (!isRecord(value)) throw invalidField(path, 'expected an object of entity keys');
  const keys = Object.keys(value);
  if (keys.length > ENTITIES_MAX) throw invalidField(path, `has ${keys.length} keys, the limit is ${ENTITIES_MAX}`);
  for (const key of keys) {
    const text = value[key];
    if (typeof text === 'string' && text.length <= ID_LENGTH_MAX) continue;
    throw invalidField(`${path}.${shown(key)}`, `expected a text of at most ${ID_LENGTH_MAX} characters`);
  }
  return value as Readonly<Record<string, string>>;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** A name a caller made up, fit for an error message. */
function shown(name: string): string {
  return name.length > 80 ? `${name.slice(0, 80)}…` : name;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}
