import { Readable } from 'node:stream';
import type { Kedge } from '#client';
import { UsageError } from '../failure.ts';
import { SourceError } from './source.ts';

/** Where an import goes: the control plane, by its API and, for the bytes of files, by the artifact proxy. */
export interface ImportTarget {
  readonly kedge: Kedge;
  readonly url: string;
  readonly token: string | undefined;
  readonly project: string | undefined;
}

/** Streams a file to where the proxy keeps it: `<experiment>/<run>/artifacts/<path>`. */
export async function sendFile(target: ImportTarget, place: string, bytes: Readable): Promise<number> {
  const { url } = target;
  let sent = 0;
  bytes.on('data', (chunk: Uint8Array) => {
    sent += chunk.byteLength;
  });
  bytes.pause();
  const path = place.split('/').map(encodeURIComponent).join('/');
  const response = await fetch(`${url}/api/2.0/mlflow-artifacts/artifacts/${path}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream', ...headersOf(target) },
    body: Readable.toWeb(bytes) as ReadableStream<Uint8Array>,
    duplex: 'half',
  } as RequestInit);
  const text = await response.text();
  if (response.ok) return sent;
  throw new UsageError(`${place}: ${response.status} ${text.slice(0, 500)}`);
}

/** Asks with a body, or reads without one, where the API of the platform itself has no such operation. */
export async function sendJson(target: ImportTarget, path: string, body: object | undefined): Promise<unknown> {
  const response = await fetch(`${target.url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...headersOf(target), 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (response.ok) return JSON.parse(text);
  throw new SourceError(`${response.status} ${text.slice(0, 500)}`);
}

function headersOf({ token, project }: ImportTarget): Record<string, string> {
  return {
    ...(token ? { authorization: `Bearer ${token}` } : {}),
    ...(project ? { 'x-mlflow-workspace': project } : {}),
  };
}
