import { wishOf } from '../batching/queue-wish.ts';
import { invalidField } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import type { LiveEndpoint } from '../live-endpoint.ts';
import { namedArm } from '../named-arm.ts';
import { answeringArm, answeringRevision, armNameOf, type Prediction, propensityOf } from '../prediction.ts';
import { type Instance, readInstance } from '../read-instance.ts';
import { rowsPerRun } from '../tensor-prediction.ts';
import { asRequested, wantedOf } from './outputs.ts';
import type { InferCall, InferResult } from './protocol.ts';
import { eventTime, refused } from './tabular.ts';
import { feedsOf } from './tensor-models.ts';

/** Of a parameter that says which entity a request is about: `entities.customer`. */
const ENTITY = 'entities.';
/** Parameters that the protocol itself knows; they say nothing about a request. */
const OWN = new Set(['binary_data_output', 'priority', 'timeout', 'sequence_id', 'sequence_start', 'sequence_end']);

/**
 * Answers a request to an endpoint whose model takes tensors: one prediction, whatever the rows in it, routed to an
 * arm, recorded, and compared with the other arm as every prediction is. The parameters of the request say what tensors
 * cannot: `at` (event time), `arm` where the rollout lets requests name it, `entities.<key>` for what keeps its arm,
 * and any others, which conditions of flags read as inputs.
 */
export async function inferEndpointTensors(
  parts: GatewayParts,
  call: InferCall,
  endpoint: LiveEndpoint,
): Promise<InferResult> {
  const { instancesMax } = parts.limits;
  const { inputs, outputs } = endpoint.current.tensors ?? { inputs: [], outputs: [] };
  const maxBatchSize = rowsPerRun({ inputs, outputs }, instancesMax, endpoint.batching);
  const { instance, tensors } = refused(parts.statistics.ofArm(endpoint.current, call.model), () => {
    const feeds = feedsOf(call, { inputs, maxBatchSize });
    const rows = maxBatchSize > 0 ? (feeds[0]?.shape[0] ?? 1) : 1;
    return {
      instance: { ...instanceOf(call), ...namedArm(endpoint, call.asked) },
      tensors: { feeds, rows, wanted: wantedOf(call.outputs, outputs), outputs: [] },
    };
  });
  const [prediction] = await new Promise<readonly Prediction[]>((finish, fail) =>
    parts.predictor.predict({
      ...{ endpoint, caller: call.caller, instances: [instance], path: '', tensors, finish, fail },
      ...{ wish: call.wish ?? wishOf(call.parameters), onGone: call.onGone, watched: call.watched },
    }),
  );
  if (!prediction || prediction.error) throw prediction?.error ?? new Error('a request has one prediction');
  return {
    model: call.model,
    version: String(answeringArm(prediction).arm.version),
    id: call.id ?? prediction.id,
    parameters: saidOf(prediction),
    outputs: asRequested(tensors.outputs, call.outputs, { batched: maxBatchSize > 0, labels: new Map() }),
  };
}

function saidOf(prediction: Prediction): InferResult['parameters'] {
  const { endpoint, fallback, standIn, named } = prediction;
  const drawn = !named && (endpoint.candidate ?? endpoint.arms);
  return {
    revision: answeringRevision(prediction),
    ...(endpoint.candidate || endpoint.arms ? { arm: armNameOf(prediction), prediction: prediction.id } : {}),
    ...(drawn ? { propensity: propensityOf(prediction) } : {}),
    ...((fallback ?? standIn) ? { fallbacks: 1 } : {}),
    ...(standIn ? { fallback: standIn.by.by } : {}),
  };
}

function instanceOf({ id, parameters }: InferCall): Instance {
  const { arm, at: _, ...others } = parameters;
  if (arm !== undefined && typeof arm !== 'string') throw invalidField('parameters.arm', 'expected a text');
  const said = Object.entries(others).filter(([name]) => !OWN.has(name));
  const inputs = Object.fromEntries(said.filter(([name]) => !name.startsWith(ENTITY)));
  const entities = Object.fromEntries(
    said.flatMap(([name, value]) => (name.startsWith(ENTITY) ? [[name.slice(ENTITY.length), value]] : [])),
  );
  const named = Object.keys(entities).length > 0 ? { entities } : {};
  return readInstance({ id, at: eventTime(parameters), arm, inputs, ...named }, '');
}
