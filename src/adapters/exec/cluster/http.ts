import { readFile } from 'node:fs/promises';
import { messageOf } from '#core/errors';
import { clusterErrors } from './cluster.ts';

export interface ClusterRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface ClusterReply {
  readonly status: number;
  /** What the body holds, if that is JSON; otherwise its text. */
  readonly body: unknown;
}

const DEADLINE_MS = 30_000;
const BODY_BYTES_MAX = 256 * 1024 * 1024;

/** Sends a request to a cluster. Errors: `cluster/unreachable` without an answer, or with one that is too long. */
export async function clusterFetch({ method, url, headers, body }: ClusterRequest): Promise<ClusterReply> {
  try {
    const response = await fetch(url, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: 'error',
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES_MAX) throw new Error(`the answer has more than ${BODY_BYTES_MAX} bytes`);
      chunks.push(chunk);
    }
    return { status: response.status, body: jsonOr(Buffer.concat(chunks).toString()) };
  } catch (error) {
    const cause = error instanceof Error && error.cause ? `: ${messageOf(error.cause)}` : '';
    throw clusterErrors.unreachable(`${method} ${url}: ${messageOf(error)}${cause}`);
  }
}

/** The token in a file, which may be replaced at any time. */
export async function tokenIn(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).trim();
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
