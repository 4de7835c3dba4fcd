import { KedgeError, messageOf } from '#core/errors';
import type { ModelVersion } from '#registry';
import { armTensorsOf, declaredArm } from './declared-arm.ts';
import type { ServingDeps } from './deps.ts';
import { servingErrors } from './errors.ts';
import { DECLARATION_FILE } from './model-declaration.ts';
import { readOnnxTensors } from './onnx-tensors.ts';
import type { Arm, TensorVersion } from './routing.ts';

/**
 * A registered version as a gateway serves it: of columns, as its signature says, or of any tensors, as its file does.
 * Throws `serving/version-not-found`, `serving/not-servable`.
 */
export async function servableArm(deps: ServingDeps, model: string, version: number): Promise<Arm> {
  const found = await versionWithFile(deps, model, version);
  const { path, digest } = found.modelFile;
  const revision = `${model}@${version}`;
  if (path !== 'model.onnx' && path !== DECLARATION_FILE) {
    throw servingErrors['not-servable'](`${revision} is a ${path}; a gateway runs model.onnx and ${DECLARATION_FILE}`);
  }
  const arm: Arm = { revision, model, version, digest, signature: found.signature };
  if (path === DECLARATION_FILE) return declaredArm(deps, arm);
  return found.signature.inputs.length > 0 ? arm : tensorArm(deps, arm, found);
}

/**
 * A registered version that is called directly: as {@link servableArm}, or as its tensors where its signature is not
 * columns.
 */
export async function calledVersion(deps: ServingDeps, model: string, version: number): Promise<Arm | TensorVersion> {
  const found = await versionWithFile(deps, model, version);
  const { modelFile, signature } = found;
  if (signature.inputs.length > 0 || modelFile.path !== 'model.onnx') return servableArm(deps, model, version);
  const revision = `${model}@${version}`;
  return { revision, model, version, tensors: { digest: modelFile.digest, beside: besideOf(found) } };
}

async function versionWithFile({ versions }: ServingDeps, model: string, version: number): Promise<ModelVersion> {
  return versions.versionWithFile(model, version).catch((error) => {
    if (!(error instanceof KedgeError) || error.status >= 500) throw error;
    throw servingErrors['version-not-found'](messageOf(error));
  });
}

async function tensorArm({ blobs }: ServingDeps, arm: Arm, version: ModelVersion): Promise<Arm> {
  const refuse = (why: string): Error => servingErrors['not-servable'](`${arm.revision}: ${why}`);
  if (!blobs) throw refuse('there is no blob store to read from its file which tensors it takes');
  try {
    const specs = await readOnnxTensors(await blobs.localPath(arm.digest));
    return { ...arm, tensors: armTensorsOf(specs, besideOf(version)) };
  } catch (error) {
    throw refuse(messageOf(error));
  }
}

/** What may be weights of the model; the rest of an MLflow model describes it. */
function besideOf({ artifacts, modelFile }: ModelVersion): TensorVersion['tensors']['beside'] {
  return artifacts
    .filter(({ path }) => path !== modelFile.path && !path.includes('/') && !DESCRIPTIONS.test(path))
    .map(({ path, digest }) => ({ path, digest }));
}

const DESCRIPTIONS = /^MLmodel$|\.(json|ya?ml|txt|md|py)$/;
