import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Clock } from '#core/clock';
import type { ServerTls } from '../../tls.ts';
import { ENCODINGS, isEncoding } from './inflate-message.ts';
import { type CallLimits, headOf, type MessageSink, RpcCall, type RpcMethod, refuseStream } from './rpc-call.ts';
import { type Refusal, RpcError, STATUS, timeoutMsOf } from './status.ts';

/** Serves a method: with the one message of a call, or with all that come. */
export type RpcHandler =
  | { readonly one: (request: object, call: RpcCall) => void }
  | { readonly many: (call: RpcCall) => MessageSink };

export interface RpcServerOptions {
  readonly clock: Clock;
  readonly tls?: ServerTls | undefined;
  readonly limits: CallLimits;
}

/** Calls that one connection may have open, and all together. */
const STREAMS_MAX = 1_000;
const CALLS_MAX = 20_000;
const CONNECTIONS_MAX = 20_000;
const HEADER_BYTES_MAX = 16_384;
const HEADERS_MAX = 100;
/** What a connection may hold, in megabytes: a client that sends many large tensors at once has them all there. */
const CONNECTION_MB_MAX = 64;
/** Within which a client has to send the message of a call that has one. */
const RECEIVE_MS = 60_000;
const CHECK_EVERY_MS = 5_000;

/**
 * Serves gRPC over HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md) on `node:http2`, which keeps
 * to its windows, answers pings, and ends connections that flood it with them or with streams that are reset.
 */
export class RpcServer {
  readonly #options: RpcServerOptions;
  readonly #server: Http2Server | Http2SecureServer;
  readonly #methods = new Map<string, { readonly method: RpcMethod; readonly handler: RpcHandler }>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #calls = new Set<RpcCall>();
  #cancelCheck: (() => void) | undefined;
  #closed: (() => void) | undefined;

  constructor(options: RpcServerOptions) {
    this.#options = options;
    const { tls } = options;
    const common = {
      settings: { maxConcurrentStreams: STREAMS_MAX, maxHeaderListSize: HEADER_BYTES_MAX },
      maxHeaderListPairs: HEADERS_MAX,
      maxSessionMemory: CONNECTION_MB_MAX,
    };
    const client = tls?.clientCa ? { ca: tls.clientCa, requestCert: true } : {};
    this.#server = tls
      ? createSecureServer({ ...common, cert: tls.cert, key: tls.key, ...client })
      : createServer(common);
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on('session', (session: ServerHttp2Session) => this.#keep(session));
    this.#server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
      this.#accept(stream, headers),
    );
  }

  serve(method: RpcMethod, handler: RpcHandler): void {
    this.#methods.set(method.path, { method, handler });
  }

  /** Resolves to the port. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject);
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** Serves a connection that another process has accepted. */
  take(socket: Socket): void {
    this.#server.emit('connection', socket);
  }

  /** Takes no more calls; those that are open have `graceMs` to end. */
  async close(graceMs: number): Promise<void> {
    if (this.#server.listening) this.#server.close();
    for (const session of this.#sessions) session.close();
    if (this.#sessions.size > 0) {
      const cancel = this.#options.clock.after(graceMs, () => {
        for (const session of this.#sessions) session.destroy();
      });
      await new Promise<void>((resolve) => {
        this.#closed = resolve;
      });
      cancel();
    }
    this.#cancelCheck?.();
  }

  #keep(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.once('close', () => {
      this.#sessions.delete(session);
      if (this.#sessions.size === 0) this.#closed?.();
    });
  }

  #accept(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const httpStatus = httpStatusOf(headers);
    const served = this.#methods.get(headers[':path'] ?? '');
    if (httpStatus !== undefined || !served) {
      refuseStream(stream, httpStatus === undefined ? headOf(NO_METHOD) : [':status', String(httpStatus)]);
      return;
    }
    const { limits, clock } = this.#options;
    const { method, handler } = served;
    const call = new RpcCall({ stream, headers, method, limits, openedMs: clock.monotonic() });
    this.#calls.add(call);
    call.onGone(() => this.#calls.delete(call));
    this.#cancelCheck ??= clock.after(CHECK_EVERY_MS, () => this.#check());
    try {
      this.#admit(headers);
      call.open('many' in handler ? handler.many(call) : sinkOfOne(call, handler.one));
      this.#limitTime(call);
    } catch (error) {
      call.refuse(error);
    }
  }

  /** Throws for a call that is refused by its headers alone. */
  #admit(headers: IncomingHttpHeaders): void {
    const { 'grpc-encoding': encoding } = headers;
    if (this.#calls.size > CALLS_MAX) {
      throw new RpcError(STATUS.UNAVAILABLE, `${CALLS_MAX} calls are open, which is the limit`);
    }
    let bytes = 0;
    for (const name in headers) bytes += name.length + (headers[name]?.length ?? 0);
    if (bytes > HEADER_BYTES_MAX) {
      throw new RpcError(STATUS.RESOURCE_EXHAUSTED, `metadata: has ${bytes} bytes, the limit is ${HEADER_BYTES_MAX}`);
    }
    if (encoding === undefined || isEncoding(String(encoding))) return;
    const accepted = [['grpc-accept-encoding', ENCODINGS]] as const;
    throw new RpcError(STATUS.UNIMPLEMENTED, `grpc-encoding: expected one of ${ENCODINGS}`, accepted);
  }

  #limitTime(call: RpcCall): void {
    const timeout = call.text('grpc-timeout');
    if (timeout === undefined) return;
    const cancel = this.#options.clock.after(timeoutMsOf(timeout), () =>
      call.fail({ code: STATUS.DEADLINE_EXCEEDED, details: 'the call was not answered by its deadline' }),
    );
    call.onGone(cancel);
  }

  /** Ends calls whose clients send too slowly. */
  #check(): void {
    const { clock } = this.#options;
    const before = clock.monotonic() - RECEIVE_MS;
    for (const call of this.#calls) {
      if (call.openedMs > before) break;
      if (call.isReceived || call.method.requestStream) continue;
      const details = `the message did not come within ${RECEIVE_MS} ms`;
      call.fail({ code: STATUS.DEADLINE_EXCEEDED, details });
    }
    this.#cancelCheck = this.#calls.size > 0 ? clock.after(CHECK_EVERY_MS, () => this.#check()) : undefined;
  }
}

const NO_METHOD: Refusal = { code: STATUS.UNIMPLEMENTED, details: 'there is no such method' };

/** The status of HTTP for what is no call of gRPC. */
function httpStatusOf(headers: IncomingHttpHeaders): number | undefined {
  if (headers[':method'] !== 'POST') return 405;
  return /^application\/grpc(\+proto)?(;|$)/.test(headers['content-type'] ?? '') ? undefined : 415;
}

/** Hands the one message of a call over when the client has ended it. */
function sinkOfOne(call: RpcCall, one: (request: object, call: RpcCall) => void): MessageSink {
  let request: object | undefined;
  return {
    message(message) {
      if (request) throw new RpcError(STATUS.UNIMPLEMENTED, 'expected one message, found more');
      request = message;
    },
    ended() {
      if (!request) throw new RpcError(STATUS.UNIMPLEMENTED, 'expected one message, found none');
      one(request, call);
    },
  };
}
