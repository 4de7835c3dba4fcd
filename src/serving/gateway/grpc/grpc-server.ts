import type { Socket } from 'node:net';
import type { ServiceDefinition } from '@grpc/proto-loader';
import { assert } from '#core/assert';
import { gatewayErrors, invalidField } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import { expected } from '../http/http-io.ts';
import {
  configOf,
  indexOf,
  loadNow,
  metadataOf,
  modelReady,
  statisticsOf,
  unloadNow,
} from '../open-inference/describe.ts';
import { infer } from '../open-inference/infer.ts';
import { statisticsJson } from '../open-inference/statistics-json.ts';
import type { LoadParameters } from '../repository/model-repository.ts';
import type { ServerTls } from '../tls.ts';
import type { MessageSink, RpcCall } from './http2/rpc-call.ts';
import { type RpcHandler, RpcServer } from './http2/rpc-server.ts';
import { callOf, type InferMessage, meant } from './infer-message.ts';
import { scalerHandlers } from './scaler.ts';
import { loadService } from './service.ts';
import { streamInfer } from './stream.ts';
import { askedIn, callerOf, refusalOf, unaryFor } from './unary.ts';
import { readInferRequest } from './wire/read-infer-request.ts';
import { writeInferResponse } from './wire/write-infer-response.ts';

export interface GrpcServer {
  readonly address: string;
  /** Serves a connection that another process has accepted. */
  take(socket: Socket): void;
  close(): Promise<void>;
}

export interface GrpcAddress {
  readonly host: string;
  /** `null` listens nowhere: connections are taken over from another process. */
  readonly port: number | null;
  readonly tls?: ServerTls | undefined;
}

/** The Open Inference Protocol v2 over gRPC, gRPC's own health check, and KEDA's external scaler. */
export async function startGrpcServer(parts: GatewayParts, { host, port, tls }: GrpcAddress): Promise<GrpcServer> {
  const server = new RpcServer({
    clock: parts.system.clock,
    tls,
    limits: {
      messageBytesMax: parts.limits.bodyBytesMax,
      budget: parts.bodies,
      refusalOf: (error, path) => refusalOf(parts, error, { path, model: '' }),
    },
  });
  serve(server, byHand(await loadService()), inferenceHandlers(parts));
  serve(server, await loadService('health'), healthHandlers(parts));
  serve(server, await loadService('externalscaler'), scalerHandlers(parts, unaryFor(parts)));
  const bound = port === null ? 0 : await server.listen(host, port);
  return {
    address: `${host}:${bound}`,
    take: (socket) => server.take(socket),
    close: () => server.close(SHUTDOWN_MS),
  };
}

/** Requests to infer are read by hand where they have the form that nearly all have. */
function byHand({ ModelInfer, ModelStreamInfer, ...others }: ServiceDefinition): ServiceDefinition {
  const read = (name: string, method: ServiceDefinition[string] | undefined): ServiceDefinition => {
    assert(method !== undefined, `the service has a method ${name}`);
    const { requestDeserialize: readAny } = method;
    const requestDeserialize = (bytes: Buffer): object => readInferRequest(bytes) ?? readAny(bytes);
    return { [name]: { ...method, requestDeserialize } };
  };
  return { ...others, ...read('ModelInfer', ModelInfer), ...read('ModelStreamInfer', ModelStreamInfer) };
}

function serve(server: RpcServer, methods: ServiceDefinition, handlers: Readonly<Record<string, RpcHandler>>): void {
  for (const [name, handler] of Object.entries(handlers)) {
    const method = methods[name];
    assert(method !== undefined, `the service has a method ${name}`);
    server.serve(method, handler);
  }
}

/** How long calls in work may take to end when the gateway closes. */
const SHUTDOWN_MS = 2_000;

interface ModelCall {
  readonly name: string;
  readonly version: string;
}

interface RepositoryCall {
  readonly model_name: string;
  readonly parameters: Readonly<Record<string, { readonly string_param?: string; readonly bytes_param?: Buffer }>>;
}

function inferenceHandlers(parts: GatewayParts): Record<string, RpcHandler> {
  const unary = unaryFor(parts);
  const { server, extensions } = parts.dialect;
  const wordsOf = (error: unknown, model: string): string => {
    parts.onError(error, 'ModelStreamInfer');
    return parts.dialect.text(expected(error), model);
  };
  const stream = (call: RpcCall): MessageSink => {
    const asked = askedIn(call);
    return streamInfer(parts, call, { asker: callerOf(parts, call).then((caller) => ({ caller, asked })), wordsOf });
  };
  return {
    ServerLive: unaryFor(parts, PROBED)(async () => ({ live: true })),
    ServerReady: unaryFor(parts, PROBED)(async () => ({ ready: parts.ready() })),
    ModelReady: unary(async ({ name, version }: ModelCall) => ({
      ready: await modelReady(parts, name, version || undefined),
    })),
    ServerMetadata: unary(async () => ({ name: server, version: '2', extensions })),
    ModelMetadata: unary(({ name, version }: ModelCall) => metadataOf(parts, name, version || undefined)),
    ModelConfig: unary(async ({ name, version }: ModelCall) => ({
      config: await configOf(parts, name, version || undefined),
    })),
    ModelStatistics: unary(async ({ name, version }: ModelCall) => ({
      model_stats: (await statisticsOf(parts, name || undefined, version || undefined)).map(statisticsJson),
    })),
    ModelInfer: unary(async (message: InferMessage, asker) =>
      writeInferResponse(await infer(parts, meant(parts, callOf(message), asker))),
    ),
    ModelStreamInfer: { many: stream },
    RepositoryIndex: unary(async ({ ready }: { readonly ready: boolean }) => ({
      models: indexOf(parts, { readyOnly: ready }),
    })),
    RepositoryModelLoad: unary(async ({ model_name: model, parameters }: RepositoryCall) => {
      await loadNow(parts, model, loadParameters(parameters));
      return {};
    }),
    RepositoryModelUnload: unary(async ({ model_name: model }: RepositoryCall) => {
      await unloadNow(parts, model);
      return {};
    }),
  };
}

/** https://grpc.io/docs/guides/health-checking: of the whole server under the empty name, or of its one service. */
function healthHandlers(parts: GatewayParts): Record<string, RpcHandler> {
  return {
    Check: unaryFor(
      parts,
      PROBED,
    )(async ({ service }: { readonly service: string }) => {
      if (service !== '' && service !== 'inference.GRPCInferenceService') {
        throw gatewayErrors['not-found'](`there is no service '${service.slice(0, 100)}'`);
      }
      return { status: parts.ready() ? 'SERVING' : 'NOT_SERVING' };
    }),
  };
}

/** What probes ask for, which have no credentials and learn nothing but a word. */
const PROBED = { probed: true } as const;

function loadParameters(parameters: RepositoryCall['parameters']): LoadParameters {
  const files = new Map<string, Uint8Array>();
  for (const [name, { bytes_param: bytes }] of Object.entries(parameters)) {
    if (!name.startsWith('file:')) continue;
    if (!bytes) throw invalidField(`parameters.${name.slice(0, 100)}`, 'expected bytes_param');
    files.set(name.slice('file:'.length), bytes);
  }
  return { config: parameters['config']?.string_param, files };
}
