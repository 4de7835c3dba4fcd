import { gatewayErrors } from '../errors.ts';
import type { Datatype } from '../tensors/datatypes.ts';
import { numberType } from '../tensors/datatypes.ts';
import { sliceRows } from '../tensors/rows.ts';
import type { Tensor, TensorSpec } from '../tensors/tensor.ts';
import type { Batch, ModelColumns, ModelFile, ModelRuntime, TensorRuntime } from './model-runtime.ts';

/** Which number of which output is the score of a row. */
export interface ScoredOutput {
  readonly name?: string | undefined;
  readonly column?: number | undefined;
}

/** Makes the tensor of one input from rows. */
interface Feed {
  readonly spec: TensorSpec;
  make(batch: Batch): Tensor;
}

/**
 * A model of any tensors as one of columns that gives a score a row, as endpoints serve it. The columns become, in this
 * order of preference, the tensors `features` [N, F] and `categories` [N, C]; a tensor [N] or [N, 1] a column under its
 * name; or the one tensor [N, F] of numbers that the model takes, whatever its name.
 */
export class TabularTensors implements ModelRuntime {
  readonly #runtime: TensorRuntime;
  readonly #feeds: readonly Feed[];
  readonly #output: TensorSpec;
  readonly #column: number | undefined;

  /** Throws when the columns of the version are not what the model takes, naming both. */
  constructor(
    runtime: TensorRuntime,
    { shape, columns: named }: Pick<ModelFile, 'shape' | 'columns'>,
    scored: ScoredOutput = {},
  ) {
    this.#runtime = runtime;
    this.#feeds = feedsOf(runtime.inputs, named);
    this.#output = outputOf(runtime.outputs, scored.name ?? shape.output, scored.name !== undefined);
    this.#column = scored.column;
    const width = this.#output.shape[1] ?? 1;
    if (scored.column === undefined && width > 1) {
      throw new Error(
        `its output '${this.#output.name}' has ${width} numbers a row: the declaration has to say output.column`,
      );
    }
  }

  get kind(): ModelRuntime['kind'] {
    return this.#runtime.kind;
  }

  get memoryBytes(): number {
    return this.#runtime.memoryBytes;
  }

  get rowMs(): number {
    return this.#runtime.rowMs;
  }

  get usable(): boolean {
    return this.#runtime.usable;
  }

  get concurrency(): number {
    return this.#runtime.concurrency;
  }

  unload(): Promise<void> {
    return this.#runtime.unload();
  }

  async infer(batch: Batch): Promise<Float32Array> {
    const feeds = this.#feeds.map((feed) => feed.make(batch));
    const { maxBatchSize = 0 } = this.#runtime;
    const rows = maxBatchSize > 0 ? maxBatchSize : batch.rows;
    const scores = new Float32Array(batch.rows);
    for (let from = 0; from < batch.rows; from += rows) {
      const to = Math.min(batch.rows, from + rows);
      const part = feeds.map((feed) => sliceRows(feed, from, to));
      const [answer] = await this.#runtime.run({ feeds: part, wanted: [this.#output.name], trace: batch.trace });
      scores.set(this.#scoresOf(answer, to - from), from);
    }
    return scores;
  }

  #scoresOf(answer: Tensor | undefined, rows: number): Float32Array {
    const values = answer?.values ?? [];
    const width = values.length / rows;
    const column = this.#column ?? 0;
    const place = column < 0 ? width + column : column;
    if (!Number.isInteger(width) || place < 0 || place >= width || (this.#column === undefined && width !== 1)) {
      throw gatewayErrors['model-failed'](
        `output '${this.#output.name}' has ${values.length} values for ${rows} rows, of which ${column} is to count`,
      );
    }
    const format = answer && numberType(answer.datatype);
    if (!answer || !format) throw gatewayErrors['model-failed'](`output '${this.#output.name}' is no numbers`);
    if (!format.rawOnly) return Float32Array.from({ length: rows }, (_, row) => Number(values[row * width + place]));
    const { buffer, byteOffset, byteLength } = answer.values as Uint16Array<ArrayBuffer>;
    const view = new DataView(buffer, byteOffset, byteLength);
    return Float32Array.from({ length: rows }, (_, row) => format.read(view, (row * width + place) * format.bytes));
  }
}

function outputOf(outputs: readonly TensorSpec[], name: string, told: boolean): TensorSpec {
  const named = outputs.find((output) => output.name === name);
  const [only] = outputs;
  const found = named ?? (!told && outputs.length === 1 ? only : undefined);
  const names = outputs.map((output) => output.name).join(', ');
  if (!found) throw new Error(`it answers ${names}; the score is to be '${name}'`);
  if (found.datatype === 'BYTES') throw new Error(`its output '${found.name}' is texts, which are no scores`);
  return found;
}

function feedsOf(inputs: readonly TensorSpec[], named: ModelColumns): readonly Feed[] {
  const feeds = matrices(inputs, named) ?? columns(inputs, named) ?? onlyMatrix(inputs, named);
  if (feeds) return feeds;
  const takes = inputs.map(({ name, datatype, shape: sizes }) => `${name} ${datatype} [${sizes}]`).join(', ');
  const { numeric, categories } = named;
  const says = [...numeric.map((name) => `${name} numeric`), ...categories.map((name) => `${name} category`)];
  throw new Error(`it takes ${takes}; the signature of the version says ${says.slice(0, 20).join(', ')}`);
}

function matrices(inputs: readonly TensorSpec[], named: ModelColumns): readonly Feed[] | undefined {
  const expected = [
    { name: 'features', width: named.numeric.length, texts: false },
    { name: 'categories', width: named.categories.length, texts: true },
  ].filter(({ width }) => width > 0);
  const found = expected.map(({ name, width, texts }) => {
    const spec = inputs.find((input) => input.name === name);
    return spec && isRows(spec, width) && (spec.datatype === 'BYTES') === texts ? spec : undefined;
  });
  if (inputs.length !== expected.length || found.includes(undefined)) return undefined;
  return found.map((spec) => (spec?.name === 'features' ? numbers(spec) : texts(spec as TensorSpec)));
}

function columns(inputs: readonly TensorSpec[], { numeric, categories }: ModelColumns): readonly Feed[] | undefined {
  const feeds = inputs.map((spec) => {
    const isText = spec.datatype === 'BYTES';
    const names = isText ? categories : numeric;
    const place = names.indexOf(spec.name);
    if (place < 0 || !isRows(spec, 1)) return undefined;
    return isText ? texts(spec, { place, width: names.length }) : numbers(spec, { place, width: names.length });
  });
  return feeds.length === numeric.length + categories.length ? whole(feeds) : undefined;
}

function whole(feeds: readonly (Feed | undefined)[]): readonly Feed[] | undefined {
  return feeds.includes(undefined) ? undefined : (feeds as readonly Feed[]);
}

function onlyMatrix([only, ...more]: readonly TensorSpec[], named: ModelColumns): readonly Feed[] | undefined {
  if (!only || more.length > 0 || named.categories.length > 0 || only.datatype === 'BYTES') return undefined;
  return only.shape.length === 2 && isRows(only, named.numeric.length) ? [numbers(only)] : undefined;
}

/** Whether a tensor is of any number of rows of this width. */
function isRows({ shape }: TensorSpec, width: number): boolean {
  const [rows, columnsOfIt = 1, ...rest] = shape;
  return rows === -1 && rest.length === 0 && (columnsOfIt === width || columnsOfIt === -1);
}

/** Of a row of `width` values only the one at `place`; all of them without it. */
interface Column {
  readonly place: number;
  readonly width: number;
}

function sizesOf(spec: TensorSpec, { rows, count }: { readonly rows: number; readonly count: number }): number[] {
  return spec.shape.length === 1 ? [rows] : [rows, count / Math.max(1, rows)];
}

function numbers(spec: TensorSpec, column?: Column): Feed {
  const { name, datatype } = spec;
  return {
    spec,
    make({ rows, numeric }) {
      const picked = column ? numeric.filter((_, i) => i % column.width === column.place) : numeric;
      return { name, datatype, shape: sizesOf(spec, { rows, count: picked.length }), values: as(picked, datatype) };
    },
  };
}

function texts(spec: TensorSpec, column?: Column): Feed {
  return {
    spec,
    make({ rows, categories }) {
      const picked = column ? categories.filter((_, i) => i % column.width === column.place) : [...categories];
      return { ...spec, shape: sizesOf(spec, { rows, count: picked.length }), values: picked };
    },
  };
}

/** Numbers of 32 bits as another datatype. Throws `gateway/invalid-request` for one that it does not hold. */
function as(numeric: Float32Array, datatype: Datatype): Tensor['values'] {
  if (datatype === 'FP32') return Float32Array.from(numeric);
  if (datatype === 'FP64') return Float64Array.from(numeric);
  const format = numberType(datatype);
  if (!format?.range) throw gatewayErrors['model-failed'](`columns cannot be sent as ${datatype}`);
  const [min, max] = format.range;
  const odd = numeric.find((value) => !(Number.isInteger(value) && value >= min && value <= max));
  if (odd !== undefined) throw gatewayErrors['invalid-request'](`the model takes ${datatype}, which holds no ${odd}`);
  const values = format.over(new ArrayBuffer(numeric.length * format.bytes));
  const big = values instanceof BigInt64Array || values instanceof BigUint64Array;
  for (let i = 0; i < numeric.length; i++) {
    if (big) values[i] = BigInt(numeric[i] as number);
    else values[i] = numeric[i] as number;
  }
  return values;
}
