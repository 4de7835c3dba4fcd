import type { BatchPolicy, QueuePolicy } from '../batching/batch-policy.ts';
import type { ModelConfig } from './model-config.ts';

/** `dynamic_batching` of a model configuration, in Triton's words. Times are in microseconds, 0 of a limit is none. */
export interface DynamicBatching {
  readonly preferred_batch_size: readonly number[];
  readonly max_queue_delay_microseconds: number;
  readonly preserve_ordering: boolean;
  readonly priority_levels: number;
  readonly default_priority_level: number;
  readonly default_queue_policy: ModelQueuePolicy;
  readonly priority_queue_policy: Readonly<Record<string, ModelQueuePolicy>>;
}

export interface ModelQueuePolicy {
  readonly timeout_action: 'REJECT' | 'DELAY';
  readonly default_timeout_microseconds: number;
  readonly allow_timeout_override: boolean;
  readonly max_queue_size: number;
}

type Fields = Readonly<Record<string, unknown>>;
type Readers<Read> = { readonly [Field in keyof Read]: (value: unknown, path: string) => Read[Field] };

const LEVELS_MAX = 100;
const SIZE_MAX = 1_000_000;
const DAY_US = 86_400_000_000;
const PATH = 'dynamic_batching';
const ACTIONS = { REJECT: 'REJECT', DELAY: 'DELAY', '0': 'REJECT', '1': 'DELAY' } as const;

const queuePolicy: Readers<ModelQueuePolicy> = {
  timeout_action: actionOf,
  default_timeout_microseconds: (value, path) => numberOf(value, path, { max: DAY_US }),
  allow_timeout_override: booleanOf,
  max_queue_size: (value, path) => numberOf(value, path, { max: SIZE_MAX }),
};

const batching: Readers<DynamicBatching> = {
  preferred_batch_size: (value, path) => listOf(value).map((size) => numberOf(size, path, { min: 1, max: SIZE_MAX })),
  max_queue_delay_microseconds: (value, path) => numberOf(value, path, { max: DAY_US }),
  preserve_ordering: booleanOf,
  priority_levels: (value, path) => numberOf(value, path, { max: LEVELS_MAX }),
  default_priority_level: (value, path) => numberOf(value, path, { max: LEVELS_MAX }),
  default_queue_policy: (value, path) => fieldsOf(value, queuePolicy, path),
  priority_queue_policy: policiesOf,
};

/**
 * Of the text or the JSON form. Whatever Triton knows in it is followed; an `Error` names a field that is unknown or
 * has a value that it cannot have.
 */
export function dynamicBatchingOf(value: unknown): DynamicBatching | undefined {
  if (value === undefined) return undefined;
  const found = fieldsOf(value, batching, PATH);
  const { priority_levels: levels, default_priority_level: level, priority_queue_policy: policies } = found;
  const policiesInForce = [found.default_queue_policy, ...Object.values(policies)];
  if (levels > 0 && (level < 1 || level > levels)) {
    throw new Error(`${PATH}.default_priority_level is ${level}, expected 1 to priority_levels, which is ${levels}`);
  }
  const odd = Object.keys(policies).find((key) => Number(key) < 1 || Number(key) > levels);
  if (odd !== undefined) throw new Error(`${PATH}.priority_queue_policy has ${odd}, expected 1 to priority_levels`);
  const reorders = levels > 1 || policiesInForce.some(({ timeout_action }) => timeout_action === 'DELAY');
  if (found.preserve_ordering && reorders) {
    throw new Error(`${PATH}.preserve_ordering cannot be kept with priorities, nor where late requests are delayed`);
  }
  return found;
}

/** How requests of a model wait. Throws an `Error` where its batch does not fit what is declared. */
export function batchingOf({ dynamicBatching: found }: ModelConfig, maxBatchSize: number): BatchPolicy | undefined {
  if (!found) return undefined;
  const rowsMax = Math.max(1, maxBatchSize);
  const tooLarge = found.preferred_batch_size.find((size) => size > rowsMax);
  if (tooLarge !== undefined) {
    throw new Error(`${PATH}.preferred_batch_size has ${tooLarge}, expected at most max_batch_size, ${maxBatchSize}`);
  }
  const { priority_levels: levels, default_queue_policy: byDefault, priority_queue_policy: policies } = found;
  return {
    rowsMax,
    preferred: [...found.preferred_batch_size, rowsMax],
    delayMs: found.max_queue_delay_microseconds / 1_000,
    defaultLevel: levels > 0 ? found.default_priority_level : 1,
    levels: Array.from({ length: Math.max(1, levels) }, (_, i) => queueOf(policies[i + 1] ?? byDefault)),
    ordered: found.preserve_ordering,
    names: { requestsMax: 'max_queue_size', timeout: 'default_timeout_microseconds' },
  };
}

/** How requests wait, in the words of a model configuration. Without a declaration those of one turn are joined. */
export function declaredAs(policy: BatchPolicy | undefined): Partial<DynamicBatching> {
  if (!policy) return { max_queue_delay_microseconds: 0 };
  const { preferred, rowsMax, delayMs, ordered, levels, defaultLevel } = policy;
  const policies = levels.map(modelPolicyOf);
  const byDefault = policies[defaultLevel - 1] as ModelQueuePolicy;
  return {
    preferred_batch_size: preferred.filter((size, i) => size !== rowsMax || i < preferred.length - 1),
    max_queue_delay_microseconds: Math.round(delayMs * 1_000),
    preserve_ordering: ordered,
    priority_levels: levels.length > 1 ? levels.length : 0,
    default_priority_level: levels.length > 1 ? defaultLevel : 0,
    default_queue_policy: byDefault,
    priority_queue_policy:
      levels.length > 1 ? Object.fromEntries(policies.map((queue, i) => [String(i + 1), queue])) : {},
  };
}

function modelPolicyOf({ whenLate, timeoutMs, override, requestsMax }: QueuePolicy): ModelQueuePolicy {
  return {
    timeout_action: whenLate === 'delay' ? 'DELAY' : 'REJECT',
    default_timeout_microseconds: Number.isFinite(timeoutMs) ? Math.round(timeoutMs * 1_000) : 0,
    allow_timeout_override: override,
    max_queue_size: Number.isFinite(requestsMax) ? requestsMax : 0,
  };
}

function queueOf(policy: ModelQueuePolicy): QueuePolicy {
  return {
    requestsMax: policy.max_queue_size || Number.POSITIVE_INFINITY,
    timeoutMs: policy.default_timeout_microseconds / 1_000 || Number.POSITIVE_INFINITY,
    override: policy.allow_timeout_override,
    whenLate: policy.timeout_action === 'DELAY' ? 'delay' : 'reject',
  };
}

/** The fields of a message, each read by its reader, which is given `undefined` for one that is absent. */
function fieldsOf<Read extends object>(value: unknown, readers: Readers<Read>, path: string): Read {
  const given = lastOf(value) ?? {};
  if (!isFields(given)) throw new Error(`${path} is not a message`);
  const unknown = Object.keys(given).find((field) => !Object.hasOwn(readers, field));
  if (unknown !== undefined) throw new Error(`${path}.${unknown} is not known here`);
  const names = Object.keys(readers) as (keyof Read & string)[];
  return Object.fromEntries(names.map((name) => [name, readers[name](given[name], `${path}.${name}`)])) as Read;
}

/** A map, as JSON has it, or as the text form has it: messages of a `key` and a `value`. */
function policiesOf(value: unknown, path: string): Readonly<Record<string, ModelQueuePolicy>> {
  const pairs = Array.isArray(value)
    ? value.filter(isFields).map((pair) => [String(lastOf(pair['key'])), pair['value']] as const)
    : Object.entries(isFields(value) ? value : {});
  return Object.fromEntries(pairs.map(([key, policy]) => [key, fieldsOf(policy, queuePolicy, `${path}.${key}`)]));
}

function numberOf(
  value: unknown,
  path: string,
  { min = 0, max }: { readonly min?: number; readonly max: number },
): number {
  const given = lastOf(value) ?? min;
  const number = given === '' || typeof given === 'boolean' ? Number.NaN : Number(given);
  if (Number.isInteger(number) && number >= min && number <= max) return number;
  throw new Error(`${path} is not a whole number from ${min} to ${max}`);
}

function booleanOf(value: unknown, path: string): boolean {
  const given = String(lastOf(value) ?? false).toLowerCase();
  if (['true', 't', '1'].includes(given)) return true;
  if (['false', 'f', '0'].includes(given)) return false;
  throw new Error(`${path} is neither true nor false`);
}

function actionOf(value: unknown, path: string): ModelQueuePolicy['timeout_action'] {
  const action = Object.entries(ACTIONS).find(([name]) => name === String(lastOf(value) ?? 'REJECT'))?.[1];
  if (action) return action;
  throw new Error(`${path} is neither REJECT nor DELAY`);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}

/** The text form has all values of a field; of one that may occur once, the last counts. */
function lastOf(value: unknown): unknown {
  return Array.isArray(value) ? value.at(-1) : value;
}

function isFields(value: unknown): value is Fields {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
