import { KedgeError, messageOf } from '#core/errors';
import type { Digest } from '#core/hash';
import type { ModelVersion } from '#registry';
import type { ServingDeps } from './deps.ts';
import { servingErrors } from './errors.ts';
import type { TensorSpec } from './gateway/tensors/tensor.ts';
import {
  DECLARATION_BYTES_MAX,
  type GraphModel,
  type ModelDeclaration,
  parseDeclaration,
} from './model-declaration.ts';
import { type PartSpec, planGraph } from './model-graph.ts';
import type { Arm } from './routing.ts';

/**
 * A version whose model file is a declaration, with the versions that it uses if it is a graph: they are found and
 * checked against each other now, so that no gateway has to ask, and a graph that does not hold together gets no
 * traffic. Throws `serving/not-servable`.
 */
export async function declaredArm(deps: ServingDeps, arm: Arm): Promise<Arm> {
  const refuse = (why: string): Error => servingErrors['not-servable'](`${arm.revision}: ${why}`);
  const { blobs } = deps;
  if (!blobs) throw refuse('there is no blob store to read its declaration from');
  let declaration: ModelDeclaration;
  try {
    const bytes = await blobs.read(arm.digest, { bytesMax: DECLARATION_BYTES_MAX });
    declaration = parseDeclaration(new TextDecoder().decode(bytes));
  } catch (error) {
    throw refuse(messageOf(error));
  }
  if (declaration.runtime !== 'graph') return arm;
  try {
    return { ...arm, parts: await partsOf(deps, declaration) };
  } catch (error) {
    throw refuse(messageOf(error));
  }
}

/** The model file of each version that a graph uses. Throws an `Error` that names the place where it does not fit. */
async function partsOf({ versions }: ServingDeps, graph: GraphModel): Promise<Record<string, Digest>> {
  const parts: Record<string, Digest> = {};
  const specs = new Map<string, PartSpec>();
  for (const node of graph.nodes) {
    if ('of' in node || specs.has(node.model)) continue;
    const place = `nodes.${node.name}.model`;
    const [, model = '', version = ''] = /^(.+)@([1-9]\d{0,8})$/.exec(node.model) ?? [];
    if (model === '') throw new Error(`${place}: expected a version, such as delay@3, found '${node.model}'`);
    const found = await versions.liveVersion(model, Number(version)).catch((error) => {
      if (!(error instanceof KedgeError) || error.status >= 500) throw error;
      throw new Error(`${place}: ${messageOf(error)}`);
    });
    if (found.modelFile.path !== 'model.onnx') {
      throw new Error(`${place}: ${node.model} is a ${found.modelFile.path}; a part has to be a model.onnx`);
    }
    specs.set(node.model, specOf(found));
    parts[node.model] = found.modelFile.digest;
  }
  planGraph(graph, (model) => specs.get(model) as PartSpec);
  return parts;
}

/** The tensors of a model of columns, as its ONNX file has them. */
function specOf({ signature: { inputs, output } }: ModelVersion): PartSpec {
  const count = (kind: string): number => inputs.filter((input) => input.kind === kind).length;
  const tensors: readonly TensorSpec[] = [
    { name: 'features', datatype: 'FP32', shape: [-1, count('numeric')] },
    { name: 'categories', datatype: 'BYTES', shape: [-1, count('category')] },
  ];
  return {
    inputs: tensors.filter(({ shape }) => shape[1] !== 0),
    outputs: [{ name: output, datatype: 'FP32', shape: [-1, 1] }],
  };
}
