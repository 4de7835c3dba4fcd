import { assert } from '#core/assert';
import { ProtobufWriter } from './protobuf.ts';

/** Element types that the writer knows, with their numbers in `TensorProto.DataType`. */
const ELEMENT_TYPES = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const;

export type ElementType = keyof typeof ELEMENT_TYPES;

/** A dimension: its size, or a name for a size that is known only when the model runs. */
export type Dimension = number | string;

/** A constant. `shape` [] is a scalar; the number of values must be the product of the shape. */
export type Tensor =
  | { readonly type: 'float' | 'double'; readonly shape: readonly number[]; readonly values: ArrayLike<number> }
  | { readonly type: 'int64'; readonly shape: readonly number[]; readonly values: readonly (number | bigint)[] }
  | { readonly type: 'string'; readonly shape: readonly number[]; readonly values: readonly string[] };

/** A node's attribute. The tag decides the ONNX type, which a bare number could not. */
export type Attribute =
  | { readonly float: number }
  | { readonly int: number }
  | { readonly string: string }
  | { readonly tensor: Tensor }
  | { readonly floats: ArrayLike<number> }
  | { readonly ints: readonly number[] }
  | { readonly strings: readonly string[] };

export interface NodeSpec {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** `ai.onnx.ml`, or absent for the standard operators. */
  readonly domain?: string;
  readonly attributes?: { readonly [name: string]: Attribute };
}

export interface OnnxModelSpec {
  readonly graphName: string;
  /** Operator set version by domain; the standard domain is the empty string. */
  readonly opsets: { readonly [domain: string]: number };
  /** Becomes `metadata_props`. */
  readonly metadata?: { readonly [key: string]: string };
}

/** ONNX IR version 8, the first for operator set 16 and 17; every ONNX Runtime since 1.11 reads it. */
const IR_VERSION = 8;

/**
 * Builds an ONNX model (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) node by node. Nodes must be added in an
 * order in which every input is already known; each value name is given once. Breaking either is a bug of the caller
 * and asserts.
 */
export class OnnxGraph {
  readonly #nodes: ((graph: ProtobufWriter) => void)[] = [];
  readonly #inputs: ((graph: ProtobufWriter) => void)[] = [];
  readonly #outputs: ((graph: ProtobufWriter) => void)[] = [];
  readonly #initializers: ((graph: ProtobufWriter) => void)[] = [];
  readonly #known = new Set<string>();
  readonly #domains = new Set<string>(['']);

  input(name: string, type: ElementType, shape: readonly Dimension[]): void {
    this.#define(name);
    this.#inputs.push((graph) => graph.message(11, (info) => writeValueInfo(info, name, type, shape)));
  }

  initializer(name: string, tensor: Tensor): void {
    this.#define(name);
    this.#initializers.push((graph) => graph.message(5, (proto) => writeTensor(proto, tensor, name)));
  }

  node(operator: string, { inputs, outputs, domain = '', attributes = {} }: NodeSpec): void {
    // An empty name is how ONNX leaves an optional input out.
    for (const name of inputs) assert(name === '' || this.#known.has(name), `${operator}: unknown input '${name}'`);
    for (const name of outputs) this.#define(name);
    this.#domains.add(domain);
    const index = this.#nodes.length;
    this.#nodes.push((graph) =>
      graph.message(1, (proto) => {
        for (const name of inputs) proto.string(1, name);
        for (const name of outputs) proto.string(2, name);
        proto.string(3, `${operator}_${index}`);
        proto.string(4, operator);
        for (const [name, attribute] of Object.entries(attributes)) {
          proto.message(5, (body) => writeAttribute(body, name, attribute));
        }
        if (domain !== '') proto.string(7, domain);
      }),
    );
  }

  output(name: string, type: ElementType, shape: readonly Dimension[]): void {
    assert(this.#known.has(name), `output '${name}' is made by no node`);
    this.#outputs.push((graph) => graph.message(12, (info) => writeValueInfo(info, name, type, shape)));
  }

  /** The bytes of the model. Equal graphs give equal bytes. */
  toBytes({ graphName, opsets, metadata = {} }: OnnxModelSpec): Uint8Array<ArrayBuffer> {
    for (const domain of this.#domains) assert(domain in opsets, `no operator set version for the domain '${domain}'`);
    const model = new ProtobufWriter();
    model.int(1, IR_VERSION);
    model.string(2, 'kedge');
    model.message(7, (graph) => {
      for (const write of this.#nodes) write(graph);
      graph.string(2, graphName);
      for (const write of this.#initializers) write(graph);
      for (const write of this.#inputs) write(graph);
      for (const write of this.#outputs) write(graph);
    });
    for (const [domain, version] of Object.entries(opsets)) {
      model.message(8, (opset) => {
        opset.string(1, domain);
        opset.int(2, version);
      });
    }
    for (const [key, value] of Object.entries(metadata)) {
      model.message(14, (entry) => {
        entry.string(1, key);
        entry.string(2, value);
      });
    }
    return model.finish();
  }

  #define(name: string): void {
    assert(name !== '' && !this.#known.has(name), `the value '${name}' is defined twice or has no name`);
    this.#known.add(name);
  }
}

function writeValueInfo(info: ProtobufWriter, name: string, type: ElementType, shape: readonly Dimension[]): void {
  info.string(1, name);
  info.message(2, (typeProto) =>
    typeProto.message(1, (tensor) => {
      tensor.int(1, ELEMENT_TYPES[type]);
      tensor.message(2, (shapeProto) => {
        for (const dimension of shape) {
          shapeProto.message(1, (dim) => {
            if (typeof dimension === 'number') dim.int(1, dimension);
            else dim.string(2, dimension);
          });
        }
      });
    }),
  );
}

function writeTensor(proto: ProtobufWriter, tensor: Tensor, name: string): void {
  const { type, shape, values } = tensor;
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  assert(size === values.length, `tensor '${name}' of shape [${shape}] holds ${values.length} values`);
  proto.ints(1, shape);
  proto.int(2, ELEMENT_TYPES[type]);
  proto.string(8, name);
  if (type === 'string') for (const text of tensor.values) proto.string(6, text);
  else if (type === 'int64') proto.ints(7, tensor.values);
  else if (type === 'float') proto.floats(4, tensor.values);
  else proto.bytes(9, new Uint8Array(Float64Array.from(tensor.values).buffer));
}

function writeAttribute(proto: ProtobufWriter, name: string, attribute: Attribute): void {
  proto.string(1, name);
  if ('float' in attribute) {
    proto.float(2, attribute.float);
    proto.int(20, 1);
  } else if ('int' in attribute) {
    proto.int(3, attribute.int);
    proto.int(20, 2);
  } else if ('string' in attribute) {
    proto.string(4, attribute.string);
    proto.int(20, 3);
  } else if ('tensor' in attribute) {
    proto.message(5, (tensor) => writeTensor(tensor, attribute.tensor, name));
    proto.int(20, 4);
  } else if ('floats' in attribute) {
    proto.floats(7, attribute.floats);
    proto.int(20, 6);
  } else if ('ints' in attribute) {
    proto.ints(8, attribute.ints);
    proto.int(20, 7);
  } else {
    for (const text of attribute.strings) proto.string(9, text);
    proto.int(20, 8);
  }
}
