import { invalidField } from '../errors.ts';
import { numberType } from '../tensors/datatypes.ts';
import { rowsOf } from '../tensors/rows.ts';
import { sizeOf, type Tensor } from '../tensors/tensor.ts';

/** Classes of one output. */
export const CLASSES_MAX = 10_000;

/**
 * The greatest `count` values of each row as texts `value:place[:label]`, greatest first: the classification extension.
 * Equal values are in the order of their places.
 */
export function classify(
  tensor: Tensor,
  { count, batched, labels }: { readonly count: number; readonly batched: boolean; readonly labels: readonly string[] },
): Tensor {
  const { name, datatype, values } = tensor;
  const format = numberType(datatype);
  if (!format || Array.isArray(values)) throw invalidField(`outputs.${name}`, 'holds texts, which have no classes');
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  const rows = batched ? rowsOf(tensor) : 1;
  const width = batched ? sizeOf(tensor.shape.slice(1)) : values.length;
  const classes = Math.min(count, width);
  const texts: string[] = [];
  for (let row = 0; row < rows; row++) {
    const places = Array.from({ length: width }, (_, i) => [i, format.read(view, (row * width + i) * format.bytes)]);
    places.sort(([a = 0, x = 0], [b = 0, y = 0]) =>
      x === y ? a - b : Number.isNaN(x) ? 1 : Number.isNaN(y) ? -1 : y - x,
    );
    for (const [place = 0] of places.slice(0, classes)) {
      const label = labels[place];
      texts.push(`${values[row * width + place]}:${place}${label ? `:${label}` : ''}`);
    }
  }
  return { name, datatype: 'BYTES', shape: batched ? [rows, classes] : [classes], values: texts };
}
