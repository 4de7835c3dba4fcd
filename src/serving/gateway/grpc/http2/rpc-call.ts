import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { inflateMessage } from './inflate-message.ts';
import { type ByteBudget, MessageReader, PREFIX_BYTES, type RpcFrame } from './message-reader.ts';
import { encodeDetails, type Refusal, RpcError, STATUS } from './status.ts';

/** How messages of a method are written; a `MethodDefinition` of proto-loader is one. */
export interface RpcMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly requestDeserialize: (bytes: Buffer) => object;
  readonly responseSerialize: (message: object) => Buffer;
}

/** Takes the messages of a call. */
export interface MessageSink {
  message(message: object): void;
  /** The client sends no more. */
  ended(): void;
}

export interface CallLimits {
  readonly messageBytesMax: number;
  readonly budget: ByteBudget;
  /** Turns what was thrown into how the call ends. */
  refusalOf(error: unknown, path: string): Refusal;
}

interface Opened {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly method: RpcMethod;
  readonly limits: CallLimits;
  /** Monotonic milliseconds. */
  readonly openedMs: number;
}

const HEAD: readonly string[] = [':status', '200', 'content-type', 'application/grpc'];
const DONE: Refusal = { code: STATUS.OK, details: '' };
const OK_TRAILERS = { 'grpc-status': String(STATUS.OK) };

/** One call: what the client sends, and what it is answered. */
export class RpcCall {
  readonly method: RpcMethod;
  readonly openedMs: number;
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #limits: CallLimits;
  readonly #reader: MessageReader;
  readonly #frames: RpcFrame[] = [];
  #sink: MessageSink | undefined;
  #head: readonly string[] = HEAD;
  #hasHead = false;
  #status: Refusal | undefined;
  #paused = false;
  #inflating = false;
  #received = false;
  #toldEnd = false;
  #gone = false;
  #onGone: (() => void)[] = [];

  constructor({ stream, headers, method, limits, openedMs }: Opened) {
    this.method = method;
    this.openedMs = openedMs;
    this.#stream = stream;
    this.#headers = headers;
    this.#limits = limits;
    this.#reader = new MessageReader(limits.messageBytesMax, limits.budget);
    // What fails closes the stream, and that is told to whoever works for it.
    stream.on('error', ignore);
    stream.on('close', () => this.#close());
    // A stream whose messages are not taken would be open until they are, although nobody is there any more.
    stream.on('aborted', () => stream.destroy());
  }

  /** Has messages come to `sink` from now on. */
  open(sink: MessageSink): void {
    this.#sink = sink;
    const stream = this.#stream;
    stream.on('data', (chunk: Buffer) => this.#push(chunk));
    stream.on('end', () => {
      this.#received = true;
      this.#deliver();
    });
    stream.on('wantTrailers', () => this.#sendStatus());
  }

  /** Whether nobody is there who could be answered, or the call is over. */
  get isOver(): boolean {
    // A stream that the client has reset takes nothing any more, and says so only in a later turn.
    return this.#gone || this.#status !== undefined || this.#stream.closed || this.#stream.destroyed;
  }

  /** Whether everything that the client sends is here. */
  get isReceived(): boolean {
    return this.#received;
  }

  /** Calls `listener` once when the client has left, or the call is over. */
  onGone(listener: () => void): void {
    if (this.#gone) listener();
    else this.#onGone.push(listener);
  }

  /** Metadata by its name in small letters. */
  text(name: string): string | undefined {
    const value = this.#headers[name];
    return typeof value === 'string' ? value : value?.[0];
  }

  /** Adds metadata that goes before the first message. */
  addHead(pairs: readonly (readonly [string, string])[]): void {
    this.#head = [...this.#head, ...pairs.flatMap(([name, value]) => [name.toLowerCase(), value])];
  }

  /** Sends a message; false while the client reads more slowly than it is sent to. */
  send(message: object): boolean {
    if (this.isOver) return true;
    this.#sendHead();
    return this.#stream.write(this.#framed(message));
  }

  /** Ends the call with its one message; bytes are one that is written already, with its prefix. */
  answer(message: object | Buffer): void {
    if (this.isOver) return;
    const framed = Buffer.isBuffer(message) ? message : this.#framed(message);
    this.#sendHead();
    this.#status = DONE;
    this.#stream.end(framed);
  }

  /** Resolves when more can be sent, or nobody is there to be sent to. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.once('drain', resolve);
      this.onGone(resolve);
    });
  }

  /** Ends the call: everything was answered. */
  end(): void {
    if (this.isOver) return;
    this.#sendHead();
    this.#status = DONE;
    this.#stream.end();
  }

  /** Ends the call with an error. What the client still sends is not read. */
  fail(refusal: Refusal): void {
    if (this.isOver) return;
    this.#status = refusal;
    this.#frames.length = 0;
    this.#reader.release();
    const stream = this.#stream;
    if (!this.#hasHead && this.#head === HEAD) {
      refuseStream(stream, headOf(refusal));
      return;
    }
    // Clients look for what goes before messages in headers of their own, and not in those that end the call.
    this.#sendHead();
    stream.end();
  }

  /** Ends the call as what was thrown says. */
  refuse(error: unknown): void {
    this.fail(error instanceof RpcError ? error.refusal : this.#limits.refusalOf(error, this.method.path));
  }

  /** Takes no messages until {@link resume}. */
  pause(): void {
    this.#paused = true;
    this.#stream.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#deliver();
    if (!this.#paused) this.#stream.resume();
  }

  #push(chunk: Buffer): void {
    if (this.isOver) return;
    try {
      this.#reader.push(chunk, this.#frames);
    } catch (error) {
      this.refuse(error);
      return;
    }
    this.#deliver();
  }

  #deliver(): void {
    while (this.#frames.length > 0 && !this.#paused && !this.#inflating && !this.isOver) {
      const { compressed, bytes } = this.#frames.shift() as RpcFrame;
      if (compressed) this.#inflate(bytes);
      else this.#message(bytes);
    }
    if (!this.#received || this.#toldEnd || this.#inflating || this.#frames.length > 0 || this.isOver) return;
    this.#toldEnd = true;
    if (this.#reader.isWithinMessage) this.refuse(new RpcError(STATUS.INTERNAL, 'the call ends within a message'));
    else this.#attempt(() => this.#sink?.ended());
  }

  #inflate(bytes: Buffer): void {
    this.#inflating = true;
    const encoding = this.text('grpc-encoding') ?? 'identity';
    Promise.resolve()
      .then(() => inflateMessage(bytes, encoding, this.#limits.messageBytesMax))
      .then(
        (inflated) => {
          this.#inflating = false;
          if (!this.isOver) this.#message(inflated);
          this.#deliver();
        },
        (error) => this.refuse(error),
      );
  }

  #message(bytes: Buffer): void {
    let message: object;
    try {
      message = this.method.requestDeserialize(bytes);
    } catch {
      this.refuse(new RpcError(STATUS.INTERNAL, 'a message is not what the method takes'));
      return;
    }
    this.#attempt(() => this.#sink?.message(message));
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.refuse(error);
    }
  }

  #framed(message: object): Buffer {
    const bytes = this.method.responseSerialize(message);
    const framed = Buffer.allocUnsafe(PREFIX_BYTES + bytes.length);
    framed[0] = 0;
    framed.writeUInt32BE(bytes.length, 1);
    framed.set(bytes, PREFIX_BYTES);
    return framed;
  }

  #sendHead(): void {
    if (this.#hasHead) return;
    this.#hasHead = true;
    this.#stream.respond(this.#head, RESPONSE);
  }

  #sendStatus(): void {
    if (this.#stream.destroyed) return;
    const status = this.#status ?? DONE;
    this.#stream.sendTrailers(status === DONE ? OK_TRAILERS : Object.fromEntries(trailersOf(status)));
  }

  #close(): void {
    this.#gone = true;
    this.#frames.length = 0;
    this.#reader.release();
    const listeners = this.#onGone;
    this.#onGone = [];
    for (const listener of listeners) listener();
  }
}

function ignore(): void {}

const RESPONSE = { waitForTrailers: true, sendDate: false } as const;
const HEAD_ALONE = { endStream: true, sendDate: false } as const;

/** Ends a stream with nothing but headers. What the client still sends is not read. */
export function refuseStream(stream: ServerHttp2Stream, head: readonly string[]): void {
  if (stream.destroyed) return;
  stream.respond(head, HEAD_ALONE);
  if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
}

/** The headers of an answer that is nothing but an error. */
export function headOf(refusal: Refusal): readonly string[] {
  return [...HEAD, ...trailersOf(refusal).flat()];
}

function trailersOf({ code, details, metadata = [] }: Refusal): (readonly [string, string])[] {
  const message = details === '' ? [] : [['grpc-message', encodeDetails(details)] as const];
  return [['grpc-status', String(code)], ...message, ...metadata];
}
