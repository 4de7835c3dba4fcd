import { gatewayErrors, invalidField } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import type { RepositoryVersion } from '../repository/model-repository.ts';
import { add, addFailure } from '../statistics.ts';
import { CLASSES_MAX } from './classification.ts';
import type { InferCall, InferResult, RequestedOutput } from './protocol.ts';
import { findVersion, inferColumns, inferVersion } from './tabular.ts';
import { inferEndpointTensors } from './tensor-endpoint.ts';
import { inferTensors } from './tensor-models.ts';

/**
 * Answers an infer call: by the model of the repository of that name, by the endpoint, or by a registered version that
 * is addressed directly. Resolves in the turn in which the answers are released.
 */
export async function infer(parts: GatewayParts, call: InferCall): Promise<InferResult> {
  const { requestsMax } = parts.limits;
  if (parts.inWork() >= requestsMax) {
    throw gatewayErrors.busy(`${requestsMax} predictions are in work, which is the limit`);
  }
  checkOutputs(call.outputs);
  const isOfRepository = parts.repository.has(call.model);
  if (!isOfRepository && call.version === undefined) {
    const endpoint = parts.router.endpoint(call.model);
    return endpoint.current.tensors ? inferEndpointTensors(parts, call, endpoint) : inferColumns(parts, call);
  }
  const leave = await parts.direct.admit(call.model, { caller: call.caller, rows: rowsOf(call) });
  try {
    const result = await inferDirectly(parts, call, isOfRepository);
    leave(true);
    return result;
  } catch (error) {
    leave(false);
    throw error;
  }
}

/** Without an endpoint: a model of the repository, or a version of a registered one. */
async function inferDirectly(parts: GatewayParts, call: InferCall, isOfRepository: boolean): Promise<InferResult> {
  const { model, version = '', watched } = call;
  if (isOfRepository) {
    const served = await parts.repository.version(model, call.version);
    watched?.asked(`${model}@${served.version}`);
    return counted(parts, call, served);
  }
  watched?.asked(`${model}@${version}`);
  const found = await findVersion(parts, model, version);
  return 'arm' in found ? inferVersion(parts, call, { arm: found, version }) : counted(parts, call, found);
}

/** As the client says; whether that is true is seen when the tensors are read. */
function rowsOf({ inputs }: InferCall): number {
  const [first] = 'rawBody' in inputs ? [] : inputs;
  const rows = first?.shape[0];
  return rows !== undefined && Number.isSafeInteger(rows) && rows > 0 ? rows : 1;
}

/** A request that is refused or fails counts for the model that it was meant for. */
async function counted(parts: GatewayParts, call: InferCall, served: RepositoryVersion): Promise<InferResult> {
  const { clock } = parts.system;
  const startedMs = clock.monotonic();
  const statistics = parts.statistics.of(served.model, served.version);
  try {
    const result = await inferTensors(parts, call, served);
    add(statistics.success, clock.monotonic() - startedMs);
    return result;
  } catch (error) {
    addFailure(statistics, error, clock.monotonic() - startedMs);
    throw error;
  }
}

function checkOutputs(outputs: readonly RequestedOutput[] | undefined): void {
  const names = new Set<string>();
  for (const { name, classes } of outputs ?? []) {
    const path = `outputs.${name.slice(0, 80)}`;
    if (names.has(name)) throw invalidField(path, 'is requested twice');
    if (!Number.isSafeInteger(classes) || classes < 0 || classes > CLASSES_MAX) {
      throw invalidField(`${path}.parameters.classification`, `expected a whole number from 1 to ${CLASSES_MAX}`);
    }
    names.add(name);
  }
}
