import type { IncomingMessage, ServerResponse } from 'node:http';
import { gatewayErrors, invalidField } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import { infer, metadataOf, modelReady, SERVER_EXTENSIONS, SERVER_NAME } from '../open-inference.ts';
import type { TensorInput } from '../tensors.ts';
import { expected, parseJson, readBody, sendJson } from './http-io.ts';

/** The Open Inference Protocol v2 over REST, with binary input tensors. Errors have its form: `{ error: text }`. */
export function handleOpenInference(
  parts: GatewayParts,
  path: string,
  exchange: { readonly request: IncomingMessage; readonly response: ServerResponse },
): void {
  const { request, response } = exchange;
  const fail = (error: unknown): void => {
    parts.onError(error, path);
    const { status, message } = expected(error);
    if (status === 413) response.setHeader('Connection', 'close');
    sendJson(response, status, JSON.stringify({ error: message }));
  };
  const target = targetOf(path);
  if (!target) {
    fail(gatewayErrors['not-found'](`${request.method} ${path.slice(0, 200)}`));
    return;
  }
  if (request.method !== (target.what === 'infer' ? 'POST' : 'GET')) {
    fail(gatewayErrors['method-not-allowed'](`${request.method} ${path.slice(0, 200)}`));
    return;
  }
  if (target.what !== 'infer') {
    describe(parts, target).then(({ status, body }) => sendJson(response, status, JSON.stringify(body)), fail);
    return;
  }
  const done = (body: Buffer): void => {
    inferFrom(parts, target, { body, headerLength: request.headers['inference-header-content-length'] }).then(
      (text) => sendJson(response, 200, text),
      fail,
    );
  };
  readBody(request, parts.limits.bodyBytesMax, { done, fail });
}

interface Target {
  readonly what: 'server' | 'live' | 'server-ready' | 'metadata' | 'ready' | 'infer';
  readonly model: string;
  readonly version: string | undefined;
}

const MODEL_PATH = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(?:\/(ready|infer))?$/;

function targetOf(path: string): Target | undefined {
  const none = { model: '', version: undefined };
  if (path === '/v2') return { what: 'server', ...none };
  if (path === '/v2/health/live') return { what: 'live', ...none };
  if (path === '/v2/health/ready') return { what: 'server-ready', ...none };
  const match = MODEL_PATH.exec(path);
  if (!match) return undefined;
  const [, model = '', version, what] = match;
  return { what: what === 'ready' || what === 'infer' ? what : 'metadata', model, version };
}

async function describe(parts: GatewayParts, target: Target): Promise<{ status: number; body: unknown }> {
  const { what, model, version } = target;
  if (what === 'server') {
    return { status: 200, body: { name: SERVER_NAME, version: '2', extensions: SERVER_EXTENSIONS } };
  }
  if (what === 'live') return { status: 200, body: { live: true } };
  if (what === 'server-ready') {
    const ready = parts.router.version >= 0;
    return { status: ready ? 200 : 503, body: { ready } };
  }
  if (what === 'metadata') return { status: 200, body: await metadataOf(parts, model, version) };
  const ready = await modelReady(parts, model, version);
  return { status: ready ? 200 : 503, body: { name: model, ready } };
}

interface InferBody {
  readonly body: Buffer;
  readonly headerLength: string | string[] | undefined;
}

async function inferFrom(parts: GatewayParts, target: Target, { body, headerLength }: InferBody): Promise<string> {
  const jsonBytes = headerLength === undefined ? body.length : Number(headerLength);
  if (!Number.isSafeInteger(jsonBytes) || jsonBytes < 1 || jsonBytes > body.length) {
    throw invalidField('Inference-Header-Content-Length', `expected 1 to ${body.length}, the bytes of the body`);
  }
  const request = readRequest(parseJson(body.subarray(0, jsonBytes)), body.subarray(jsonBytes));
  const result = await infer(parts, { model: target.model, version: target.version, ...request });
  const output = {
    name: result.output,
    datatype: 'FP32',
    shape: [result.scores.length, 1],
    data: Array.from(result.scores),
  };
  const parameters = { revision: result.revision, ...(result.fallbacks > 0 ? { fallbacks: result.fallbacks } : {}) };
  return JSON.stringify({
    model_name: result.model,
    model_version: result.version,
    id: result.id,
    parameters,
    outputs: [output],
  });
}

interface RestRequest {
  readonly id: string | undefined;
  readonly at: number | undefined;
  readonly inputs: readonly TensorInput[];
}

const TENSORS_MAX = 10_000;

/** Reads the JSON of a request; `binary` is what follows it, one tensor after the other. */
function readRequest(value: unknown, binary: Buffer): RestRequest {
  if (!isRecord(value)) throw invalidField('body', 'expected an object');
  const { id, parameters, inputs } = value;
  if (id !== undefined && typeof id !== 'string') throw invalidField('id', 'expected a text');
  if (parameters !== undefined && !isRecord(parameters)) throw invalidField('parameters', 'expected an object');
  const at = parameters?.['at'];
  if (at !== undefined && typeof at !== 'number') throw invalidField('parameters.at', 'expected epoch milliseconds');
  if (!Array.isArray(inputs)) throw invalidField('inputs', 'expected an array of tensors');
  if (inputs.length > TENSORS_MAX) throw invalidField('inputs', `has more than ${TENSORS_MAX} tensors`);
  let used = 0;
  const tensors = inputs.map((input, i): TensorInput => {
    const tensor = readTensor(input, `inputs.${i}`);
    if (tensor.binaryBytes === undefined) return tensor;
    if (used + tensor.binaryBytes > binary.length) {
      throw invalidField(`inputs.${i}.parameters.binary_data_size`, 'runs past the end of the body');
    }
    const raw = binary.subarray(used, used + tensor.binaryBytes);
    used += tensor.binaryBytes;
    return { ...tensor, raw };
  });
  if (used !== binary.length) throw invalidField('body', `${binary.length - used} bytes belong to no tensor`);
  return { id, at, inputs: tensors };
}

function readTensor(value: unknown, path: string): TensorInput & { readonly binaryBytes: number | undefined } {
  if (!isRecord(value)) throw invalidField(path, 'expected a tensor');
  const { name, datatype, shape, data, parameters } = value;
  if (typeof name !== 'string') throw invalidField(`${path}.name`, 'expected a text');
  if (typeof datatype !== 'string') throw invalidField(`${path}.datatype`, 'expected a text');
  if (!Array.isArray(shape) || shape.length > 8 || !shape.every((size) => typeof size === 'number')) {
    throw invalidField(`${path}.shape`, 'expected an array of at most 8 numbers');
  }
  const size = isRecord(parameters) ? parameters['binary_data_size'] : undefined;
  if (size !== undefined && !(typeof size === 'number' && Number.isSafeInteger(size) && size >= 0)) {
    throw invalidField(`${path}.parameters.binary_data_size`, 'expected a number of bytes');
  }
  return { name, datatype, shape, data, binaryBytes: size };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
