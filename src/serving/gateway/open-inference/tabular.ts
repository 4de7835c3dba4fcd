import { KedgeError } from '#core/errors';
import { wishOf } from '../batching/queue-wish.ts';
import { gatewayErrors, invalidField } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import { armsOf, type LiveArm, type LiveEndpoint } from '../live-endpoint.ts';
import { namedArm } from '../named-arm.ts';
import type { Prediction } from '../prediction.ts';
import { type Instance, readInstance, readRow } from '../read-instance.ts';
import type { RepositoryVersion } from '../repository/model-repository.ts';
import { scoreRows } from '../score-rows.ts';
import { add, type ModelStatistics } from '../statistics.ts';
import { instancesOf, type TensorPlan, type TensorRow } from '../tensors/columns.ts';
import { rowsOfMatrix } from '../tensors/matrix.ts';
import type { Tensor, TensorInput, TensorSpec } from '../tensors/tensor.ts';
import { asRequested, wantedOf } from './outputs.ts';
import type { InferCall, InferResult } from './protocol.ts';

/** Endpoints and registered versions in the protocol's terms: a tensor a column in, one tensor of scores out. */

/** Scores rows of an endpoint, routed and recorded as every prediction is. */
export async function inferColumns(parts: GatewayParts, call: InferCall): Promise<InferResult> {
  const endpoint = parts.router.endpoint(call.model);
  const instances = refused(parts.statistics.ofArm(endpoint.current, call.model), () => {
    if (call.outputs) wantedOf(call.outputs, outputsOf(endpoint.current));
    return instancesIn(parts, call, endpoint);
  });
  const predictions = await new Promise<readonly Prediction[]>((finish, fail) =>
    parts.predictor.predict({
      ...{ endpoint, caller: call.caller, watched: call.watched, instances, path: 'rows', finish, fail },
      ...{ wish: call.wish ?? wishOf(call.parameters), onGone: call.onGone },
    }),
  );
  return resultOf(predictions, endpoint, call);
}

/** What a call is answered. Throws what one of its predictions failed with. */
export function resultOf(
  predictions: readonly Prediction[],
  endpoint: LiveEndpoint,
  call: Pick<InferCall, 'model' | 'id' | 'outputs'>,
): InferResult {
  const failed = predictions.find(({ error }) => error);
  if (failed) throw failed.error;
  const first = predictions[0] as Prediction;
  const byCandidate = predictions.find(({ arm }) => arm === 'candidate')?.candidate;
  const standIn = predictions.find((prediction) => prediction.standIn)?.standIn;
  const { arm } = standIn?.by.arm ?? byCandidate ?? endpoint.current;
  const revision = standIn?.by.revision ?? arm.revision;
  const fallbacks = predictions.filter((prediction) => prediction.fallback ?? prediction.standIn).length;
  const cached = predictions.filter((prediction) => prediction.cached).length;
  const scores = new Float32Array(predictions.length);
  for (let i = 0; i < scores.length; i++) scores[i] = (predictions[i] as Prediction).score;
  return {
    model: call.model,
    version: String(arm.version),
    id: call.id ?? first.id,
    parameters: {
      revision,
      ...(fallbacks > 0 ? { fallbacks } : {}),
      ...(standIn ? { fallback: standIn.by.by } : {}),
      ...(cached > 0 ? { cached } : {}),
    },
    outputs: scoresAs(arm.signature.output, scores, call),
  };
}

/** The rows of a call. Those that came as the one matrix of numbers that the endpoint takes are not taken apart. */
function instancesIn({ limits }: GatewayParts, call: InferCall, endpoint: LiveEndpoint): readonly Instance[] {
  const columns = columnsOf(endpoint);
  const at = eventTime(call.parameters);
  const named = namedArm(endpoint, call.asked);
  const tensors = given(call, columns);
  const { width } = columns;
  const matrix = width === undefined ? undefined : rowsOfMatrix(tensors, { width, rowsMax: limits.instancesMax });
  const rows = matrix ?? instancesOf(tensors, { ...columns, rowsMax: limits.instancesMax });
  const { id } = call;
  const ids = (i: number): string | undefined => (id === undefined || rows.length === 1 ? id : `${id}-${i}`);
  if (!matrix) {
    return rows.map((row, i): Instance => {
      const { inputs, entities } = row as TensorRow;
      return { ...readInstance({ id: ids(i), at, entities, inputs }, ''), ...named };
    });
  }
  const envelope = { ...readInstance({ id: ids(rows.length - 1), at }, ''), ...named };
  return matrix.map((numeric, i): Instance => ({ ...envelope, id: ids(i), row: { numeric, categories: [] } }));
}

/** A registered version, addressed directly: not routed and not recorded. */
export async function inferVersion(
  parts: GatewayParts,
  call: InferCall,
  { arm, version }: { readonly arm: LiveArm; readonly version: string },
): Promise<InferResult> {
  const { clock, ids } = parts.system;
  const startedMs = clock.monotonic();
  const statistics = parts.statistics.of(call.model, version);
  const plan = planOf(arm);
  const rows = refused(statistics, () => {
    wantedOf(call.outputs, outputsOf(arm));
    return instancesOf(given(call, plan), { ...plan, rowsMax: parts.limits.instancesMax }).map(({ inputs }, i) => {
      const instance = readInstance({ inputs }, '');
      return { row: readRow(arm, instance, { features: undefined, path: `rows.${i}` }) };
    });
  });
  await parts.cache.load(arm.file);
  const runtime = parts.cache.ready(arm.file);
  if (!runtime) throw gatewayErrors['model-unavailable'](`${arm.arm.revision} left memory; try again`);
  try {
    const runMs = clock.monotonic();
    const scores = await withTimeout(parts, arm, () => scoreRows(runtime, rows));
    const doneMs = clock.monotonic();
    statistics.executed(rows.length, doneMs - runMs, clock.now());
    add(statistics.success, doneMs - startedMs);
    call.watched?.ran({ queuedMs: startedMs, startedMs: runMs, endedMs: doneMs });
    const { revision, signature } = arm.arm;
    const id = call.id ?? ids.next('pred');
    const outputs = scoresAs(signature.output, Float32Array.from(scores), call);
    return { model: call.model, version, id, parameters: { revision }, outputs };
  } catch (error) {
    add(statistics.fail, clock.monotonic() - startedMs);
    throw error;
  }
}

/** Counts a request that is refused before it is scored. */
export function refused<Result>(statistics: ModelStatistics, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    add(statistics.fail, 0);
    throw error;
  }
}

function withTimeout(
  parts: GatewayParts,
  arm: LiveArm,
  score: () => Float32Array | Promise<Float32Array>,
): Promise<Float32Array> {
  const { predictTimeoutMs } = parts.limits;
  return new Promise((resolve, reject) => {
    const cancel = parts.system.clock.after(predictTimeoutMs, () =>
      reject(gatewayErrors.timeout(`${arm.arm.revision} did not answer within ${predictTimeoutMs} ms`)),
    );
    const failed = (error: unknown): void => {
      const message = error instanceof Error ? error.message : String(error);
      const told = error instanceof KedgeError ? error : undefined;
      reject(told ?? gatewayErrors['model-failed'](`${arm.arm.revision}: ${message.slice(0, 500)}`));
    };
    const scores = new Promise<Float32Array>((scored) => scored(score()));
    scores.then(resolve, failed).finally(cancel);
  });
}

/**
 * A registered version: of columns, or of any tensors with its model in memory. Throws `gateway/unknown-model`, or
 * `gateway/model-unavailable` while nobody can tell what the version is.
 */
export async function findVersion(
  parts: GatewayParts,
  model: string,
  version: string,
): Promise<LiveArm | RepositoryVersion> {
  const unknown = gatewayErrors['unknown-model'](
    `there is no version '${version.slice(0, 20)}' of a model '${model.slice(0, 100)}'`,
  );
  if (!/^[1-9]\d{0,8}$/.test(version)) throw unknown;
  const revision = `${model}@${version}`;
  const routed = parts.router.arm(revision);
  if (routed?.tensors) parts.registeredTensors.remember(routed.arm);
  const known = routed?.tensors ? undefined : routed;
  const found = known ?? (await parts.registeredTensors.find(revision));
  if (found) return found;
  const resolved = await parts.controlPlane.resolve(model, Number(version), parts.signal).catch((error) => {
    parts.onError(error, `${model}@${version}`);
    throw gatewayErrors['model-unavailable'](`${model}@${version} is not routed to, and the control plane is away`);
  });
  if (!resolved) throw unknown;
  if ('signature' in resolved && !resolved.tensors) return parts.router.remember(resolved);
  parts.registeredTensors.remember(resolved);
  return (await parts.registeredTensors.find(revision)) ?? parts.repository.version(model, version);
}

type Columns = Omit<TensorPlan, 'rowsMax'>;

interface EndpointColumns extends Columns {
  /** How many numbers a row of the matrix `features` has, where that matrix is all that the only arm takes. */
  readonly width: number | undefined;
}

const columnsKnown = new WeakMap<LiveEndpoint, EndpointColumns>();

/** The tensors an endpoint takes: its model's columns without those that a feature view delivers, and entity keys. */
export function columnsOf(endpoint: LiveEndpoint): EndpointColumns {
  const known = columnsKnown.get(endpoint);
  if (known) return known;
  const { current, candidate, arms, entities, accepted } = endpoint;
  const all = armsOf(endpoint)
    .flatMap(({ arm }) => arm.signature.inputs)
    .filter(({ name }) => accepted.has(name));
  const columns = [...new Map(all.map((input) => [input.name, input])).values()];
  const matrixAlone =
    !candidate && !arms && entities.length === 0 && current.categories.length === 0 && !accepted.has('features');
  const width = matrixAlone && current.numeric.every(({ feature }) => feature < 0) ? current.numeric.length : undefined;
  const found = { columns, entities, width };
  columnsKnown.set(endpoint, found);
  return found;
}

export function planOf(arm: LiveArm): Columns {
  return { columns: arm.arm.signature.inputs, entities: [] };
}

export function inputsOf({ columns, entities }: Columns): readonly TensorSpec[] {
  return [
    ...columns.map(({ name, kind }) => column(name, kind === 'numeric' ? 'FP32' : 'BYTES')),
    ...entities.map((name) => column(name, 'BYTES')),
  ];
}

export function outputsOf(arm: LiveArm): readonly TensorSpec[] {
  return [column(arm.arm.signature.output, 'FP32')];
}

function column(name: string, datatype: 'FP32' | 'BYTES'): TensorSpec {
  return { name, datatype, shape: [-1, 1] };
}

/** The tensors of a call. A raw body is the one column of numbers that a model takes. */
function given({ inputs }: InferCall, { columns, entities }: Columns): readonly TensorInput[] {
  if (!('rawBody' in inputs)) return inputs;
  const raw = inputs.rawBody;
  if (entities.length > 0 || columns.length !== 1 || columns[0]?.kind !== 'numeric') {
    const count = columns.length + entities.length;
    throw gatewayErrors['invalid-request'](`body: cannot be a raw tensor: the model takes ${count} inputs`);
  }
  return [{ name: columns[0].name, datatype: 'FP32', shape: [Math.floor(raw.length / 4)], raw }];
}

function scoresAs(
  name: string,
  values: Float32Array<ArrayBuffer>,
  { outputs }: Pick<InferCall, 'outputs'>,
): readonly Tensor[] {
  const scores: Tensor = { name, datatype: 'FP32', shape: [values.length, 1], values };
  return asRequested([scores], outputs, { batched: true, labels: new Map() });
}

export function eventTime({ at }: InferCall['parameters']): number | undefined {
  if (at === undefined || typeof at === 'number') return at;
  throw invalidField('parameters.at', 'expected epoch milliseconds');
}
