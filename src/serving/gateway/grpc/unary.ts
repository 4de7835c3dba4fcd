import { retryAfterS } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import { expected } from '../http/http-io.ts';
import { type ArmAsked, armAsked } from '../named-arm.ts';
import { type Caller, ofTenant } from '../protection/access/caller.ts';
import { tenantOf } from '../protection/tenants.ts';
import type { WatchedRequest } from '../watch/request-watch.ts';
import type { RpcCall } from './http2/rpc-call.ts';
import type { RpcHandler } from './http2/rpc-server.ts';
import { type Refusal, STATUS, type StatusCode } from './http2/status.ts';
import type { Asker } from './infer-message.ts';

/** Answers a request, with a message or with one that is written already, and has its prefix. */
export type UnaryWork<Request> = (request: Request, asker: Asker) => Promise<object | Buffer>;

export type Unary = <Request extends object>(work: UnaryWork<Request>) => RpcHandler;

/** `probed` calls are answered to whoever asks. */
export function unaryFor(parts: GatewayParts, { probed }: { readonly probed: boolean } = { probed: false }): Unary {
  const asksWho = (parts.door ?? parts.tenants) !== undefined && !probed;
  return <Request extends object>(work: UnaryWork<Request>): RpcHandler => ({
    one(message, call) {
      const request = message as Request & { readonly name?: string; readonly model_name?: string };
      const asked = askedIn(call);
      const watched = watchCall(parts, call);
      const onGone = (listener: () => void): void => call.onGone(listener);
      const answer = asksWho
        ? callerOf(parts, call).then((caller) => work(request, { caller, asked, watched, onGone }))
        : work(request, { asked, watched, onGone });
      addLifecycle(parts, call, request.model_name);
      answer
        .then((response) => {
          call.answer(response);
          watched?.end({ status: STATUS.OK, bytes: Buffer.isBuffer(response) ? response.length : undefined });
        })
        .catch((error) => {
          const { name, model_name: model = name } = request;
          const refusal = refusalOf(parts, error, { path: call.method.path, model: model ?? '' });
          call.fail(refusal);
          watched?.end({ status: refusal.code });
        });
    },
  });
}

/** Has whoever watches requests told of one that begins; each message of a stream is one. */
export function watchCall(parts: GatewayParts, call: RpcCall): WatchedRequest | undefined {
  const { path } = call.method;
  return parts.watch?.begin({ protocol: 'grpc', method: 'POST', path, header: (name) => call.text(name) });
}

/** The arm that a call asks for by its metadata. */
export function askedIn(call: RpcCall): ArmAsked | undefined {
  return armAsked((name) => call.text(name));
}

/** Says with the answer that the endpoint of a call is on its way out, by the names of the headers. */
function addLifecycle(parts: GatewayParts, call: RpcCall, model: string | undefined): void {
  const { lifecycle } = (model !== undefined && parts.router.find(model)?.protection) || {};
  if (lifecycle) call.addHead(lifecycle.headers);
}

export async function callerOf(parts: GatewayParts, call: RpcCall): Promise<Caller | undefined> {
  const text = (name: string): string | undefined => call.text(name);
  const found = parts.door?.enter({
    ...{ authorization: text('authorization'), 'x-api-key': text('x-api-key'), origin: text('origin') },
  });
  // An address of HTTP or the name of a host is not what a gRPC client can choose per call: metadata is.
  const rule = parts.tenants?.by === 'header' ? parts.tenants : undefined;
  return ofTenant(await found, rule && tenantOf(rule, '', text).tenant);
}

const GRPC_STATUS: Readonly<Record<number, StatusCode>> = {
  400: STATUS.INVALID_ARGUMENT,
  401: STATUS.UNAUTHENTICATED,
  403: STATUS.PERMISSION_DENIED,
  404: STATUS.NOT_FOUND,
  410: STATUS.FAILED_PRECONDITION,
  413: STATUS.RESOURCE_EXHAUSTED,
  429: STATUS.RESOURCE_EXHAUSTED,
  499: STATUS.CANCELLED,
  501: STATUS.UNIMPLEMENTED,
  503: STATUS.UNAVAILABLE,
  504: STATUS.DEADLINE_EXCEEDED,
};

export function statusOf(error: unknown): StatusCode {
  return GRPC_STATUS[expected(error).status] ?? STATUS.INTERNAL;
}

/** The status of an error, with the pause after which clients that retry by themselves are to come again (gRFC A6). */
export function refusalOf(
  parts: GatewayParts,
  error: unknown,
  { path, model }: { readonly path: string; readonly model: string },
): Refusal {
  parts.onError(error, path);
  const known = expected(error);
  const seconds = retryAfterS(known);
  return {
    code: statusOf(known),
    details: parts.dialect.text(known, model),
    ...(seconds === undefined ? {} : { metadata: [['grpc-retry-pushback-ms', String(seconds * 1_000)]] }),
  };
}
