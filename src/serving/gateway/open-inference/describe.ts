import { gatewayErrors, invalidField } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import { armsOf, fileOf, type LiveArm } from '../live-endpoint.ts';
import { allStatistics } from '../processes/all-statistics.ts';
import { declaredAs } from '../repository/dynamic-batching.ts';
import type { IndexEntry, LoadParameters, RepositoryVersion } from '../repository/model-repository.ts';
import { ModelStatistics } from '../statistics.ts';
import { rowsPerRun } from '../tensor-prediction.ts';
import type { TensorSpec } from '../tensors/tensor.ts';
import { type ConfigTensor, type ModelMetadata, PLATFORM, type ServedConfig } from './protocol.ts';
import { columnsOf, findVersion, inputsOf, outputsOf, planOf } from './tabular.ts';

/** Whether requests of this model would be answered. Throws when there is no such model. */
export async function modelReady(parts: GatewayParts, model: string, version?: string): Promise<boolean> {
  if (parts.repository.has(model)) {
    return parts.repository.version(model, version).then(
      () => true,
      () => false,
    );
  }
  const arm = version === undefined ? parts.router.endpoint(model).current : await findVersion(parts, model, version);
  // A version of tensors is found with its model in memory.
  if (!('arm' in arm)) return true;
  return parts.cache.holds(fileOf(arm));
}

export async function metadataOf(parts: GatewayParts, model: string, version?: string): Promise<ModelMetadata> {
  if (parts.repository.has(model)) {
    const { inputs, outputs } = await parts.repository.version(model, version);
    return { name: model, versions: parts.repository.versions(model), platform: PLATFORM, inputs, outputs };
  }
  const endpoint = version === undefined ? parts.router.endpoint(model) : undefined;
  const arm = endpoint ? endpoint.current : await findVersion(parts, model, version ?? '');
  if (!('arm' in arm)) {
    return { name: model, versions: [arm.version], platform: PLATFORM, inputs: arm.inputs, outputs: arm.outputs };
  }
  if (arm.tensors) {
    const { inputs, outputs } = arm.tensors;
    return { name: model, versions: [String(arm.arm.version)], platform: PLATFORM, inputs, outputs };
  }
  return {
    name: model,
    versions: [String(arm.arm.version)],
    platform: PLATFORM,
    inputs: inputsOf(endpoint ? columnsOf(endpoint) : planOf(arm)),
    outputs: outputsOf(arm),
  };
}

/** The configuration in force, in the fields of Triton's that have a meaning here. */
export async function configOf(parts: GatewayParts, model: string, version?: string): Promise<ServedConfig> {
  const { inputs, outputs } = await metadataOf(parts, model, version);
  const { instancesMax } = parts.limits;
  const served = await servedTensors(parts, model, version);
  const endpoint = version === undefined && !served ? parts.router.endpoint(model) : undefined;
  const routed = endpoint?.current.tensors;
  const batching = served?.batching ?? endpoint?.batching;
  const batch = served ? served.maxBatchSize : routed ? rowsPerRun(routed, instancesMax, batching) : instancesMax;
  return {
    name: model,
    platform: PLATFORM,
    backend: 'onnxruntime',
    version_policy: policyOf(parts, model, served),
    max_batch_size: batch,
    input: inputs.map((spec) => configTensor(spec, batch)),
    output: outputs.map((spec) => configTensor(spec, batch)),
    default_model_filename: 'model.onnx',
    ...(batching || batch > 0 ? { dynamic_batching: declaredAs(batching) } : {}),
  };
}

/** The model of tensors of this name and version, if it is one. */
async function servedTensors(
  parts: GatewayParts,
  model: string,
  version: string | undefined,
): Promise<RepositoryVersion | undefined> {
  if (parts.repository.has(model)) return parts.repository.version(model, version);
  if (version === undefined) return undefined;
  const found = await findVersion(parts, model, version);
  return 'arm' in found ? undefined : found;
}

function policyOf(parts: GatewayParts, model: string, served: RepositoryVersion | undefined): object {
  const versions = served ? parts.repository.versions(model) : [];
  return versions.length > 1 ? { specific: { versions: versions.map(Number) } } : { latest: { num_versions: 1 } };
}

function configTensor({ name, datatype, shape }: TensorSpec, batch: number): ConfigTensor {
  const data_type = `TYPE_${datatype === 'BYTES' ? 'STRING' : datatype}`;
  return { name, data_type, dims: batch > 0 ? shape.slice(1) : shape };
}

/** The statistics of one version, of all versions of a model, or of everything. Throws when there is no such model. */
export async function statisticsOf(
  parts: GatewayParts,
  model: string | undefined,
  version?: string,
): Promise<readonly ModelStatistics[]> {
  if (model === undefined) return [...(await allStatistics(parts))];
  const { versions } = await known(parts, model, version);
  if (!parts.siblings) return versions.map((each) => parts.statistics.of(model, each));
  const all = [...(await allStatistics(parts))].filter(({ name }) => name === model);
  return versions.map((each) => all.find((one) => one.version === each) ?? new ModelStatistics(model, each));
}

async function known(
  parts: GatewayParts,
  model: string,
  version: string | undefined,
): Promise<{ readonly versions: readonly string[] }> {
  if (parts.repository.has(model)) {
    const versions = parts.repository.versions(model);
    if (version === undefined) return { versions };
    if (versions.includes(version)) return { versions: [version] };
    throw gatewayErrors['unknown-model'](`there is no version '${version.slice(0, 20)}' of a model '${model}'`);
  }
  if (version !== undefined) {
    await findVersion(parts, model, version);
    return { versions: [version] };
  }
  const arms = armsOf(parts.router.endpoint(model));
  return { versions: [...new Set(arms.map(({ arm }) => String(arm.version)))] };
}

/**
 * Everything that is served: endpoints with the versions that answer, and the models of the repository. `memory` tells
 * what each takes of the memory of this process, which Triton's index does not.
 */
export function indexOf(
  parts: GatewayParts,
  { readyOnly, memory = false }: { readonly readyOnly: boolean; readonly memory?: boolean },
): readonly IndexEntry[] {
  const endpoints = [...parts.router.endpoints]
    .filter(({ routed }) => !parts.repository.has(routed.name))
    .flatMap((endpoint) =>
      armsOf(endpoint).map((live): IndexEntry => {
        const { arm } = live;
        const ready = parts.cache.holds(fileOf(live));
        const reason = ready ? '' : 'not in memory; the next request loads it';
        return {
          name: endpoint.routed.name,
          version: String(arm.version),
          state: ready ? 'READY' : 'UNAVAILABLE',
          reason,
          ...(memory ? inMemory(parts, live) : {}),
        };
      }),
    );
  const all = [...endpoints, ...parts.repository.index({ memory })];
  return readyOnly ? all.filter(({ state }) => state === 'READY') : all;
}

function inMemory({ cache }: GatewayParts, live: LiveArm): Pick<IndexEntry, 'memory_bytes' | 'pinned'> {
  const file = fileOf(live);
  return { memory_bytes: cache.bytesOf(file) ?? null, pinned: cache.isPinned(file) };
}

/** Loads a model, in every process of the gateway: of the repository anew, or of an endpoint into memory. */
export async function loadNow(parts: GatewayParts, model: string, parameters: LoadParameters): Promise<void> {
  if (parts.siblings) await parts.siblings.ask({ ask: 'load', model, ...parameters });
  else await loadHere(parts, model, parameters);
}

export async function loadHere(parts: GatewayParts, model: string, parameters: LoadParameters): Promise<void> {
  if (!parts.repository.has(model) && isEndpoint(parts, model)) {
    if (parameters.config !== undefined || parameters.files.size > 0) {
      throw invalidField('parameters', `'${model}' is an endpoint, which serves registered versions`);
    }
    await loadArm(parts, parts.router.endpoint(model).current);
    return;
  }
  await parts.repository.load(model, parameters);
}

async function loadArm({ cache }: GatewayParts, { file, tensors }: LiveArm): Promise<void> {
  await (tensors ? cache.loadTensors(tensors.file) : cache.load(file));
}

/** Takes a model of the repository out of service, in every process of the gateway. */
export async function unloadNow(parts: GatewayParts, model: string): Promise<void> {
  if (parts.siblings) await parts.siblings.ask({ ask: 'unload', model });
  else await unloadHere(parts, model);
}

/** An endpoint is no model of the repository: it is routed to until it is declared away. */
export async function unloadHere(parts: GatewayParts, model: string): Promise<void> {
  if (!parts.repository.has(model) && isEndpoint(parts, model)) {
    throw gatewayErrors['not-allowed'](`'${model}' is an endpoint, which the control plane routes to`);
  }
  await parts.repository.unload(model);
}

function isEndpoint(parts: GatewayParts, name: string): boolean {
  for (const { routed } of parts.router.endpoints) if (routed.name === name) return true;
  return false;
}
