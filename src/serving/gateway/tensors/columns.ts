import { invalidField } from '../errors.ts';
import { numberType, type Scalar } from './datatypes.ts';
import { checkedRaw, datatypeOf, flattened, rawTexts } from './decode.ts';
import type { TensorInput } from './tensor.ts';

export interface TensorPlan {
  readonly columns: readonly { readonly name: string; readonly kind: 'numeric' | 'category' }[];
  /** Entity keys, each a BYTES tensor. */
  readonly entities: readonly string[];
  readonly rowsMax: number;
}

export interface TensorRow {
  readonly inputs: Record<string, unknown>;
  readonly entities: Record<string, string> | undefined;
}

type Value = number | string | null;

/** Values of some columns, row by row. */
interface Block {
  readonly names: readonly string[];
  readonly values: readonly Value[];
}

/**
 * Rows from tensors. A tensor is one column of shape [N] or [N, 1] under the column's name, or all numeric columns as
 * `features` [N, F], or all category columns as `categories` [N, C], as the ONNX file itself takes them. Throws
 * `gateway/invalid-request` naming the tensor.
 */
export function instancesOf(tensors: readonly TensorInput[], plan: TensorPlan): readonly TensorRow[] {
  if (tensors.length === 0) throw invalidField('inputs', 'expected at least one tensor');
  const known = new Set([...plan.columns.map(({ name }) => name), ...plan.entities]);
  const given = new Set<string>();
  const blocks: Block[] = [];
  let rows: number | undefined;
  for (const tensor of tensors) {
    const names = known.has(tensor.name) ? [tensor.name] : matrixOf(tensor, plan);
    const count = rowsOf(tensor, names.length, plan.rowsMax);
    rows ??= count;
    if (count !== rows) throw invalidField(`inputs.${tensor.name}.shape`, `has ${count} rows, another tensor ${rows}`);
    for (const name of names) {
      if (given.has(name)) throw invalidField(`inputs.${name}`, 'is given twice');
      given.add(name);
    }
    blocks.push({ names, values: valuesOf(tensor, count * names.length) });
  }
  const entityKeys = plan.entities.filter((key) => given.has(key));
  return Array.from({ length: rows ?? 0 }, (_, row) => rowAt(row, blocks, entityKeys));
}

function rowAt(row: number, blocks: readonly Block[], entityKeys: readonly string[]): TensorRow {
  const inputs: Record<string, Value> = Object.create(null);
  for (const { names, values } of blocks) {
    for (let k = 0; k < names.length; k++) inputs[names[k] as string] = values[row * names.length + k] as Value;
  }
  if (entityKeys.length === 0) return { inputs, entities: undefined };
  const entities = Object.fromEntries(entityKeys.map((key) => [key, String(inputs[key])]));
  for (const key of entityKeys) delete inputs[key];
  return { inputs, entities };
}

/** The columns of a matrix, of all numbers or all categories. */
function matrixOf(tensor: TensorInput, { columns }: TensorPlan): readonly string[] {
  const kind = tensor.name === 'features' ? 'numeric' : tensor.name === 'categories' ? 'category' : undefined;
  const names = columns.filter((column) => column.kind === kind).map(({ name }) => name);
  if (names.length > 0) return names;
  throw invalidField(`inputs.${tensor.name.slice(0, 80)}`, 'is not an input of this model');
}

/** N of a shape [N], [N, 1] or [N, width]. */
function rowsOf({ name, shape }: TensorInput, width: number, rowsMax: number): number {
  const path = `inputs.${name}.shape`;
  const [rows = 0, columns = 1, ...rest] = shape;
  const whole = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!whole || shape.length === 0 || rest.length > 0 || columns !== width) {
    throw invalidField(path, `expected [N, ${width}]${width === 1 ? ' or [N]' : ''}, found [${shape.slice(0, 8)}]`);
  }
  if (rows >= 1 && rows <= rowsMax) return rows;
  throw invalidField(path, `has ${rows} rows; expected 1 to ${rowsMax}`);
}

/** The values of a column, whatever the datatype: the model's own are 32-bit numbers and texts. */
function valuesOf(tensor: TensorInput, count: number): readonly Value[] {
  const path = `inputs.${tensor.name}`;
  const format = numberType(datatypeOf(tensor));
  if (!tensor.raw) return flattened(tensor.data, { count, depth: tensor.shape.length, path }).map(cellOf);
  if (!format) return rawTexts(tensor.raw, count, path);
  const raw = checkedRaw(tensor, format, count);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  return Array.from({ length: count }, (_, i) => {
    const value = format.read(view, i * format.bytes);
    // NaN in raw tensors is a missing value, as null is in JSON.
    return Number.isNaN(value) ? null : value;
  });
}

function cellOf(item: Scalar): Value {
  if (typeof item === 'boolean' || typeof item === 'bigint') return Number(item);
  return typeof item === 'number' && Number.isNaN(item) ? null : item;
}
