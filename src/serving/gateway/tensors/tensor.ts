import type { Datatype, TensorValues } from './datatypes.ts';

/** A tensor as a client sent it: `data` from JSON or typed contents, nested or flat, or `raw` little-endian bytes. */
export interface TensorInput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: unknown;
  readonly raw?: Buffer | undefined;
  /** The data are typed contents, in which a number can be infinite; in JSON that is a number out of range. */
  readonly typed?: true;
}

/** A tensor whose values fit its shape. */
export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly values: TensorValues;
}

/** What a model takes or answers under one name; −1 is a dimension of any size. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/** How many values a shape has. Exact for shapes whose values could be in memory at all. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
