import { parse } from 'yaml';
import { type ModelSchema, type ModelSignature, modelSignature, SIGNATURE_INPUTS_MAX } from './shapes.ts';

/** What the file `MLmodel` at the top of an MLflow model says about it. */
export interface MlModel {
  readonly schema: ModelSchema | null;
  /** How a gateway feeds it; null where its columns are not plain numbers and texts. */
  readonly signature: ModelSignature | null;
}

type Fields = ModelSchema['inputs'];

const NUMERIC = new Set(['double', 'float', 'integer', 'long', 'boolean']);

/**
 * Reads an `MLmodel` file: YAML whose `signature` has `inputs`, `outputs` and `params` as JSON texts, each a list of
 * columns `{name, type, required}` or of tensors `{type: "tensor", "tensor-spec": {dtype, shape}}`. What cannot be read
 * is not known: the file belongs to whoever logged it, and MLflow loads models with a signature newer than this reader.
 */
export function readMlModel(text: string): MlModel {
  const signature = memberOf(parsed(text), 'signature');
  const inputs = fieldsOf(memberOf(signature, 'inputs'));
  if (!inputs) return { schema: null, signature: null };
  const outputs = fieldsOf(memberOf(signature, 'outputs')) ?? [];
  const params = fieldsOf(memberOf(signature, 'params')) ?? [];
  return { schema: { inputs, outputs, params }, signature: servingSignature(inputs, outputs) };
}

/** Columns by name, numbers and texts, as the gateway takes them. The output's name tells what the number means. */
function servingSignature(inputs: Fields, outputs: Fields): ModelSignature | null {
  const kinds = inputs.map(({ name, type }) => ({ name, kind: kindOf(type) }));
  const output = outputs.some(({ name }) => name === 'probability') ? 'probability' : 'value';
  const checked = modelSignature.safeParse({ inputs: kinds, output });
  return checked.success ? checked.data : null;
}

function kindOf(type: string): string {
  if (NUMERIC.has(type)) return 'numeric';
  return type === 'string' ? 'category' : 'other';
}

function fieldsOf(value: unknown): Fields | undefined {
  const list = typeof value === 'string' ? jsonOf(value) : value;
  if (!Array.isArray(list) || list.length > SIGNATURE_INPUTS_MAX) return undefined;
  return list.map((item, index) => {
    const name = memberOf(item, 'name');
    const required = memberOf(item, 'required') !== false && memberOf(item, 'optional') !== true;
    return { name: typeof name === 'string' ? name : String(index), type: typeOf(item), required };
  });
}

/** A tensor's type is its element type and shape; that of an object or array is its whole declaration. */
function typeOf(item: unknown): string {
  const type = memberOf(item, 'type');
  const spec = memberOf(item, 'tensor-spec');
  if (type === 'tensor') return `tensor(${memberOf(spec, 'dtype')})${JSON.stringify(memberOf(spec, 'shape') ?? [])}`;
  if (type === 'object' || type === 'array' || type === 'map') return JSON.stringify(item);
  return typeof type === 'string' ? type : 'any';
}

function parsed(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 100 });
  } catch {
    return undefined;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function memberOf(value: unknown, name: string): unknown {
  return value !== null && typeof value === 'object' && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}
