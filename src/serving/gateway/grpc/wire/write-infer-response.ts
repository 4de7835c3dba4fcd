import type { InferResult } from '../../open-inference/protocol.ts';
import { rawOf } from '../../tensors/encode.ts';
import { PREFIX_BYTES } from '../http2/message-reader.ts';
import { isCounted } from '../infer-message.ts';
import { BackwardWriter, SHORT, VARINT_BYTES_MAX } from './backward-writer.ts';

/** `ModelInferResponse` by hand, in one piece with the prefix of its message. Its tensors are raw. */
export function writeInferResponse({ model, version, id, parameters, outputs }: InferResult): Buffer {
  const raws: readonly (Float32Array | Buffer)[] = outputs.map(({ values }) =>
    values instanceof Float32Array && values.length <= SHORT ? values : rawOf(values),
  );
  const names = Object.keys(parameters);
  const writer = new BackwardWriter(
    PREFIX_BYTES +
      textsMax([model, version, id]) +
      names.reduce((sum, name) => sum + ENTRY_MAX + textsMax([name, String(parameters[name])]), 0) +
      outputs.reduce((sum, each, i) => sum + tensorMax(each) + (raws[i]?.byteLength ?? 0), 0),
  );
  for (let i = raws.length - 1; i >= 0; i--) {
    const raw = raws[i] as Float32Array | Buffer;
    if (raw instanceof Float32Array) writer.floats(6, raw);
    else writer.raw(6, raw);
  }
  for (let i = outputs.length - 1; i >= 0; i--) writeTensor(writer, outputs[i] as Output);
  for (let i = names.length - 1; i >= 0; i--) {
    const name = names[i] as string;
    writeParameter(writer, name, parameters[name] as string | number);
  }
  writer.text(3, id);
  writer.text(2, version);
  writer.text(1, model);
  return writer.prefixed();
}

type Output = InferResult['outputs'][number];

/** Of a tag and a length each, and what UTF-8 takes for a character at most. */
const textsMax = (texts: readonly string[]): number =>
  texts.reduce((sum, text) => sum + 2 * VARINT_BYTES_MAX + 3 * text.length, 0);

/** Of a parameter, without its texts: two messages, and a number. */
const ENTRY_MAX = 6 * VARINT_BYTES_MAX;

const tensorMax = ({ name, datatype, shape }: Output): number =>
  textsMax([name, datatype]) + (shape.length + 6) * VARINT_BYTES_MAX;

function writeTensor(writer: BackwardWriter, { name, datatype, shape }: Output): void {
  const after = writer.length;
  for (let i = shape.length - 1; i >= 0; i--) writer.whole(shape[i] as number);
  writer.finish(3, after);
  writer.text(2, datatype);
  writer.text(1, name);
  writer.finish(5, after);
}

function writeParameter(writer: BackwardWriter, name: string, value: string | number): void {
  const after = writer.length;
  if (typeof value === 'string') writer.text(3, value);
  else if (isCounted(name, value)) writer.int64(2, value);
  else writer.double(4, value);
  writer.finish(2, after);
  writer.text(1, name);
  writer.finish(4, after);
}
