import { readFileSync } from 'node:fs';
import { Tensor as OrtTensor } from 'onnxruntime-node';
import { binding, initOrt } from 'onnxruntime-node/dist/binding.js';
import type { Datatype, TensorValues } from '../tensors/datatypes.ts';
import { widenBfloat16 } from '../tensors/decode.ts';
import { ONNX_DATATYPES } from '../tensors/onnx-datatypes.ts';
import type { Tensor, TensorSpec } from '../tensors/tensor.ts';
import { widenedName, withoutBfloat16 } from './bfloat16-model.ts';
import type { TensorCall } from './model-runtime.ts';

type NativeSession = InstanceType<typeof binding.InferenceSession>;
type NativeMetadata = NativeSession['inputMetadata'][number];

/** Datatypes of the protocol as the runtime's library calls them. It has no BF16; see {@link withoutBfloat16}. */
const NATIVE_NAME: ReadonlyMap<Datatype, OrtTensor.Type> = new Map([
  ['FP32', 'float32'],
  ['UINT8', 'uint8'],
  ['INT8', 'int8'],
  ['UINT16', 'uint16'],
  ['INT16', 'int16'],
  ['INT32', 'int32'],
  ['INT64', 'int64'],
  ['BYTES', 'string'],
  ['BOOL', 'bool'],
  ['FP16', 'float16'],
  ['FP64', 'float64'],
  ['UINT32', 'uint32'],
  ['UINT64', 'uint64'],
]);

const OPTIONS = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  logSeverityLevel: 4,
} as const;

/** One ONNX model of any tensors, called by their names. */
export class TensorSession {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly #session: NativeSession;

  /** Throws when the file is no model, or one of something other than tensors of the protocol's datatypes. */
  constructor(path: string) {
    initOrt();
    const session = new binding.InferenceSession();
    session.loadModel(path, OPTIONS);
    this.#session = session;
    try {
      this.inputs = session.inputMetadata.map(specOf);
      this.outputs = session.outputMetadata.map(specOf);
      const widened = [...this.inputs, ...this.outputs].filter(({ datatype }) => datatype === 'BF16');
      if (widened.length === 0) return;
      const names = new Set(widened.map(({ name }) => name));
      const bytes = Uint8Array.from(withoutBfloat16(readFileSync(path), names));
      this.#session = new binding.InferenceSession();
      this.#session.loadModel(bytes.buffer, 0, bytes.length, OPTIONS);
    } catch (error) {
      session.dispose();
      throw error;
    }
    session.dispose();
  }

  /** The wanted outputs, in that order. The feeds have to fit {@link inputs}; the model throws otherwise. */
  run({ feeds, wanted }: TensorCall): Tensor[] {
    const specs = wanted.map((name) => this.outputs.find((spec) => spec.name === name) as TensorSpec);
    const answers = this.#session.run(
      Object.fromEntries(feeds.map((tensor) => [nativeName(tensor), nativeTensor(tensor)])),
      Object.fromEntries(specs.map((spec) => [nativeName(spec), null])),
      {},
    );
    return specs.map((spec) => {
      const { dims, data } = answers[nativeName(spec)] as OrtTensor;
      return { name: spec.name, datatype: spec.datatype, shape: [...dims], values: valuesOf(data, spec.datatype) };
    });
  }

  dispose(): void {
    this.#session.dispose();
  }
}

/** See {@link withoutBfloat16}. */
function nativeName({ name, datatype }: Pick<TensorSpec, 'name' | 'datatype'>): string {
  return datatype === 'BF16' ? widenedName(name) : name;
}

function specOf({ name, isTensor, type, shape }: NativeMetadata): TensorSpec {
  const datatype = ONNX_DATATYPES[type];
  if (isTensor && datatype) return { name, datatype, shape: [...shape] };
  throw new Error(`'${name}' is ${isTensor ? `of ONNX element type ${type}` : 'no tensor'}, which cannot be served`);
}

function nativeTensor({ datatype, shape, values }: Tensor): OrtTensor {
  if (datatype === 'BF16') return new OrtTensor('float32', widenBfloat16(values as Uint16Array), shape);
  const native = NATIVE_NAME.get(datatype) ?? 'float32';
  const tensor = new OrtTensor(native, values as never, shape);
  // The library turns half-precision bits into a Float16Array, which its own native part does not know.
  return native === 'float16' ? Object.defineProperty(tensor, 'data', { value: values }) : tensor;
}

function valuesOf(data: OrtTensor.DataType, datatype: Datatype): TensorValues {
  if (datatype === 'BF16')
    return Uint16Array.from(new Uint32Array((data as Float32Array).slice().buffer), (bits) => bits >>> 16);
  // Half-precision numbers are kept as their bits.
  if (data instanceof Float16Array) return new Uint16Array(data.buffer, data.byteOffset, data.length).slice();
  return data as TensorValues;
}
