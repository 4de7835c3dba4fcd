import { ProtobufWriter } from '#learn/onnx';
import { type Field, fieldsOf, textOf } from './trees/onnx-reader.ts';

/** Numbers of fields and element types in onnx.proto. */
const MODEL = { graph: 7 };
const GRAPH = { node: 1, input: 11, output: 12, valueInfo: 13 };
const ELEMENT = { float: 1, bfloat16: 16 };

/** The name under which a bfloat16 tensor of the model is given to it, or answered, as float32. */
export function widenedName(name: string): string {
  return `kedge:float32:${name}`;
}

/**
 * The model with its bfloat16 inputs and outputs replaced by float32 ones of another name, each behind a cast: the
 * library that runs models here knows no bfloat16 at its boundary, and every bfloat16 is a float32 exactly.
 */
export function withoutBfloat16(model: Uint8Array, names: ReadonlySet<string>): Uint8Array {
  const writer = new Pieces();
  for (const field of fieldsOf(model)) {
    if (field.number !== MODEL.graph) writer.copy(field);
    else writer.message(MODEL.graph, rewrittenGraph(field.bytes, names));
  }
  return writer.finish();
}

function rewrittenGraph(graph: Uint8Array, names: ReadonlySet<string>): Uint8Array {
  const before = new Pieces();
  const after = new Pieces();
  const kept = new Pieces();
  for (const field of fieldsOf(graph)) {
    const isInput = field.number === GRAPH.input;
    const name = isInput || field.number === GRAPH.output ? textOf(field.bytes, 1) : '';
    if (!names.has(name)) {
      kept.copy(field);
    } else if (isInput) {
      kept.message(GRAPH.input, widenedInfo(field.bytes));
      before.message(GRAPH.node, castNode(widenedName(name), name, ELEMENT.bfloat16));
    } else {
      kept.message(GRAPH.output, widenedInfo(field.bytes));
      kept.message(GRAPH.valueInfo, field.bytes);
      after.message(GRAPH.node, castNode(name, widenedName(name), ELEMENT.float));
    }
  }
  return new Pieces().add(before).add(kept).add(after).finish();
}

/** A `ValueInfoProto` under the other name and of float32, of the same shape. */
function widenedInfo(info: Uint8Array): Uint8Array {
  const pieces = new Pieces();
  for (const field of fieldsOf(info)) {
    if (field.number === 1) pieces.message(1, new TextEncoder().encode(widenedName(textOf(info, 1))));
    else if (field.number === 2) pieces.message(2, floatType(field.bytes));
    else pieces.copy(field);
  }
  return pieces.finish();
}

/** A `TypeProto` of a tensor with its element type replaced. */
function floatType(type: Uint8Array): Uint8Array {
  const pieces = new Pieces();
  for (const field of fieldsOf(type)) {
    if (field.number !== 1) {
      pieces.copy(field);
      continue;
    }
    const tensor = new Pieces();
    for (const inner of fieldsOf(field.bytes)) {
      if (inner.number === 1) tensor.bytes(written((writer) => writer.int(1, ELEMENT.float)));
      else tensor.copy(inner);
    }
    pieces.message(1, tensor.finish());
  }
  return pieces.finish();
}

function castNode(from: string, to: string, element: number): Uint8Array {
  return written((node) => {
    node.string(1, from);
    node.string(2, to);
    node.string(3, `cast ${to}`);
    node.string(4, 'Cast');
    node.message(5, (attribute) => {
      attribute.string(1, 'to');
      attribute.int(3, element);
      attribute.int(20, ATTRIBUTE_INT);
    });
  });
}

/** `AttributeProto.AttributeType.INT` */
const ATTRIBUTE_INT = 2;

function written(body: (writer: ProtobufWriter) => void): Uint8Array {
  const writer = new ProtobufWriter();
  body(writer);
  return writer.finish();
}

/** A message put together from fields that are copied and fields that are new. */
class Pieces {
  readonly #parts: Uint8Array[] = [];

  copy({ whole }: Field): void {
    this.#parts.push(whole);
  }

  bytes(bytes: Uint8Array): void {
    this.#parts.push(bytes);
  }

  message(number: number, content: Uint8Array): void {
    this.#parts.push(written((writer) => writer.bytes(number, content)));
  }

  add(other: Pieces): this {
    this.#parts.push(...other.#parts);
    return this;
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}
