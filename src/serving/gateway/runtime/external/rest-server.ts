import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import { numberType } from '../../tensors/datatypes.ts';
import { jsonOf, rawOf } from '../../tensors/encode.ts';
import type { Tensor, TensorInput } from '../../tensors/tensor.ts';
import type { TensorCall } from '../model-runtime.ts';
import { type FailureKind, RemoteFailure, type RemoteModel, type RemoteServer } from './remote-server.ts';
import { answersOf, specsOf } from './remote-tensors.ts';

export interface RestOptions {
  /** `http://host:port`, or of a UNIX socket `http://localhost` with its path. */
  readonly url: string;
  readonly socketPath?: string | undefined;
  readonly model: string;
  readonly version?: string | undefined;
  readonly tensors: 'auto' | 'binary' | 'json';
  /** Answers 200 when the model can be asked; the address of the protocol unless told. */
  readonly readyPath?: string | undefined;
  readonly connections: number;
  readonly clock: Pick<Clock, 'after'>;
}

interface Message {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

interface Received {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** Of an answer; a server gone wild must not fill the memory of the gateway. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;
const HEADER = 'inference-header-content-length';
const BINARY_EXTENSION = 'binary_tensor_data';

/** Requests over connections that are kept. */
export class RestConnections {
  readonly #options: Pick<RestOptions, 'url' | 'socketPath' | 'connections' | 'clock'>;
  readonly #agent: HttpAgent;
  readonly #request: typeof httpRequest;

  constructor(options: Pick<RestOptions, 'url' | 'socketPath' | 'connections' | 'clock'>) {
    this.#options = options;
    const pool = { keepAlive: true, maxSockets: options.connections, scheduling: 'lifo' } as const;
    const secure = options.url.startsWith('https:');
    this.#agent = secure ? new HttpsAgent(pool) : new HttpAgent(pool);
    this.#request = secure ? httpsRequest : httpRequest;
  }

  /** Rejects with {@link RemoteFailure} where there is no answer, whatever its status. */
  send({ method, path, body, headers = {}, timeoutMs }: Message): Promise<Received> {
    const { url, socketPath, clock } = this.#options;
    return new Promise((resolve, reject) => {
      let connected = false;
      const length = body ? { 'content-length': String(body.length) } : {};
      const request = this.#request(new URL(path, url), {
        ...{ method, agent: this.#agent, headers: { ...headers, ...length } },
        ...(socketPath === undefined ? {} : { socketPath }),
      });
      const cancel = clock.after(timeoutMs, () =>
        request.destroy(new RemoteFailure('late', `no answer within ${timeoutMs} ms`)),
      );
      request.on('socket', (socket) => {
        if (request.reusedSocket || !socket.connecting) connected = true;
        else socket.once('connect', () => (connected = true));
      });
      request.on('error', (error) => {
        cancel();
        const kind: FailureKind = connected ? 'lost' : 'unsent';
        reject(error instanceof RemoteFailure ? error : new RemoteFailure(kind, messageOf(error)));
      });
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes > ANSWER_BYTES_MAX) {
            request.destroy(new RemoteFailure('failed', `the answer is larger than ${ANSWER_BYTES_MAX} bytes`));
          }
        });
        response.on('error', (error) => {
          cancel();
          reject(error instanceof RemoteFailure ? error : new RemoteFailure('lost', messageOf(error)));
        });
        response.on('end', () => {
          cancel();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
        });
      });
      request.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** A model of a server of the Open Inference Protocol, over REST. */
export class RestServer implements RemoteServer {
  readonly #options: RestOptions;
  readonly #connections: RestConnections;
  #binary: boolean;

  constructor(options: RestOptions) {
    this.#options = options;
    this.#connections = new RestConnections(options);
    this.#binary = options.tensors === 'binary';
  }

  async describe(timeoutMs: number): Promise<RemoteModel> {
    const server = jsonIn(await this.#get('/v2', timeoutMs));
    const { extensions } = server;
    if (this.#options.tensors === 'auto') {
      this.#binary = Array.isArray(extensions) && extensions.includes(BINARY_EXTENSION);
    }
    const metadata = jsonIn(await this.#get(this.#path(''), timeoutMs));
    const config = await this.#get(this.#path('/config'), timeoutMs).catch((error) => {
      // An extension, which only some servers have; one that cannot be reached is told by the calls before.
      if (error instanceof RemoteFailure && error.kind !== 'late') return undefined;
      throw error;
    });
    const rows = config === undefined ? undefined : jsonIn(config)['max_batch_size'];
    return {
      inputs: specsOf(metadata['inputs'], 'inputs'),
      outputs: specsOf(metadata['outputs'], 'outputs'),
      maxBatchSize: typeof rows === 'number' ? rows : undefined,
    };
  }

  async isReady(timeoutMs: number): Promise<boolean> {
    const ready = await this.#get(this.#options.readyPath ?? this.#path('/ready'), timeoutMs).catch(() => undefined);
    return ready !== undefined;
  }

  async infer({ feeds, wanted }: TensorCall, timeoutMs: number): Promise<Tensor[]> {
    const raws: Buffer[] = [];
    const inputs = feeds.map((tensor) => {
      const { name, datatype, shape, values } = tensor;
      if (!this.#binary && !numberType(datatype)?.rawOnly) return { name, datatype, shape, data: jsonOf(tensor) };
      const raw = rawOf(values);
      raws.push(raw);
      return { name, datatype, shape, parameters: { binary_data_size: raw.length } };
    });
    const outputs = wanted.map((name) => ({ name, ...(this.#binary ? { parameters: { binary_data: true } } : {}) }));
    const json = Buffer.from(JSON.stringify({ inputs, outputs }));
    const binary = raws.length > 0;
    const headers = {
      'content-type': binary ? 'application/octet-stream' : 'application/json',
      ...(binary ? { [HEADER]: String(json.length) } : {}),
    };
    const body = binary ? Buffer.concat([json, ...raws]) : json;
    const path = this.#path('/infer');
    const received = await this.#connections.send({ method: 'POST', path, body, headers, timeoutMs });
    if (received.status !== 200) throw failureOf(received);
    return answersOf(outputsIn(received), wanted);
  }

  close(): void {
    this.#connections.close();
  }

  #path(call: string): string {
    const { model, version } = this.#options;
    const place = version === undefined ? '' : `/versions/${encodeURIComponent(version)}`;
    return `/v2/models/${encodeURIComponent(model)}${place}${call}`;
  }

  async #get(path: string, timeoutMs: number): Promise<Received> {
    const received = await this.#connections.send({ method: 'GET', path, timeoutMs });
    if (received.status === 200) return received;
    throw failureOf(received);
  }
}

/** Triton: 501 is what it does not offer; other servers answer 422 to what they cannot read. */
const KINDS: Readonly<Record<number, FailureKind>> = {
  404: 'missing',
  408: 'late',
  429: 'busy',
  501: 'refused',
  503: 'busy',
  504: 'late',
};

export function failureOf({ status, body }: Pick<Received, 'status' | 'body'>): RemoteFailure {
  const kind = KINDS[status] ?? (status >= 400 && status < 500 ? 'refused' : 'failed');
  return new RemoteFailure(kind, `it answered ${status}: ${wordsIn(body)}`);
}

/** The words of an error, in whichever of the fields servers put them. */
function wordsIn(body: Buffer): string {
  const text = body.toString('utf8', 0, 2_000);
  try {
    const { error, detail, message } = JSON.parse(text) as Record<string, unknown>;
    const words = error ?? detail ?? message;
    return typeof words === 'string' ? words : JSON.stringify(words);
  } catch {
    return text.slice(0, 200);
  }
}

function jsonIn({ body }: Pick<Received, 'body'>): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    if (value !== null && typeof value === 'object') return value as Record<string, unknown>;
  } catch {
    // Told below, as JSON of another kind is.
  }
  throw new RemoteFailure('failed', `the answer is no JSON object: ${body.toString('utf8', 0, 100)}`);
}

/** The tensors of an answer, those that follow its JSON as bytes with their bytes. */
function outputsIn({ body, headers }: Received): readonly TensorInput[] {
  const header = headers[HEADER];
  const jsonBytes = header === undefined ? body.length : Number(header);
  if (!(jsonBytes >= 0 && jsonBytes <= body.length)) {
    throw new RemoteFailure('failed', `the answer says '${header}' bytes of JSON and has ${body.length}`);
  }
  const { outputs } = jsonIn({ body: body.subarray(0, jsonBytes) });
  if (!Array.isArray(outputs)) throw new RemoteFailure('failed', 'the answer has no outputs');
  let at = jsonBytes;
  return outputs.map((output: Record<string, unknown>): TensorInput => {
    const { name, datatype, shape, data } = output;
    const size = (output['parameters'] as Record<string, unknown> | null | undefined)?.['binary_data_size'];
    const tensor = { name: String(name), datatype: String(datatype), shape: Array.isArray(shape) ? shape : [] };
    if (typeof size !== 'number') return { ...tensor, data };
    at += size;
    return { ...tensor, raw: body.subarray(at - size, at) };
  });
}
