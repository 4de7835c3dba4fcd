import { readFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
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

/**
 * Sends a request to a cluster. Errors: `cluster/unreachable` without an answer, or with one that is too long. Not by
 * `fetch`: Ray takes its headers for those of a browser, from which it takes no jobs.
 */
export async function clusterFetch({ method, url, headers, body }: ClusterRequest): Promise<ClusterReply> {
  try {
    const sent = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const options = {
      method,
      headers: {
        ...headers,
        ...(sent ? { 'content-type': 'application/json', 'content-length': sent.length } : {}),
      },
      signal: AbortSignal.timeout(DEADLINE_MS),
    };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const send = url.startsWith('https:') ? httpsRequest : httpRequest;
      send(url, options, resolve).on('error', reject).end(sent);
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES_MAX) throw new Error(`the answer has more than ${BODY_BYTES_MAX} bytes`);
      chunks.push(chunk);
    }
    return { status: response.statusCode ?? 0, body: jsonOr(Buffer.concat(chunks).toString()) };
  } catch (error) {
    throw clusterErrors.unreachable(`${method} ${url}: ${messageOf(error)}`);
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
