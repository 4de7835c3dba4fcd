import type { QueueWish } from '../batching/batch-policy.ts';
import { invalidField } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import type { ArmAsked } from '../named-arm.ts';
import { metadataOf } from '../open-inference/describe.ts';
import { infer } from '../open-inference/infer.ts';
import { findVersion } from '../open-inference/tabular.ts';
import type { OnGone } from '../prediction.ts';
import type { Caller } from '../protection/access/caller.ts';
import type { Scalar } from '../tensors/datatypes.ts';
import { jsonOf } from '../tensors/encode.ts';
import { rowsOf } from '../tensors/rows.ts';
import type { Tensor, TensorInput, TensorSpec } from '../tensors/tensor.ts';
import type { WatchedRequest } from '../watch/request-watch.ts';
import type { Frame } from './frame.ts';

export interface ScoreRequest {
  readonly model: string;
  readonly version?: string | undefined;
  readonly id?: string | undefined;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly caller?: Caller | undefined;
  readonly asked?: ArmAsked | undefined;
  readonly watched?: WatchedRequest | undefined;
  readonly wish?: QueueWish | undefined;
  readonly onGone?: OnGone | undefined;
  /** The rows, once the names of the inputs are known. */
  readonly frame: (inputs: readonly string[]) => Frame;
}

export interface ScoreReply {
  readonly predictions: readonly Prediction[];
  /** What is said of the answer besides, by the names of the Open Inference Protocol's parameters. */
  readonly marks: Readonly<Record<string, string | number>>;
}

type Prediction = Scalar | readonly Prediction[] | { readonly [output: string]: Prediction };

/**
 * One prediction a row: a number of an endpoint, the row of the output of any other model, or an object of them when it
 * has several. Names that the model does not take are passed over, as an index of a data frame is.
 */
export async function scoreFrame(parts: GatewayParts, request: ScoreRequest): Promise<ScoreReply> {
  const { model, version, id, parameters = {}, caller, asked, wish, onGone, watched } = request;
  const { inputs: specs } = await metadataOf(parts, model, version);
  const frame = request.frame(specs.map(({ name }) => name));
  if (frame.rows.length === 0) throw invalidField(frame.path, 'has no rows');
  const tabular = !(await isTensors(parts, model, version));
  const inputs = tensorsOf(frame, specs, { tabular });
  const call = { model, version, id, parameters, inputs, caller, asked, wish, onGone, watched };
  const { outputs, parameters: marks } = await infer(parts, call);
  const columns = outputs.map((tensor) => ({ name: tensor.name, rows: nested(tensor, { tabular }) }));
  const [only] = columns;
  if (columns.length === 1 && only) return { predictions: only.rows, marks };
  const predictions = frame.rows.map((_, row) =>
    Object.fromEntries(columns.map(({ name, rows }) => [name, rows[row] ?? null])),
  );
  return { predictions, marks };
}

/** Whether a name means a model of tensors, not one of columns. */
async function isTensors(parts: GatewayParts, model: string, version: string | undefined): Promise<boolean> {
  if (parts.repository.has(model)) return true;
  if (version === undefined) return parts.router.endpoint(model).current.tensors !== undefined;
  return !('arm' in (await findVersion(parts, model, version)));
}

function tensorsOf(
  frame: Frame,
  specs: readonly TensorSpec[],
  { tabular }: { readonly tabular: boolean },
): readonly TensorInput[] {
  const [only] = specs;
  // A row without names, for a model of one tensor, is that tensor's row.
  if (!frame.names && !tabular && specs.length === 1 && only) {
    const scalars = only.shape.length === 1 && frame.rows.every((row) => row.length === 1);
    return [tensorOf(only, scalars ? frame.rows.map(([cell]) => cell) : frame.rows, frame)];
  }
  const places = specs.map((spec, i) => placeOf(frame, spec.name, { place: i, width: specs.length }));
  return specs.flatMap((spec, i) => {
    const place = places[i] ?? -1;
    return place < 0
      ? []
      : [
          tensorOf(
            spec,
            frame.rows.map((row) => row[place]),
            frame,
          ),
        ];
  });
}

/** Where a row has the values of an input; −1 for nowhere, which is told as the missing input it is. */
function placeOf(
  { names, rows, path }: Frame,
  name: string,
  { place, width }: { readonly place: number; readonly width: number },
): number {
  if (names) return names.indexOf(name);
  const odd = rows.findIndex((row) => row.length !== width);
  if (odd < 0) return place;
  throw invalidField(`${path}.${odd}`, `has ${rows[odd]?.length} cells, the model takes ${width} inputs`);
}

function tensorOf({ name, datatype, shape }: TensorSpec, cells: readonly unknown[], frame: Frame): TensorInput {
  const values = cells.map((cell, row) => {
    if (cell === undefined)
      throw invalidField(`${frame.path}.${row}`, `lacks '${name}'; send null for an unknown value`);
    return frame.textual ? cellOf(String(cell), { datatype, path: `${frame.path}.${row}.${name}` }) : cell;
  });
  const found = [values.length, ...shapeOf(values[0])];
  // A scalar in each row is a column, where the model takes one.
  const column = found.length === 1 && shape.length === 2 && shape[1] === 1;
  return { name, datatype, shape: column ? [values.length, 1] : found, data: values };
}

function shapeOf(cell: unknown): readonly number[] {
  const shape: number[] = [];
  for (let inner = cell; Array.isArray(inner) && shape.length < 8; inner = inner[0]) shape.push(inner.length);
  return shape;
}

/** A cell of a text file: empty is missing. */
function cellOf(text: string, { datatype, path }: { readonly datatype: string; readonly path: string }): Scalar {
  if (text === '') return null;
  if (datatype === 'BYTES') return text;
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
  if (/^(nan|na|null)$/i.test(text)) return null;
  const number = Number(text);
  if (Number.isFinite(number)) return number;
  throw invalidField(path, `expected a number, found '${text.slice(0, 40)}'`);
}

/** The values row by row, nested as the shape says; a column of one number a row, of an endpoint, is those numbers. */
function nested(tensor: Tensor, { tabular }: { readonly tabular: boolean }): readonly Prediction[] {
  const values = jsonOf(tensor);
  const shape = tabular ? [rowsOf(tensor)] : tensor.shape;
  return grouped(values, shape);
}

function grouped(values: readonly Scalar[], shape: readonly number[]): readonly Prediction[] {
  const [count = 0, ...rest] = shape;
  if (rest.length === 0) return values;
  const width = values.length / Math.max(1, count);
  return Array.from({ length: count }, (_, i) => grouped(values.slice(i * width, (i + 1) * width), rest));
}
