import { createServer as createHttpServer, type Server as NodeServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { type Clock, systemClock } from '#core/clock';
import type { ServerTls } from '../tls.ts';
import { DirectConnections } from './direct/direct-connections.ts';
import type { HttpRequest, HttpResponse } from './http-message.ts';
import { NodeRequest, NodeResponse } from './node-message.ts';

const HEAD_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** How often connections are looked through for those that are past these times. */
const CHECK_EVERY_MS = 5_000;
const KEEP_ALIVE_MS = 65_000;
/** How long requests are worked at whose client has closed its side: it may have sent all it has to, or may be gone. */
const HALF_CLOSED_MS = 100;
/** More are refused before they are read; what they may have in work is limited by `requestsMax`. */
const CONNECTIONS_MAX = 20_000;

export interface HttpServerOptions {
  readonly serve: (request: HttpRequest, response: HttpResponse) => void;
  readonly tls: ServerTls | undefined;
  /** Whether it listens itself, or takes connections over that another process has accepted. */
  readonly listens: boolean;
}

/**
 * The HTTP/1.1 server of a gateway. Plain requests are read directly from their connections, at about half of what
 * node:http costs for each; what is not plain node:http reads, with its limits and its judgement of what is wrong. So
 * it does with all that comes over TLS.
 */
export class HttpServer {
  readonly #node: NodeServer;
  /** Absent with TLS. */
  readonly #direct: DirectConnections | undefined;
  readonly #listener: Server;

  constructor({ serve, tls, listens }: HttpServerOptions) {
    // Sockets live in real time, whatever clock the rest of a gateway is given.
    const clock = systemClock;
    this.#node = createNodeServer(serve, tls);
    answerHalfClosed(this.#node, { connected: tls ? 'secureConnection' : 'connection', clock });
    this.#direct = tls
      ? undefined
      : new DirectConnections({
          clock,
          serve,
          handOver: (socket, unread) => handOver(this.#node, socket, unread),
          headTimeoutMs: HEAD_TIMEOUT_MS,
          requestTimeoutMs: REQUEST_TIMEOUT_MS,
          keepAliveMs: KEEP_ALIVE_MS,
          halfClosedMs: HALF_CLOSED_MS,
          checkEveryMs: CHECK_EVERY_MS,
        });
    this.#listener = tls ? this.#node : createTcpServer((socket) => this.take(socket));
    this.#listener.maxConnections = CONNECTIONS_MAX;
    // With this event, and no earlier, a server that does not listen itself begins to cut off connections that are too
    // slow, and to know those that are idle.
    if (!listens || this.#listener !== this.#node) this.#node.emit('listening');
  }

  /** Resolves when it takes connections. Port 0 takes any free port. */
  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#listener.once('error', reject).listen(port, host, resolve);
    });
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  /** Serves a connection, which another process may have accepted. */
  take(socket: Socket): void {
    socket.setNoDelay(true);
    // So that clients are answered who close their side behind their request; see HALF_CLOSED_MS.
    socket.allowHalfOpen = true;
    if (this.#direct) this.#direct.take(socket);
    else this.#node.emit('connection', socket);
  }

  /** How many connections are open that it has accepted itself. */
  connections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#listener.getConnections((error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  /** Takes no more connections and closes those that are idle. Resolves when the last one has closed. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    if (this.#listener !== this.#node) this.#node.close();
    this.#direct?.closeIdle();
    this.#node.closeIdleConnections();
    return closed;
  }

  closeAllConnections(): void {
    this.#direct?.closeAll();
    this.#node.closeAllConnections();
  }
}

function createNodeServer(serve: HttpServerOptions['serve'], tls: ServerTls | undefined): NodeServer {
  const options = {
    headersTimeout: HEAD_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: CHECK_EVERY_MS,
  };
  if (!tls) {
    return createHttpServer(options, (request, response) =>
      serve(new NodeRequest(request), new NodeResponse(response)),
    );
  }
  const { cert, key, clientCa } = tls;
  const client = clientCa ? { ca: clientCa, requestCert: true } : {};
  return createHttpsServer({ ...options, ...client, cert, key }, (request, response) =>
    serve(new NodeRequest(request), new NodeResponse(response)),
  );
}

/** Gives a connection to node:http that somebody else has read from, with what has not been answered. */
function handOver(server: NodeServer, socket: Socket, unread: Buffer): void {
  server.emit('connection', socket);
  // The server listens to what the socket reads, to which these bytes belong.
  socket.emit('data', unread);
  socket.resume();
}

/**
 * Requests are answered whose client closes its side behind them. Left alone, Node ends such a connection as soon as it
 * has read its end, which may be before the turn has ended that answers.
 */
function answerHalfClosed(
  server: NodeServer,
  { connected, clock }: { readonly connected: 'connection' | 'secureConnection'; readonly clock: Pick<Clock, 'after'> },
): void {
  Object.assign(server, { httpAllowHalfOpen: true });
  server.on(connected, (socket: Socket) => {
    // After Node's own look at the end, which closes a connection that has no request in work.
    socket.once('end', () => {
      if (socket.writableEnded) return;
      socket.once(
        'close',
        clock.after(HALF_CLOSED_MS, () => socket.end()),
      );
    });
  });
}
