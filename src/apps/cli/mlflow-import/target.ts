import { Readable } from 'node:stream';
import type { Kedge } from '#client';
import { UsageError } from '../failure.ts';

/** Where an import goes: the control plane, by its API and, for the bytes of files, by the artifact proxy. */
export interface ImportTarget {
  readonly kedge: Kedge;
  readonly url: string;
  readonly token: string | undefined;
  readonly project: string | undefined;
}

/** Streams a file to where the proxy keeps it: `<experiment>/<run>/artifacts/<path>`. */
export async function sendFile(target: ImportTarget, place: string, bytes: Readable): Promise<number> {
  const { url, token, project } = target;
  let sent = 0;
  bytes.on('data', (chunk: Uint8Array) => {
    sent += chunk.byteLength;
  });
  bytes.pause();
  const path = place.split('/').map(encodeURIComponent).join('/');
  const response = await fetch(`${url}/api/2.0/mlflow-artifacts/artifacts/${path}`, {
    method: 'PUT',
    headers: {
      'content-type': 'application/octet-stream',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(project ? { 'x-mlflow-workspace': project } : {}),
    },
    body: Readable.toWeb(bytes) as ReadableStream<Uint8Array>,
    duplex: 'half',
  } as RequestInit);
  const text = await response.text();
  if (response.ok) return sent;
  throw new UsageError(`${place}: ${response.status} ${text.slice(0, 500)}`);
}
