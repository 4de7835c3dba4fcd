import type { LiveEndpoint } from '../../live-endpoint.ts';
import { columnsOf } from '../../open-inference/tabular.ts';
import { rowsOfMatrix } from '../../tensors/matrix.ts';
import { Attempts } from '../plain/attempts.ts';
import { PLAIN_ID_LENGTH_MAX, type PlainRows } from '../plain/plain-infer.ts';
import { type BinaryOutputs, type ReadRequest, readInfer } from './read-infer.ts';

export interface PlainBinaryRows extends PlainRows {
  readonly binary: BinaryOutputs;
}

/** What the JSON of a request says of the one matrix that follows it. */
interface Told {
  readonly id: string | undefined;
  readonly count: number;
  readonly binary: BinaryOutputs;
}

/** Longer JSON is left to what reads everything. */
const JSON_BYTES_MAX = 2_048;
/** Of each endpoint, of which there may be ten thousand. */
const KNOWN_MAX = 8;
const LENGTH = /^\d{1,5}$/;

/**
 * Reads infer requests whose one matrix `features` [N, width] of FP32 follows their JSON as bytes. A client says the
 * same of each as a rule, so that the JSON is read once and known again by its text.
 */
export class PlainBinary {
  readonly #width: number;
  readonly #output: string;
  readonly #rowsMax: number;
  readonly #attempts = new Attempts();
  readonly #known = new Map<string, Told>();

  constructor(width: number, output: string, rowsMax: number) {
    this.#width = width;
    this.#output = output;
    this.#rowsMax = rowsMax;
  }

  /** The request in a body of so much JSON, or undefined where it has to be read in another way. */
  read(body: Buffer, headerLength: string | readonly string[]): PlainBinaryRows | undefined {
    const jsonBytes = typeof headerLength === 'string' && LENGTH.test(headerLength) ? Number(headerLength) : 0;
    if (jsonBytes === 0 || jsonBytes > JSON_BYTES_MAX) return undefined;
    return this.#attempts.try(body, () => this.#read(body, jsonBytes));
  }

  #read(body: Buffer, jsonBytes: number): PlainBinaryRows | undefined {
    const text = body.toString('latin1', 0, jsonBytes);
    const told = this.#known.get(text) ?? this.#learn(body, text);
    const raw = body.subarray(jsonBytes);
    const [count, width] = [told?.count ?? 0, this.#width];
    const features = { name: 'features', datatype: 'FP32', shape: [count, width], data: undefined, raw };
    const rows = told && rowsOfMatrix([features], { width, rowsMax: this.#rowsMax });
    return rows && { id: told.id, rows, binary: told.binary };
  }

  #learn(body: Buffer, text: string): Told | undefined {
    const request = readIfSound(body, text.length);
    const told = request && this.#toldBy(request);
    if (!told) return undefined;
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.set(text, told);
    return told;
  }

  #toldBy({ id, parameters, inputs, outputs, binary }: ReadRequest): Told | undefined {
    if (!Array.isArray(inputs) || inputs.length !== 1) return undefined;
    const [{ name, datatype, shape, raw }] = inputs;
    const [count, width] = shape;
    const isMatrix = name === 'features' && datatype === 'FP32' && shape.length === 2 && width === this.#width;
    const isWhole = raw?.length === 4 * count * width;
    const isAll = outputs?.every((output) => output.name === this.#output && output.classes === 0) ?? true;
    const asksForMore = Object.keys(parameters).some((parameter) => parameter !== 'binary_data_output');
    const isNamed = id === undefined || (id.length >= 1 && id.length <= PLAIN_ID_LENGTH_MAX);
    const isPlain = isMatrix && isWhole && isAll && (outputs?.length ?? 1) === 1 && !asksForMore && isNamed;
    return isPlain ? { id, count, binary } : undefined;
  }
}

function readIfSound(body: Buffer, jsonBytes: number): ReadRequest | undefined {
  try {
    return readInfer(body, String(jsonBytes));
  } catch {
    // It is read again by what refuses it in words.
    return undefined;
  }
}

const readers = new WeakMap<LiveEndpoint, PlainBinary | null>();

/** The reader of an endpoint that takes one matrix of numbers; undefined for others. */
export function plainBinaryOf(endpoint: LiveEndpoint, rowsMax: number): PlainBinary | undefined {
  let found = readers.get(endpoint);
  if (found === undefined) {
    const { width = 0 } = endpoint.current.tensors ? {} : columnsOf(endpoint);
    found = width > 0 ? new PlainBinary(width, endpoint.current.arm.signature.output, rowsMax) : null;
    readers.set(endpoint, found);
  }
  return found ?? undefined;
}
