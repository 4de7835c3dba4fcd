import type { GatewayParts } from '../../gateway-parts.ts';
import { resultOf } from '../../open-inference/tabular.ts';
import type { Prediction } from '../../prediction.ts';
import { type Instance, NO_INPUTS } from '../../read-instance.ts';
import type { WatchedRequest } from '../../watch/request-watch.ts';
import type { Exchange } from '../http-io.ts';
import { type PlainRows, plainInferOf } from '../plain/plain-infer.ts';
import { type PlainBinaryRows, plainBinaryOf } from './plain-binary.ts';
import type { BinaryOutputs } from './read-infer.ts';
import { sendInfer } from './send-answer.ts';
import { writeInfer } from './write-infer.ts';
import { writeScore } from './write-score.ts';

/** What of a request is said by its headers, and has to be done by what does everything. */
const ASKS_FOR_MORE = ['content-encoding', 'x-kedge-callback', 'prefer'] as const;
const ALL_JSON: BinaryOutputs = { all: false, byName: new Map() };

interface Asked extends Exchange {
  readonly watched: WatchedRequest | undefined;
  readonly fail: (error: unknown) => void;
}

/**
 * Answers an infer request for rows of an endpoint that is as plain as most are, without a promise on its way. False
 * for all others, of which nothing has begun.
 */
export function inferPlain(
  parts: GatewayParts,
  model: string,
  body: Buffer,
  { request, response, caller, watched, fail }: Asked,
): boolean {
  const { headers } = request;
  for (const name of ASKS_FOR_MORE) if (headers[name] !== undefined) return false;
  const endpoint = parts.router.find(model);
  const { requestsMax, instancesMax } = parts.limits;
  if (!endpoint || parts.repository.has(model) || parts.inWork() >= requestsMax) return false;
  const headerLength = headers['inference-header-content-length'];
  const plain: (PlainRows & Partial<Pick<PlainBinaryRows, 'binary'>>) | undefined =
    headerLength === undefined
      ? plainInferOf(endpoint, instancesMax)?.read(body)
      : plainBinaryOf(endpoint, instancesMax)?.read(body, headerLength);
  if (!plain) return false;
  const { binary = ALL_JSON } = plain;
  const call = { model, id: plain.id, outputs: undefined };
  parts.predictor.predict({
    ...{ endpoint, caller, watched, instances: instancesOf(plain), path: 'rows', fail },
    onGone: (listener) => response.onGone(listener),
    finish(predictions: readonly Prediction[]) {
      try {
        const answer =
          writeScore(predictions, model, binary) ?? writeInfer(resultOf(predictions, endpoint, call), binary);
        sendInfer(response, answer, headers['accept-encoding'])?.catch(fail);
      } catch (error) {
        fail(error);
      }
    },
  });
  return true;
}

function instancesOf({ id, rows }: PlainRows): readonly Instance[] {
  const instances = new Array<Instance>(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const row = { numeric: rows[i] as readonly number[], categories: NO_CATEGORIES };
    const own = id === undefined || rows.length === 1 ? id : `${id}-${i}`;
    instances[i] = { id: own, at: undefined, entities: undefined, inputs: NO_INPUTS, row };
  }
  return instances;
}

const NO_CATEGORIES: readonly string[] = [];
