import { gatewayErrors } from './errors.ts';
import type { GatewayParts } from './gateway-parts.ts';
import type { LiveArm, LiveEndpoint } from './live-endpoint.ts';
import type { Prediction } from './prediction.ts';
import { type Instance, readInstance, readRow } from './read-instance.ts';
import { scoreRows } from './score-rows.ts';
import { instancesOf, type TensorInput } from './tensors.ts';

/** The Open Inference Protocol v2 apart from its two wire forms (REST and gRPC). */

export const SERVER_NAME = 'kedge';
export const SERVER_EXTENSIONS: readonly string[] = ['binary_tensor_data'];

export interface TensorMetadata {
  readonly name: string;
  readonly datatype: 'FP32' | 'BYTES';
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

/** What infer calls carry. `version` addresses a registered version of a model; without it `model` is an endpoint. */
export interface InferCall {
  readonly model: string;
  readonly version?: string | undefined;
  readonly id?: string | undefined;
  readonly at?: number | undefined;
  readonly inputs: readonly TensorInput[];
}

export interface InferResult {
  readonly model: string;
  readonly version: string;
  readonly id: string;
  readonly output: 'probability' | 'value';
  readonly scores: Float32Array;
  readonly revision: string;
  readonly fallbacks: number;
}

/** Scores tensors. Resolves in the turn in which the answers are released. */
export async function infer(parts: GatewayParts, call: InferCall): Promise<InferResult> {
  if (call.version !== undefined) return inferVersion(parts, call, call.version);
  const endpoint = parts.router.endpoint(call.model);
  const columns = columnsOf(endpoint);
  const rows = instancesOf(call.inputs, { ...columns, rowsMax: parts.limits.instancesMax });
  const instances = rows.map(({ inputs, entities }, i): Instance => {
    const id = call.id === undefined ? undefined : rows.length === 1 ? call.id : `${call.id}-${i}`;
    return readInstance({ id, at: call.at, entities, inputs }, '');
  });
  const predictions = await new Promise<readonly Prediction[]>((finish, fail) =>
    parts.predictor.predict({ endpoint, instances, path: 'rows', finish, fail }),
  );
  const failed = predictions.find(({ error }) => error);
  if (failed) throw failed.error;
  const first = predictions[0] as Prediction;
  const candidates = predictions.filter(({ arm }) => arm === 'candidate').length;
  const arm = candidates > 0 && endpoint.candidate ? endpoint.candidate : endpoint.current;
  return {
    model: call.model,
    version: String(arm.arm.version),
    id: call.id ?? first.id,
    output: arm.arm.signature.output,
    scores: Float32Array.from(predictions, ({ score }) => score),
    revision: arm.arm.revision,
    fallbacks: predictions.filter(({ fallback }) => fallback).length,
  };
}

/** A registered version, addressed directly: not routed and not recorded. */
async function inferVersion(parts: GatewayParts, call: InferCall, version: string): Promise<InferResult> {
  const arm = await findVersion(parts, call.model, version);
  const columns = { columns: arm.arm.signature.inputs, entities: [], rowsMax: parts.limits.instancesMax };
  const rows = instancesOf(call.inputs, columns).map(({ inputs }, i) => {
    const instance = readInstance({ inputs }, '');
    return { row: readRow(arm, instance, { features: undefined, path: `rows.${i}` }) };
  });
  await parts.cache.load(arm.file);
  const runtime = parts.cache.ready(arm.file.digest);
  if (!runtime) throw gatewayErrors['model-unavailable'](`${arm.arm.revision} left memory; try again`);
  const scores = await withTimeout(parts, arm, scoreRows(runtime, rows));
  const { revision, signature } = arm.arm;
  const id = call.id ?? parts.system.ids.next('pred');
  return { model: call.model, version, id, output: signature.output, scores, revision, fallbacks: 0 };
}

function withTimeout(
  parts: GatewayParts,
  arm: LiveArm,
  scores: Float32Array | Promise<Float32Array>,
): Promise<Float32Array> {
  const { predictTimeoutMs } = parts.limits;
  return new Promise((resolve, reject) => {
    const cancel = parts.system.clock.after(predictTimeoutMs, () =>
      reject(gatewayErrors.timeout(`${arm.arm.revision} did not answer within ${predictTimeoutMs} ms`)),
    );
    Promise.resolve(scores).then(resolve, reject).finally(cancel);
  });
}

export async function findVersion(parts: GatewayParts, model: string, version: string): Promise<LiveArm> {
  const unknown = gatewayErrors['unknown-model'](
    `there is no version '${version}' of a model '${model.slice(0, 100)}'`,
  );
  if (!/^[1-9]\d{0,8}$/.test(version)) throw unknown;
  const known = parts.router.arm(`${model}@${version}`);
  if (known) return known;
  const found = await parts.controlPlane.resolve(model, Number(version), parts.signal).catch((error) => {
    parts.onError(error, `${model}@${version}`);
    throw gatewayErrors['model-unavailable'](`${model}@${version} is not routed to, and the control plane is away`);
  });
  if (!found) throw unknown;
  return parts.router.remember(found);
}

/** Whether requests of this model would be answered: its current revision is loaded. */
export async function modelReady(parts: GatewayParts, model: string, version?: string): Promise<boolean> {
  const arm = version === undefined ? parts.router.endpoint(model).current : await findVersion(parts, model, version);
  return parts.cache.ready(arm.file.digest) !== undefined;
}

export async function metadataOf(parts: GatewayParts, model: string, version?: string): Promise<ModelMetadata> {
  const endpoint = version === undefined ? parts.router.endpoint(model) : undefined;
  const arm = endpoint ? endpoint.current : await findVersion(parts, model, version ?? '');
  const { columns, entities } = endpoint ? columnsOf(endpoint) : { columns: arm.arm.signature.inputs, entities: [] };
  const tensor = (name: string, datatype: 'FP32' | 'BYTES'): TensorMetadata => ({ name, datatype, shape: [-1, 1] });
  return {
    name: model,
    versions: [String(arm.arm.version)],
    platform: 'onnxruntime_onnx',
    inputs: [
      ...columns.map(({ name, kind }) => tensor(name, kind === 'numeric' ? 'FP32' : 'BYTES')),
      ...entities.map((name) => tensor(name, 'BYTES')),
    ],
    outputs: [tensor(arm.arm.signature.output, 'FP32')],
  };
}

/** The tensors an endpoint takes: its model's columns without those that a feature view delivers, and entity keys. */
function columnsOf(endpoint: LiveEndpoint): Pick<Parameters<typeof instancesOf>[1], 'columns' | 'entities'> {
  const arms = endpoint.candidate ? [endpoint.current, endpoint.candidate] : [endpoint.current];
  const all = arms.flatMap(({ arm }) => arm.signature.inputs).filter(({ name }) => endpoint.accepted.has(name));
  const columns = [...new Map(all.map((input) => [input.name, input])).values()];
  return { columns, entities: endpoint.entities };
}
