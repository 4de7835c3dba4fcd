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
    const at = (place: number): number => format.read(view, (row * width + place) * format.bytes);
    for (const place of greatest(width, classes, at)) {
      const label = labels[place];
      texts.push(`${values[row * width + place]}:${place}${label ? `:${label}` : ''}`);
    }
  }
  return { name, datatype: 'BYTES', shape: batched ? [rows, classes] : [classes], values: texts };
}

/**
 * The places of the `count` greatest of `width` values, greatest first, equal ones in their order, NaN last. Keeps the
 * best in a heap whose root is the worst of them, so that many values cost little more than looking at each.
 */
function greatest(width: number, count: number, at: (place: number) => number): readonly number[] {
  const heap: number[] = [];
  const isWorse = (a: number, b: number): boolean => {
    const [x, y] = [at(a), at(b)];
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) return a > b;
    return Number.isNaN(x) || x < y;
  };
  const swap = (i: number, j: number): void => {
    [heap[i], heap[j]] = [heap[j] as number, heap[i] as number];
  };
  const sink = (): void => {
    for (let i = 0; ; ) {
      let worst = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < heap.length && isWorse(heap[child] as number, heap[worst] as number)) worst = child;
      }
      if (worst === i) return;
      swap(i, worst);
      i = worst;
    }
  };
  for (let place = 0; place < width; place++) {
    if (heap.length === count) {
      if (count === 0 || !isWorse(heap[0] as number, place)) continue;
      heap[0] = place;
      sink();
      continue;
    }
    heap.push(place);
    for (let i = heap.length - 1; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (!isWorse(heap[i] as number, heap[parent] as number)) break;
      swap(i, parent);
      i = parent;
    }
  }
  return heap.sort((a, b) => (isWorse(a, b) ? 1 : -1));
}
