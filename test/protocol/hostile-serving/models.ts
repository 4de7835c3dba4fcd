import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ElementType, OnnxGraph } from '#learn/onnx';

/** Writes a model repository of identities y = x: of [N, M] by the datatype's name, and `line` of [N]. */
export async function writeRepository(folder: string): Promise<void> {
  const types: Readonly<Record<string, ElementType>> = {
    INT32: 'int32',
    INT64: 'int64',
    FP16: 'float16',
    BF16: 'bfloat16',
    FP32: 'float',
    BOOL: 'bool',
    BYTES: 'string',
  };
  const models = Object.entries(types).map(([name, type]) => [name, identity(type, ['N', 'M'])] as const);
  for (const [name, bytes] of [...models, ['line', identity('float', ['N'])] as const, ['two', sum()] as const]) {
    await mkdir(join(folder, name, '1'), { recursive: true });
    await writeFile(join(folder, name, '1', 'model.onnx'), bytes);
  }
}

function identity(type: ElementType, shape: readonly string[]): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('x', type, shape);
  graph.node('Identity', { inputs: ['x'], outputs: ['y'] });
  graph.output('y', type, shape);
  return graph.toBytes({ graphName: 'identity', opsets: { '': 17 } });
}

function sum(): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('a', 'float', ['N']);
  graph.input('b', 'float', ['N']);
  graph.node('Add', { inputs: ['a', 'b'], outputs: ['y'] });
  graph.output('y', 'float', ['N']);
  return graph.toBytes({ graphName: 'sum', opsets: { '': 17 } });
}
