import { connect } from 'node:net';

/** The fields of all answers of the Open Inference Protocol together; a test reads those that it expects. */
export interface OipAnswer {
  readonly error: string;
  readonly id: string;
  readonly model_version: string;
  readonly versions: readonly string[];
  readonly max_batch_size: number;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly outputs: readonly OipTensor[];
  readonly model_stats: readonly OipStatistics[];
}

interface OipTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
}

interface OipStatistics {
  readonly name: string;
  readonly inference_count: number;
  readonly execution_count: number;
  readonly inference_stats: Readonly<Record<string, { readonly count: number; readonly ns: number }>>;
  readonly batch_stats: readonly { readonly batch_size: number; readonly compute_infer: { readonly count: number } }[];
}

export interface OipReply {
  readonly status: number;
  readonly json: OipAnswer;
  /** What follows the JSON. */
  readonly raw: Buffer;
}

/** Calls a path below `/v2/`: GET without a body, POST with one. An object is sent as JSON. */
export async function callOip(
  url: string,
  path: string,
  { body, headers = {} }: { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<OipReply> {
  const sent = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const init = body === undefined ? {} : { method: 'POST', body: sent as string };
  const response = await fetch(`${url}/v2/${path}`, { ...init, headers });
  const bytes = Buffer.from(await response.arrayBuffer());
  const length = Number(response.headers.get('inference-header-content-length') ?? bytes.length);
  const json = JSON.parse(bytes.subarray(0, length).toString()) as OipAnswer;
  return { status: response.status, json, raw: bytes.subarray(length) };
}

/** Sends requests in one piece, so that they arrive in one turn, and reads their answers in order. */
export async function pipelined(url: string, path: string, bodies: readonly unknown[]): Promise<readonly OipAnswer[]> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const requests = bodies.map((body) => {
    const text = JSON.stringify(body);
    return `POST /v2/${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
  });
  socket.write(requests.join(''));
  const answers: OipAnswer[] = [];
  let received = '';
  for await (const chunk of socket) {
    received += chunk;
    for (let head = received.indexOf('\r\n\r\n'); head >= 0; head = received.indexOf('\r\n\r\n')) {
      const end = head + 4 + Number(/content-length: (\d+)/i.exec(received.slice(0, head))?.[1]);
      if (received.length < end) break;
      answers.push(JSON.parse(received.slice(head + 4, end)) as OipAnswer);
      received = received.slice(end);
    }
    if (answers.length === bodies.length) break;
  }
  return answers;
}

export interface SentTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
}

export function tensorOf(
  name: string,
  datatype: string,
  shape: readonly number[],
  data: readonly unknown[],
): SentTensor {
  return { name, datatype, shape, data };
}
