import type { Socket } from 'node:net';
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { gatewayErrors, invalidField, retryAfterS } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import { expected } from '../http/http-io.ts';
import { type ArmAsked, armAsked } from '../named-arm.ts';
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
import { type Caller, ofTenant } from '../protection/access/caller.ts';
import { tenantOf } from '../protection/tenants.ts';
import type { LoadParameters } from '../repository/model-repository.ts';
import type { ServerTls } from '../tls.ts';
import { type Asker, callOf, type InferMessage, meant, messageOf } from './infer-message.ts';
import { scalerHandlers } from './scaler.ts';
import { loadService } from './service.ts';
import { streamInfer } from './stream.ts';

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

/** Calls that one connection may have open. */
const STREAMS_MAX = 1_000;

/** The Open Inference Protocol v2 over gRPC, and gRPC's own health check. */
export async function startGrpcServer(parts: GatewayParts, { host, port, tls }: GrpcAddress): Promise<GrpcServer> {
  const server = new Server({
    'grpc.max_receive_message_length': parts.limits.bodyBytesMax,
    'grpc.max_concurrent_streams': STREAMS_MAX,
  });
  server.addService(await loadService(), inferenceHandlers(parts));
  server.addService(await loadService('health'), healthHandlers(parts));
  const fail = (call: { emit(name: 'error', error: object): boolean }, error: unknown): void => {
    const known = expected(error);
    call.emit('error', { code: GRPC_STATUS[known.status] ?? status.INTERNAL, details: known.message });
  };
  server.addService(await loadService('externalscaler'), scalerHandlers(parts, unaryFor(parts), fail));
  const credentials = tls
    ? ServerCredentials.createSsl(
        tls.clientCa ?? null,
        [{ private_key: tls.key, cert_chain: tls.cert }],
        !!tls.clientCa,
      )
    : ServerCredentials.createInsecure();
  const injector = port === null ? server.createConnectionInjector(credentials) : undefined;
  const bound = await new Promise<number>((resolve, reject) => {
    if (port === null) return resolve(0);
    server.bindAsync(`${host}:${port}`, credentials, (error, boundPort) =>
      error ? reject(error) : resolve(boundPort),
    );
  });
  return {
    address: `${host}:${bound}`,
    take: (socket) => injector?.injectConnection(socket),
    close: () =>
      new Promise((resolve) => {
        server.tryShutdown(() => resolve());
        const cancel = parts.system.clock.after(SHUTDOWN_MS, () => server.forceShutdown());
        parts.signal.addEventListener('abort', cancel, { once: true });
      }),
  };
}

/** How long calls in work may take to end when the gateway closes. */
const SHUTDOWN_MS = 2_000;

const GRPC_STATUS: Readonly<Record<number, status>> = {
  400: status.INVALID_ARGUMENT,
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
  404: status.NOT_FOUND,
  410: status.FAILED_PRECONDITION,
  413: status.RESOURCE_EXHAUSTED,
  429: status.RESOURCE_EXHAUSTED,
  501: status.UNIMPLEMENTED,
  503: status.UNAVAILABLE,
  504: status.DEADLINE_EXCEEDED,
};

interface ModelCall {
  readonly name: string;
  readonly version: string;
}

interface RepositoryCall {
  readonly model_name: string;
  readonly parameters: Readonly<Record<string, { readonly string_param?: string; readonly bytes_param?: Buffer }>>;
}

function inferenceHandlers(parts: GatewayParts): Record<string, UntypedHandleCall> {
  const unary = unaryFor(parts);
  const { server, extensions } = parts.dialect;
  const wordsOf = (error: unknown, model: string): string => {
    parts.onError(error, 'ModelStreamInfer');
    return parts.dialect.text(expected(error), model);
  };
  const stream = (call: ServerDuplexStream<InferMessage, object>): void => {
    callerOf(parts, call.metadata).then(
      (caller) => streamInfer(parts, call, { caller, asked: askedIn(call.metadata), wordsOf }),
      (error) => call.emit('error', refusalOf(parts, error, { path: call.getPath(), model: '' })),
    );
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
      messageOf(await infer(parts, meant(parts, callOf(message), asker))),
    ),
    ModelStreamInfer: stream,
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
function healthHandlers(parts: GatewayParts): Record<string, UntypedHandleCall> {
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

type Work<Request> = (request: Request, asker: Asker) => Promise<object>;

const askedIn = (metadata: Metadata): ArmAsked | undefined => armAsked((name) => metadata.get(name)[0]?.toString());

/** What probes ask for, which have no credentials and learn nothing but a word. */
const PROBED = { probed: true } as const;

function unaryFor(parts: GatewayParts, { probed }: { readonly probed: boolean } = { probed: false }) {
  return <Request extends object>(work: Work<Request>): UntypedHandleCall =>
    (call: ServerUnaryCall<Request, object>, reply: sendUnaryData<object>) => {
      const asked = askedIn(call.metadata);
      const answer =
        (parts.door ?? parts.tenants) && !probed
          ? callerOf(parts, call.metadata).then((caller) => work(call.request, { caller, asked }))
          : work(call.request, { asked });
      sendLifecycle(parts, call);
      answer.then(
        (response) => reply(null, response),
        (error) => {
          const { name, model_name: model = name } = call.request as { name?: string; model_name?: string };
          reply(refusalOf(parts, error, { path: call.getPath(), model: model ?? '' }));
        },
      );
    };
}

/** Says with the answer that the endpoint of a call is on its way out, by the names of the headers. */
function sendLifecycle(parts: GatewayParts, call: ServerUnaryCall<object, object>): void {
  const { model_name: model } = call.request as { model_name?: string };
  const { lifecycle } = (model !== undefined && parts.router.find(model)?.protection) || {};
  if (!lifecycle) return;
  const metadata = new Metadata();
  for (const [name, value] of lifecycle.headers) metadata.set(name, value);
  call.sendMetadata(metadata);
}

async function callerOf(parts: GatewayParts, metadata: Metadata): Promise<Caller | undefined> {
  const text = (name: string): string | undefined => metadata.get(name)[0]?.toString();
  const found = parts.door?.enter({
    ...{ authorization: text('authorization'), 'x-api-key': text('x-api-key'), origin: text('origin') },
  });
  // An address of HTTP or the name of a host is not what a gRPC client can choose per call: metadata is.
  const rule = parts.tenants?.by === 'header' ? parts.tenants : undefined;
  return ofTenant(await found, rule && tenantOf(rule, '', text).tenant);
}

/** The status of an error, with the pause after which clients that retry by themselves are to come again (gRFC A6). */
function refusalOf(
  parts: GatewayParts,
  error: unknown,
  { path, model }: { readonly path: string; readonly model: string },
): { readonly code: status; readonly details: string; readonly metadata: Metadata } {
  parts.onError(error, path);
  const known = expected(error);
  const metadata = new Metadata();
  const seconds = retryAfterS(known);
  if (seconds !== undefined) metadata.set('grpc-retry-pushback-ms', String(seconds * 1_000));
  const details = parts.dialect.text(known, model);
  return { code: GRPC_STATUS[known.status] ?? status.INTERNAL, details, metadata };
}

function loadParameters(parameters: RepositoryCall['parameters']): LoadParameters {
  const files = new Map<string, Uint8Array>();
  for (const [name, { bytes_param: bytes }] of Object.entries(parameters)) {
    if (!name.startsWith('file:')) continue;
    if (!bytes) throw invalidField(`parameters.${name.slice(0, 100)}`, 'expected bytes_param');
    files.set(name.slice('file:'.length), bytes);
  }
  return { config: parameters['config']?.string_param, files };
}
