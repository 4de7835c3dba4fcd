import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import { type ClusterAccess, type Credentials, kubernetesErrors } from './access.ts';
import type { ReadStatus } from './objects.ts';

/** An answer that is not a success, or none: `status` is 0 when the server was not reached or the answer was lost. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  /** Kubernetes' word for it, such as `AlreadyExists`. */
  readonly reason: string;
  readonly retryAfterMs: number | undefined;

  constructor(
    status: number,
    message: string,
    { reason = '', retryAfterMs }: { reason?: string; retryAfterMs?: number | undefined } = {},
  ) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may well succeed later. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 401 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface CallOptions {
  readonly query?: Query;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

const CALL_MS_MAX = 30_000;
/** Credentials are read again after this time, as Kubernetes' own clients do. */
const CREDENTIALS_MS = 60_000;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const KEEP_ALIVE_MS = 15_000;

/** Calls of one API server over HTTP/1.1. Credentials that have rotated are taken up without an error. */
export class KubernetesApi {
  readonly namespace: string;
  readonly #access: ClusterAccess;
  readonly #clock: Clock;
  #credentials: { readonly value: Credentials; readonly until: number } | undefined;
  #agent: HttpAgent | HttpsAgent | undefined;

  constructor(access: ClusterAccess, clock: Clock) {
    this.#access = access;
    this.#clock = clock;
    this.namespace = access.namespace;
  }

  /** Sends a request and reads the JSON of its answer. Throws {@link ApiError}. */
  async call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
    const limit = AbortSignal.timeout(CALL_MS_MAX);
    const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
    const response = await this.open(method, path, { ...options, signal });
    const text = await readText(response);
    try {
      return JSON.parse(text) as T;
    } catch {
      throw new ApiError(0, `${method} ${path}: the answer is not JSON`);
    }
  }

  /** Sends a request and gives its answer as it comes; one that is not a success is thrown as {@link ApiError}. */
  async open(method: string, path: string, options: CallOptions = {}): Promise<IncomingMessage> {
    const first = await this.#send(method, path, options);
    // A token that has just been renewed, or the clock of one that has just expired.
    const response =
      first.statusCode === 401 ? await this.#again(first, () => this.#send(method, path, options)) : first;
    const { statusCode = 0 } = response;
    if (statusCode >= 200 && statusCode < 300) return response;
    throw await errorOf(response, `${method} ${path}`);
  }

  close(): void {
    this.#agent?.destroy();
  }

  async #again(first: IncomingMessage, send: () => Promise<IncomingMessage>): Promise<IncomingMessage> {
    first.resume();
    await this.#current(true);
    return send();
  }

  async #send(method: string, path: string, { query = {}, body, signal }: CallOptions): Promise<IncomingMessage> {
    const url = new URL(path, this.#access.server);
    // An API server may stand below a path of its address, behind a proxy of many clusters.
    url.pathname = `${this.#access.server.pathname.replace(/\/$/, '')}${path}`;
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const { credentials, agent } = await this.#current(false);
    if (credentials.token && url.protocol === 'http:' && !isLoopback(url.hostname)) {
      throw kubernetesErrors['invalid-config'](`no token is sent to ${url.origin}, which is not encrypted`);
    }
    const text = body === undefined ? undefined : JSON.stringify(body);
    const options: RequestOptions = {
      method,
      agent,
      headers: {
        accept: 'application/json, */*',
        'user-agent': 'kedge',
        ...(credentials.token ? { authorization: `Bearer ${credentials.token}` } : {}),
        ...(text === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      },
      ...(signal ? { signal } : {}),
    };
    return new Promise((resolve, reject) => {
      const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options);
      request.on('error', (error) => reject(new ApiError(0, `${method} ${path}: ${messageOf(error)}`)));
      request.on('response', resolve);
      request.end(text);
    });
  }

  async #current(fresh: boolean): Promise<{ credentials: Credentials; agent: HttpAgent | HttpsAgent }> {
    const now = this.#clock.now();
    const known = this.#credentials;
    if (known && this.#agent && !fresh && now < known.until) return { credentials: known.value, agent: this.#agent };
    const value = await this.#access.credentials({ fresh });
    this.#credentials = { value, until: Math.min(now + CREDENTIALS_MS, value.expiresAt ?? Number.POSITIVE_INFINITY) };
    if (!this.#agent || !isDeepStrictEqual(tlsOf(known?.value), tlsOf(value))) this.#agent = this.#makeAgent(value);
    return { credentials: value, agent: this.#agent };
  }

  /** Connections that are open with the certificates of before end by themselves. */
  #makeAgent(credentials: Credentials): HttpAgent | HttpsAgent {
    const keep = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS };
    return this.#access.server.protocol === 'https:'
      ? new HttpsAgent({ ...keep, ...tlsOf(credentials) })
      : new HttpAgent(keep);
  }
}

function tlsOf(credentials: Credentials | undefined): Record<string, string> {
  const { ca, cert, key, serverName } = credentials ?? {};
  return {
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(serverName ? { servername: serverName } : {}),
  };
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname);
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > ANSWER_BYTES_MAX) throw new Error(`it has more than ${ANSWER_BYTES_MAX} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw new ApiError(0, `the answer was lost: ${messageOf(error)}`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function errorOf(response: IncomingMessage, what: string): Promise<ApiError> {
  const text = await readText(response);
  let status: ReadStatus = {};
  try {
    status = JSON.parse(text) as ReadStatus;
  } catch {
    // A proxy in between, or a kubelet, answers in plain text.
  }
  const { message = text.trim().slice(0, 500), reason, details } = status;
  const seconds = details?.retryAfterSeconds ?? Number(response.headers['retry-after'] ?? Number.NaN);
  return new ApiError(response.statusCode ?? 0, message || `${what}: HTTP ${response.statusCode}`, {
    ...(reason ? { reason } : {}),
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : undefined,
  });
}
