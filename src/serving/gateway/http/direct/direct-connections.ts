import type { Socket } from 'node:net';
import type { Clock } from '#core/clock';
import type { HttpRequest, HttpResponse } from '../http-message.ts';
import { DirectConnection, type DirectOwner } from './direct-connection.ts';
import { statusAndHeaders } from './direct-message.ts';
import type { KnownHeads } from './read-head.ts';

export interface DirectOptions {
  readonly clock: Clock;
  readonly serve: (request: HttpRequest, response: HttpResponse) => void;
  /** Takes a connection over that is not plain any more, with what of it is not answered. */
  readonly handOver: (socket: Socket, unread: Buffer) => void;
  /** How long a connection may take to its first request, and a head to come whole. */
  readonly headTimeoutMs: number;
  /** How long a body may take. */
  readonly requestTimeoutMs: number;
  /** How long a connection may wait for its next request. */
  readonly keepAliveMs: number;
  readonly halfClosedMs: number;
  /** How often connections are looked through for those that are past these times. */
  readonly checkEveryMs: number;
}

const TIMED_OUT = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';

/** The connections whose requests are read directly ({@link DirectConnection}), until they are handed over or close. */
export class DirectConnections implements DirectOwner {
  readonly clock: Clock;
  readonly halfClosedMs: number;
  readonly knownHeads: KnownHeads = new Map();
  readonly #options: DirectOptions;
  readonly #connections = new Set<DirectConnection>();
  #cancelCheck: (() => void) | undefined;
  /** What most answers of a second begin with. */
  #head = { second: -1, status: 0, headers: [] as readonly string[], last: false, text: '' };

  constructor(options: DirectOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.halfClosedMs = options.halfClosedMs;
  }

  take(socket: Socket): void {
    this.#connections.add(new DirectConnection(socket, this));
    this.#cancelCheck ??= this.clock.after(this.#options.checkEveryMs, () => this.#check());
  }

  /** Closes the connections on which no request is in work. */
  closeIdle(): void {
    for (const connection of this.#connections) if (connection.state === 'idle') connection.end();
  }

  closeAll(): void {
    for (const connection of this.#connections) connection.end();
    this.#cancelCheck?.();
    this.#cancelCheck = undefined;
  }

  serve(request: HttpRequest, response: HttpResponse): void {
    this.#options.serve(request, response);
  }

  handOver(connection: DirectConnection, socket: Socket, unread: Buffer): void {
    this.#connections.delete(connection);
    this.#options.handOver(socket, unread);
  }

  closed(connection: DirectConnection): void {
    this.#connections.delete(connection);
  }

  /** With what node:http adds to answers, too. The date is that of this second. */
  headOf(status: number, headers: readonly string[], last: boolean): string {
    const now = this.clock.now();
    const second = Math.floor(now / 1_000);
    const before = this.#head;
    const isSame = before.second === second && before.status === status && before.last === last;
    if (isSame && before.headers === headers) return before.text;
    const keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(this.#options.keepAliveMs / 1_000)}`;
    const own = `${statusAndHeaders(status, headers)}Date: ${new Date(now).toUTCString()}\r\n`;
    // A text that was put together is taken apart each time it is written, unless it is made of bytes.
    const text = Buffer.from(`${own}${last ? 'Connection: close' : keepAlive}\r\n`, 'latin1').toString('latin1');
    this.#head = { second, status, headers, last, text };
    return text;
  }

  #check(): void {
    const now = this.clock.monotonic();
    for (const connection of this.#connections) {
      const limitMs = this.#limitMs(connection);
      if (connection.waitedMs(now) < limitMs) continue;
      connection.end(limitMs === this.#options.keepAliveMs ? undefined : TIMED_OUT);
    }
    const { checkEveryMs } = this.#options;
    this.#cancelCheck = this.#connections.size > 0 ? this.clock.after(checkEveryMs, () => this.#check()) : undefined;
  }

  #limitMs({ state, isNew }: DirectConnection): number {
    const { headTimeoutMs, requestTimeoutMs, keepAliveMs } = this.#options;
    if (state === 'in-work') return Number.POSITIVE_INFINITY;
    if (state === 'receiving') return requestTimeoutMs;
    return state === 'begun' || (state === 'idle' && isNew) ? headTimeoutMs : keepAliveMs;
  }
}
