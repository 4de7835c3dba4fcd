import type { Socket } from 'node:net';
import type { Clock } from '#core/clock';
import type { HttpRequest, HttpResponse } from '../http-message.ts';
import { type AnswerSink, DirectRequest, DirectResponse } from './direct-message.ts';
import { type KnownHeads, knownHead, readHead } from './read-head.ts';
import { readShared, type SharedReads } from './shared-reads.ts';

/** What connections that are read directly have in common. */
export interface DirectOwner {
  readonly clock: Pick<Clock, 'after'>;
  /** How long requests are worked at whose client has closed its side. */
  readonly halfClosedMs: number;
  readonly knownHeads: KnownHeads;
  serve(request: HttpRequest, response: HttpResponse): void;
  /** Gives a connection up, with what it has sent that is not answered, to somebody who reads everything. */
  handOver(connection: DirectConnection, socket: Socket, unread: Buffer): void;
  closed(connection: DirectConnection): void;
  headOf: AnswerSink['headOf'];
}

const INCOMPLETE = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';

/**
 * What a connection waits for: a request, the rest of one, its body while it is in work already, its answer, or a
 * client that reads what it was answered.
 */
export type DirectState = 'idle' | 'begun' | 'receiving' | 'in-work' | 'unread';

/** Larger bodies are left to node:http, piece by piece. */
const BODY_BYTES_MAX = 65_536;

/**
 * A connection whose requests are read as they come from the socket, one at a time, as long as each is plain (see
 * {@link readHead}) and its head comes in two pieces at most. With the first one that is not, or that does not wait for
 * the answer before it, the connection is handed over for good.
 */
export class DirectConnection implements AnswerSink {
  readonly #socket: Socket;
  readonly #reads: SharedReads | undefined;
  readonly #owner: DirectOwner;
  #state: DirectState = 'idle';
  /** The beginning of a head, or what came behind a request that is in work. */
  #kept: Buffer | undefined;
  /** The request whose body has not come whole, and how much of a body is still to come, wanted or not. */
  #request: DirectRequest | undefined;
  #missing = 0;
  #cancelEnd: (() => void) | undefined;
  /** Of the request in work, what is told when its client leaves. */
  #gone: (() => void)[] = [];
  /** When it was first looked at in its state. */
  #seenMs: number | undefined;
  #isNew = true;
  /** Of the request before: the next one is alike as a rule. */
  #headBytes = 0;

  constructor(accepted: Socket, owner: DirectOwner) {
    this.#reads = readShared(accepted, (bytes) => this.#onData(bytes));
    const socket = this.#reads?.socket ?? accepted;
    this.#socket = socket;
    this.#owner = owner;
    if (!this.#reads) socket.on('data', this.#onData);
    socket.on('end', this.#onEnd).on('drain', this.#onDrain);
    socket.on('error', this.#onError).on('close', this.#onClose);
  }

  get state(): DirectState {
    return this.#state;
  }

  /**
   * For how long it is known to be in its state by who looks at it from time to time: to note the time itself would
   * take a look at the clock with each request.
   */
  waitedMs(nowMs: number): number {
    this.#seenMs ??= nowMs;
    return nowMs - this.#seenMs;
  }

  /** Whether nothing has been answered on it yet. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /** Ends it behind an answer that says why, or at once. */
  end(answer?: string): void {
    if (answer === undefined) this.#socket.destroy();
    else this.#endWith(answer, 'latin1');
  }

  headOf(status: number, headers: readonly string[], last: boolean): string {
    return this.#owner.headOf(status, headers, last);
  }

  onGone(listener: () => void): void {
    if (this.#socket.destroyed) listener();
    else this.#gone.push(listener);
  }

  write(answer: string | Buffer, encoding: BufferEncoding, last: boolean): void {
    const socket = this.#socket;
    if (this.#gone.length > 0) this.#gone = [];
    if (socket.destroyed) return;
    if (last || this.#cancelEnd) this.#endWith(answer, encoding);
    else if (socket.write(answer, encoding)) this.#onAnswered();
    // Whoever does not read its answers is asked for no further requests until it does.
    else this.#enter('unread');
  }

  #endWith(answer: string | Buffer, encoding: BufferEncoding): void {
    this.#enter('unread');
    this.#socket.end(answer, encoding);
    this.#socket.destroySoon();
  }

  #enter(state: DirectState): void {
    this.#state = state;
    this.#seenMs = undefined;
  }

  #onAnswered(): void {
    this.#request?.leave();
    this.#request = undefined;
    this.#isNew = false;
    // Of a request that was refused by its head alone, the body is read and forgotten.
    this.#enter(this.#missing > 0 ? 'begun' : 'idle');
    if (this.#kept) this.#handOver(this.#kept);
  }

  readonly #onDrain = (): void => {
    if (this.#state === 'unread') this.#onAnswered();
  };

  /** What is kept of a chunk is copied: its bytes are others when this has returned. */
  readonly #onData = (chunk: Buffer): void => {
    const rest = this.#missing > 0 ? this.#receive(chunk) : chunk;
    if (rest.length === 0) return;
    const bytes = this.#kept ? Buffer.concat([this.#kept, rest]) : rest;
    if (this.#state === 'in-work' || this.#state === 'unread') {
      this.#kept = Buffer.from(bytes);
      this.#socket.pause();
    } else {
      this.#read(bytes);
    }
  };

  /** Takes what belongs to the body of the request before; what is left behind that is returned. */
  #receive(chunk: Buffer): Buffer {
    const body = chunk.subarray(0, this.#missing);
    this.#missing -= body.length;
    if (this.#missing === 0 && this.#state === 'begun') this.#enter('idle');
    if (this.#missing === 0 && this.#state === 'receiving') this.#enter('in-work');
    this.#request?.receive(body);
    return chunk.subarray(body.length);
  }

  #read(bytes: Buffer): void {
    const head = knownHead(bytes, this.#headBytes, this.#owner.knownHeads) ?? readHead(bytes, this.#owner.knownHeads);
    if (head === 'incomplete' && !this.#kept) {
      this.#kept = Buffer.from(bytes);
      this.#enter('begun');
      return;
    }
    const missing = typeof head === 'object' ? head.bytes + head.bodyBytes - bytes.length : 0;
    if (typeof head !== 'object' || head.bodyBytes > BODY_BYTES_MAX || missing < 0) {
      this.#handOver(bytes);
      return;
    }
    this.#headBytes = head.bytes;
    const request = new DirectRequest(head, bytes.subarray(head.bytes));
    this.#kept = undefined;
    this.#missing = missing;
    if (missing > 0) {
      this.#request = request;
      this.#enter('receiving');
    } else {
      this.#state = 'in-work';
    }
    this.#owner.serve(request, new DirectResponse(this));
    request.keep();
  }

  readonly #onEnd = (): void => {
    if (this.#state === 'begun' || this.#state === 'receiving') this.#endWith(INCOMPLETE, 'latin1');
    else if (this.#state === 'idle') this.#socket.end();
    else this.#cancelEnd = this.#owner.clock.after(this.#owner.halfClosedMs, () => this.#socket.end());
  };

  /** The connection closes behind it; nobody is left to be told. */
  readonly #onError = (): void => {};

  readonly #onClose = (): void => {
    this.#cancelEnd?.();
    this.#request?.leave();
    for (const tell of this.#gone) tell();
    this.#owner.closed(this);
  };

  #handOver(unread: Buffer): void {
    const socket = this.#socket;
    socket.off('data', this.#onData).off('end', this.#onEnd).off('drain', this.#onDrain);
    socket.off('error', this.#onError).off('close', this.#onClose);
    this.#reads?.leave();
    this.#owner.handOver(this, socket, Buffer.from(unread));
  }
}
