import { type DynamicBatching, dynamicBatchingOf } from './dynamic-batching.ts';
import { parseTextProto, type TextMessage } from './text-proto.ts';

/** What a model configuration says that a gateway follows. Everything else in it is passed over. */
export interface ModelConfig {
  /** Rows of one run; 0 for a model whose first dimension is no batch; absent to take what the model allows. */
  readonly maxBatchSize?: number;
  readonly versions: VersionPolicy;
  readonly fileName: string;
  /** The files with the labels of outputs, by output. */
  readonly labelFiles: ReadonlyMap<string, string>;
  /** It stays in memory, however long nobody asks. */
  readonly pinned: boolean;
  /** How requests wait and are joined, where that is declared. */
  readonly dynamicBatching?: DynamicBatching;
}

export type VersionPolicy =
  | { readonly kind: 'latest'; readonly count: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'specific'; readonly versions: readonly string[] };

const DEFAULT_FILE = 'model.onnx';
const BATCH_MAX = 1_000_000;
const PLATFORMS = ['', 'onnxruntime_onnx'];
const BACKENDS = ['', 'onnxruntime'];

export const DEFAULT_CONFIG: ModelConfig = {
  versions: { kind: 'latest', count: 1 },
  fileName: DEFAULT_FILE,
  labelFiles: new Map(),
  pinned: false,
};

/** Of the text of a `config.pbtxt`. Throws an `Error` naming what is wrong with it. */
export function configOfText(text: string, name: string): ModelConfig {
  const message = parseTextProto(text);
  const one = (from: TextMessage, field: string): string | undefined => {
    const value = from[field]?.at(-1);
    return typeof value === 'string' ? value : undefined;
  };
  const inner = (from: TextMessage, field: string): TextMessage | undefined => {
    const value = from[field]?.at(-1);
    return typeof value === 'object' ? value : undefined;
  };
  const policy = inner(message, 'version_policy');
  const latest = policy && inner(policy, 'latest');
  const specific = policy && inner(policy, 'specific');
  const outputs = (message['output'] ?? []).filter((output) => typeof output === 'object');
  const parameters = (message['parameters'] ?? []).flatMap((entry): [string, unknown][] => {
    if (typeof entry !== 'object') return [];
    const value = inner(entry, 'value');
    return [[one(entry, 'key') ?? '', { string_value: value && one(value, 'string_value') }]];
  });
  return checked(name, {
    name: one(message, 'name'),
    platform: one(message, 'platform'),
    backend: one(message, 'backend'),
    max_batch_size: one(message, 'max_batch_size'),
    default_model_filename: one(message, 'default_model_filename'),
    version_policy: policy && {
      ...(policy['all'] ? { all: {} } : {}),
      ...(latest ? { latest: { num_versions: one(latest, 'num_versions') } } : {}),
      ...(specific ? { specific: { versions: specific['versions'] ?? [] } } : {}),
    },
    parameters: Object.fromEntries(parameters),
    dynamic_batching: message['dynamic_batching'],
    output: outputs.map((output) => ({ name: one(output, 'name'), label_filename: one(output, 'label_filename') })),
  });
}

/** Of the JSON that a client sends with a load. Throws an `Error` naming what is wrong with it. */
export function configOfJson(text: string, name: string): ModelConfig {
  const value: unknown = JSON.parse(text);
  if (!isRecord(value)) throw new Error('expected an object');
  return checked(name, value);
}

function checked(name: string, from: Readonly<Record<string, unknown>>): ModelConfig {
  const { platform = '', backend = '', max_batch_size: batch, default_model_filename: file } = from;
  if (from['name'] !== undefined && from['name'] !== '' && from['name'] !== name) {
    throw new Error(`name is '${from['name']}', the model is '${name}'`);
  }
  if (!PLATFORMS.includes(String(platform)) || !BACKENDS.includes(String(backend))) {
    throw new Error(`platform '${platform}' and backend '${backend}' are not ONNX Runtime's`);
  }
  if (file !== undefined && file !== '' && !/^[\w.-]{1,200}$/.test(String(file))) {
    throw new Error('default_model_filename is no file name');
  }
  const dynamicBatching = dynamicBatchingOf(from['dynamic_batching']);
  return {
    ...(dynamicBatching ? { dynamicBatching } : {}),
    ...(batch === undefined ? {} : { maxBatchSize: wholeNumber(batch, 'max_batch_size', BATCH_MAX) }),
    versions: policyOf(from['version_policy']),
    fileName: file ? String(file) : DEFAULT_FILE,
    labelFiles: labelFilesOf(from['output']),
    pinned: pinnedOf(from['parameters']),
  };
}

/** A parameter of its own, as Triton has them: `{ "pinned": { "string_value": "true" } }`. */
function pinnedOf(parameters: unknown): boolean {
  const pinned = isRecord(parameters) ? parameters['pinned'] : undefined;
  const text = isRecord(pinned) ? pinned['string_value'] : undefined;
  if (pinned === undefined || text === 'false') return false;
  if (text === 'true') return true;
  throw new Error('parameters.pinned: expected the string_value true or false');
}

function policyOf(value: unknown): VersionPolicy {
  if (!isRecord(value)) return DEFAULT_CONFIG.versions;
  const { all, specific, latest } = value;
  if (all !== undefined) return { kind: 'all' };
  if (isRecord(specific) && Array.isArray(specific['versions'])) {
    return { kind: 'specific', versions: specific['versions'].map(String) };
  }
  const count = isRecord(latest) ? (latest['num_versions'] ?? 1) : 1;
  return { kind: 'latest', count: wholeNumber(count, 'version_policy.latest.num_versions', 10_000) };
}

function labelFilesOf(outputs: unknown): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const output of Array.isArray(outputs) ? outputs : []) {
    if (!isRecord(output) || !output['label_filename']) continue;
    const file = String(output['label_filename']);
    if (!/^[\w.-]{1,200}$/.test(file)) throw new Error('label_filename is no file name');
    files.set(String(output['name']), file);
  }
  return files;
}

function wholeNumber(value: unknown, field: string, max: number): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= 0 && number <= max) return number;
  throw new Error(`${field} is not a whole number from 0 to ${max}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
