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
import { type GraphPlan, type PartSpec, planGraph } from './model-graph.ts';
import { readOnnxTensors } from './onnx-tensors.ts';
import type { Arm, ArmTensors } from './routing.ts';

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
  const ofTensors = arm.signature.inputs.length === 0;
  if (declaration.runtime !== 'graph') {
    if (!ofTensors) return arm;
    const told = declaration.runtime === 'process' ? declaration.tensors : undefined;
    if (told) return { ...arm, tensors: armTensorsOf(told) };
    throw refuse('its signature has no columns, and its declaration does not tell which tensors it takes and answers');
  }
  try {
    const { parts, plan } = await plannedGraph(deps, declaration);
    return { ...arm, parts, ...(ofTensors ? { tensors: armTensorsOf(plan) } : {}) };
  } catch (error) {
    throw refuse(messageOf(error));
  }
}

/** What a model of tensors takes and answers, as the routing table has it. */
export function armTensorsOf({ inputs, outputs }: PartSpec, beside: ArmTensors['beside'] = []): ArmTensors {
  const copies = (specs: PartSpec['inputs']): ArmTensors['inputs'] =>
    specs.map(({ name, datatype, shape }) => ({ name, datatype, shape: [...shape] }));
  return { inputs: copies(inputs), outputs: copies(outputs), beside };
}

export interface PlannedGraph {
  /** The model file of each version that it uses. */
  readonly parts: Record<string, Digest>;
  readonly plan: GraphPlan;
}

/** A graph with the versions that it uses. Throws an `Error` that names the place where it does not fit. */
export async function plannedGraph(deps: ServingDeps, graph: GraphModel): Promise<PlannedGraph> {
  const { versions } = deps;
  const parts: Record<string, Digest> = {};
  const specs = new Map<string, PartSpec>();
  for (const node of graph.nodes) {
    if ('of' in node || specs.has(node.model)) continue;
    const place = `nodes.${node.name}.model`;
    const [, model = '', version = ''] = /^(.+)@([1-9]\d{0,8})$/.exec(node.model) ?? [];
    if (model === '') throw new Error(`${place}: expected a version, such as delay@3, found '${node.model}'`);
    const found = await versions.versionWithFile(model, Number(version)).catch((error) => {
      if (!(error instanceof KedgeError) || error.status >= 500) throw error;
      throw new Error(`${place}: ${messageOf(error)}`);
    });
    if (found.modelFile.path !== 'model.onnx') {
      throw new Error(`${place}: ${node.model} is a ${found.modelFile.path}; a part has to be a model.onnx`);
    }
    specs.set(node.model, await specOf(deps, found, place));
    parts[node.model] = found.modelFile.digest;
  }
  return { parts, plan: planGraph(graph, (model) => specs.get(model) as PartSpec) };
}

/** The tensors of a model: of columns as its signature says, otherwise as its ONNX file does. */
async function specOf(
  { blobs }: ServingDeps,
  { signature, modelFile }: ModelVersion,
  place: string,
): Promise<PartSpec> {
  const { inputs, output } = signature;
  if (inputs.length === 0) {
    if (!blobs) throw new Error(`${place}: there is no blob store to read from its file which tensors it takes`);
    return readOnnxTensors(await blobs.localPath(modelFile.digest)).catch((error) => {
      throw new Error(`${place}: ${messageOf(error)}`);
    });
  }
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
