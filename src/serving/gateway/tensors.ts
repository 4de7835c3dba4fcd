import { invalidField } from './errors.ts';

/** A tensor as a client sent it: `data` from JSON or typed contents, nested or flat, or `raw` little-endian bytes. */
export interface TensorInput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: unknown;
  readonly raw?: Buffer | undefined;
}

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

/**
 * Rows from tensors. A tensor is one column of shape [N] or [N, 1] under the column's name, or all numeric columns as
 * `features` [N, F], or all category columns as `categories` [N, C], as the ONNX file itself takes them. Throws
 * `gateway/invalid-request` naming the tensor.
 */
export function instancesOf(tensors: readonly TensorInput[], plan: TensorPlan): readonly TensorRow[] {
  if (tensors.length === 0) throw invalidField('inputs', 'expected at least one tensor');
  const columns = new Map<string, readonly Value[]>();
  let rows: number | undefined;
  for (const tensor of tensors) {
    const names = columnsOf(tensor, plan);
    const count = rowsOf(tensor, names.length, plan.rowsMax);
    rows ??= count;
    if (count !== rows) throw invalidField(`inputs.${tensor.name}.shape`, `has ${count} rows, another tensor ${rows}`);
    const values = valuesOf(tensor, count * names.length);
    for (const [k, name] of names.entries()) {
      if (columns.has(name)) throw invalidField(`inputs.${name}`, 'is given twice');
      columns.set(name, names.length === 1 ? values : values.filter((_, i) => i % names.length === k));
    }
  }
  const entityKeys = plan.entities.filter((key) => columns.has(key));
  return Array.from({ length: rows ?? 0 }, (_, row) => {
    const inputs: Record<string, unknown> = {};
    for (const [name, values] of columns) if (!plan.entities.includes(name)) inputs[name] = values[row];
    const entities = entityKeys.map((key): [string, string] => [key, String(columns.get(key)?.[row])]);
    return { inputs, entities: entities.length > 0 ? Object.fromEntries(entities) : undefined };
  });
}

function columnsOf(tensor: TensorInput, { columns, entities }: TensorPlan): readonly string[] {
  if (columns.some(({ name }) => name === tensor.name) || entities.includes(tensor.name)) return [tensor.name];
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

function valuesOf(tensor: TensorInput, count: number): readonly Value[] {
  const path = `inputs.${tensor.name}`;
  const known = tensor.datatype === 'BYTES' || tensor.datatype in NUMBERS;
  if (!known) throw invalidField(`${path}.datatype`, `'${tensor.datatype.slice(0, 20)}' is not a datatype`);
  if (tensor.raw) return tensor.datatype === 'BYTES' ? rawTexts(tensor.raw, count, path) : rawNumbers(tensor, count);
  if (tensor.datatype === 'FP16') throw invalidField(`${path}.datatype`, 'FP16 has no form in JSON; send it as binary');
  return flattened(tensor.data, { count, depth: tensor.shape.length, path });
}

/** Nested or flat, row by row. Iterative, and bounded by what the shape says, however deep the arrays are. */
function flattened(data: unknown, { count, depth, path }: Flat): readonly Value[] {
  const values: Value[] = [];
  const stack: { readonly items: readonly unknown[]; at: number }[] = [];
  if (!Array.isArray(data)) throw invalidField(`${path}.data`, 'expected an array');
  stack.push({ items: data, at: 0 });
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    if (top.at === top.items.length) {
      stack.pop();
      continue;
    }
    const item = top.items[top.at++];
    if (Array.isArray(item)) {
      if (stack.length === depth) throw invalidField(`${path}.data`, `is nested deeper than its shape`);
      stack.push({ items: item, at: 0 });
      continue;
    }
    if (values.length === count) throw invalidField(`${path}.data`, `has more than the ${count} values of its shape`);
    if (typeof item === 'boolean') values.push(item ? 1 : 0);
    else if (typeof item === 'number' || typeof item === 'string' || item === null) values.push(item);
    else throw invalidField(`${path}.data`, 'holds something that is no number, text, boolean or null');
  }
  if (values.length !== count) {
    throw invalidField(`${path}.data`, `has ${values.length} values, its shape says ${count}`);
  }
  return values;
}

interface Flat {
  readonly count: number;
  readonly depth: number;
  readonly path: string;
}

interface NumberFormat {
  readonly bytes: number;
  read(view: DataView, offset: number): number;
}

const NUMBERS: Readonly<Record<string, NumberFormat>> = {
  BOOL: { bytes: 1, read: (view, at) => (view.getUint8(at) === 0 ? 0 : 1) },
  UINT8: { bytes: 1, read: (view, at) => view.getUint8(at) },
  UINT16: { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  UINT32: { bytes: 4, read: (view, at) => view.getUint32(at, true) },
  UINT64: { bytes: 8, read: (view, at) => Number(view.getBigUint64(at, true)) },
  INT8: { bytes: 1, read: (view, at) => view.getInt8(at) },
  INT16: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  INT32: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  INT64: { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
  FP16: { bytes: 2, read: (view, at) => view.getFloat16(at, true) },
  FP32: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  FP64: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
};

/** NaN in raw tensors is a missing value, as null is in JSON. */
function rawNumbers({ name, datatype, raw }: TensorInput, count: number): readonly Value[] {
  const format = NUMBERS[datatype];
  if (!raw || !format) return [];
  if (raw.length !== count * format.bytes) {
    const expected = `${count} × ${format.bytes} bytes of ${datatype}`;
    throw invalidField(`inputs.${name}`, `has ${raw.length} bytes of binary data, its shape says ${expected}`);
  }
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  return Array.from({ length: count }, (_, i) => {
    const value = format.read(view, i * format.bytes);
    return Number.isNaN(value) ? null : value;
  });
}

/** Each text is preceded by its length in four little-endian bytes. */
function rawTexts(raw: Buffer, count: number, path: string): readonly Value[] {
  const texts: string[] = [];
  let at = 0;
  while (at < raw.length && texts.length <= count) {
    if (at + 4 > raw.length) throw invalidField(path, 'ends within the length of a text');
    const bytes = raw.readUInt32LE(at);
    if (at + 4 + bytes > raw.length) throw invalidField(path, `has a text of ${bytes} bytes that runs past its data`);
    texts.push(raw.toString('utf8', at + 4, at + 4 + bytes));
    at += 4 + bytes;
  }
  if (texts.length === count) return texts;
  throw invalidField(path, `has other than the ${count} texts of its shape`);
}
