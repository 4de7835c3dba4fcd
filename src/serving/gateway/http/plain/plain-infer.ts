import type { LiveEndpoint } from '../../live-endpoint.ts';
import { columnsOf } from '../../open-inference/tabular.ts';
import { ID_LENGTH_MAX } from '../../read-instance.ts';
import { FLOAT32_MAX } from '../../tensors/datatypes.ts';
import { Attempts } from './attempts.ts';
import { CLOSE, CLOSE_LIST, COLON, COMMA, JsonCursor, OPEN, OPEN_LIST } from './json-cursor.ts';

const ID = Buffer.from('"id"');
const INPUTS = Buffer.from('"inputs"');
const NAME = Buffer.from('"name"');
const FEATURES = Buffer.from('"features"');
const DATATYPE = Buffer.from('"datatype"');
const FP32 = Buffer.from('"FP32"');
const SHAPE = Buffer.from('"shape"');
const DATA = Buffer.from('"data"');
/** Of the id of a request: behind it stands the number of each of several rows. */
export const PLAIN_ID_LENGTH_MAX = ID_LENGTH_MAX - 10;

/** An infer request for rows of numbers, NaN for a missing one. */
export interface PlainRows {
  readonly id: string | undefined;
  readonly rows: readonly (readonly number[])[];
}

/**
 * Reads infer requests of the Open Inference Protocol that are the one matrix `features` [N, width] of an endpoint of
 * numbers, with an id or without, each name once and in any order: `{"id": …, "inputs": [{"name": "features", "shape":
 * …, "datatype": "FP32", "data": […]}]}`. All others, right or wrong, are read by what reads everything.
 */
export class PlainInfer {
  readonly #cursor = new JsonCursor();
  readonly #attempts = new Attempts();
  readonly #noNumbers: readonly number[];
  readonly #rowsMax: number;

  constructor(noNumbers: readonly number[], rowsMax: number) {
    this.#noNumbers = noNumbers;
    this.#rowsMax = rowsMax;
  }

  /** The request in a body, or undefined where it has to be read in another way. */
  read(body: Buffer): PlainRows | undefined {
    return this.#attempts.try(body, this.#readWhole);
  }

  readonly #readWhole = (body: Buffer): PlainRows | undefined => this.#cursor.over(body, this.#request);

  readonly #request = (): PlainRows | undefined => {
    const cursor = this.#cursor;
    if (!cursor.passes(OPEN)) return undefined;
    let id: string | undefined;
    let rows: PlainRows['rows'] | undefined;
    do {
      if (id === undefined && cursor.passesAll(ID)) {
        id = cursor.passes(COLON) ? cursor.text(PLAIN_ID_LENGTH_MAX) || undefined : undefined;
        if (id === undefined) return undefined;
      } else if (!rows && cursor.passesAll(INPUTS)) {
        rows = cursor.passes(COLON) && cursor.passes(OPEN_LIST) ? this.#tensor() : undefined;
        if (!rows || !cursor.passes(CLOSE_LIST)) return undefined;
      } else {
        return undefined;
      }
    } while (cursor.passes(COMMA));
    return rows && cursor.passes(CLOSE) && cursor.isAtEnd ? { id, rows } : undefined;
  };

  #tensor(): PlainRows['rows'] | undefined {
    const cursor = this.#cursor;
    if (!cursor.passes(OPEN)) return undefined;
    let [isNamed, isTyped] = [false, false];
    let count = 0;
    let rows: PlainRows['rows'] | undefined;
    do {
      if (!isNamed && cursor.passesAll(NAME)) {
        isNamed = cursor.passes(COLON) && cursor.passesAll(FEATURES);
        if (!isNamed) return undefined;
      } else if (count === 0 && cursor.passesAll(SHAPE)) {
        count = this.#count();
        if (count === 0) return undefined;
      } else if (!isTyped && cursor.passesAll(DATATYPE)) {
        isTyped = cursor.passes(COLON) && cursor.passesAll(FP32);
        if (!isTyped) return undefined;
      } else if (!rows && cursor.passesAll(DATA)) {
        rows = cursor.passes(COLON) && cursor.passes(OPEN_LIST) ? this.#rows() : undefined;
        if (!rows) return undefined;
      } else {
        return undefined;
      }
    } while (cursor.passes(COMMA));
    const isWhole = isNamed && isTyped && rows?.length === count && cursor.passes(CLOSE);
    return isWhole ? rows : undefined;
  }

  /** How many rows the shape says; 0 where it says anything else. */
  #count(): number {
    const cursor = this.#cursor;
    if (!cursor.passes(COLON) || !cursor.passes(OPEN_LIST)) return 0;
    const count = cursor.number();
    if (!cursor.passes(COMMA) || cursor.number() !== this.#noNumbers.length || !cursor.passes(CLOSE_LIST)) return 0;
    return count !== undefined && Number.isInteger(count) && count >= 1 && count <= this.#rowsMax ? count : 0;
  }

  /** Whole rows up to the end of the list. */
  #rows(): PlainRows['rows'] | undefined {
    const cursor = this.#cursor;
    const width = this.#noNumbers.length;
    const rows: number[][] = [];
    do {
      const row = this.#noNumbers.slice();
      for (let i = 0; i < width; i++) {
        if (i > 0 && !cursor.passes(COMMA)) return undefined;
        const value = cursor.number();
        if (value === undefined || value > FLOAT32_MAX || value < -FLOAT32_MAX) return undefined;
        row[i] = value;
      }
      rows.push(row);
    } while (rows.length <= this.#rowsMax && cursor.passes(COMMA));
    return cursor.passes(CLOSE_LIST) ? rows : undefined;
  }
}

const readers = new WeakMap<LiveEndpoint, PlainInfer | null>();

/** The reader of an endpoint that takes one matrix of numbers; undefined for others. */
export function plainInferOf(endpoint: LiveEndpoint, rowsMax: number): PlainInfer | undefined {
  let found = readers.get(endpoint);
  if (found === undefined) {
    const isMatrix = !endpoint.current.tensors && (columnsOf(endpoint).width ?? 0) > 0;
    found = isMatrix ? new PlainInfer(endpoint.current.noNumbers, rowsMax) : null;
    readers.set(endpoint, found);
  }
  return found ?? undefined;
}
