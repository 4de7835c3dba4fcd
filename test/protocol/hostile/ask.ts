import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import type { HostileServer } from './server.ts';

export interface Asked {
  readonly method: string;
  /** As it is sent: nothing of it is encoded or resolved. */
  readonly path: string;
  readonly json?: unknown;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answered {
  readonly status: number;
  readonly text: string;
}

/** Sends a request as it is written, which `fetch` would mend. */
export function ask(server: HostileServer, { method, path, json, body, headers = {} }: Asked): Promise<Answered> {
  const { hostname, port } = new URL(server.url);
  const content = body ?? (json === undefined ? undefined : JSON.stringify(json));
  const type = json === undefined && content === undefined ? {} : { 'content-type': 'application/json' };
  // Node announces no length for a DELETE by itself, and its body would be read as the next request.
  const isFramed = content === undefined || 'transfer-encoding' in headers || 'content-length' in headers;
  const length = isFramed ? {} : { 'content-length': Buffer.byteLength(content) };
  // A connection for each, so that none finds it closed after what was refused on it before.
  const agent = new Agent({ keepAlive: true });
  const answer = new Promise<Answered>((resolve, reject) => {
    const sent = request(
      { agent, hostname, port, method, path, headers: { ...server.headers, ...type, ...length, ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
        );
        response.on('error', reject);
      },
    );
    sent.on('error', (error) => reject(new Error(`${method} ${path.slice(0, 200)}: ${error.message}`)));
    sent.end(content);
  });
  return answer.finally(() => agent.destroy());
}

/** Asks all of it; each is refused with one of `expected`, nothing is changed by it, and the server lives. */
export async function allRefused(
  server: HostileServer,
  asked: readonly Asked[],
  expected: readonly number[],
): Promise<void> {
  assert.ok(asked.length > 0);
  const before = await server.kept();
  const wrong: string[] = [];
  for (const one of asked) {
    const { status, text } = await ask(server, one);
    if (!expected.includes(status)) wrong.push(`${shown(one)} answered ${status} ${text.slice(0, 300)}`);
  }
  assert.deepEqual(wrong, []);
  assert.deepEqual(await server.kept(), before);
  assert.ok(await server.isAlive());
}

function shown({ method, path, json, body }: Asked): string {
  const content = body ?? (json === undefined ? '' : JSON.stringify(json));
  return `${method} ${path.slice(0, 200)} ${String(content).slice(0, 200)}`;
}

/** The answer of a request that has to succeed, as JSON. */
export async function answerTo(server: HostileServer, asked: Asked): Promise<Record<string, unknown>> {
  const { status, text } = await ask(server, asked);
  assert.ok(status < 300, `${shown(asked)} answered ${status} ${text}`);
  return JSON.parse(text);
}

const MLFLOW = '/api/2.0/mlflow';

/** A request to one of MLflow's routes. */
export const mlflow = (method: string, path: string, json?: unknown): Asked => ({
  method,
  path: `${MLFLOW}/${path}`,
  ...(json === undefined ? {} : { json }),
});
