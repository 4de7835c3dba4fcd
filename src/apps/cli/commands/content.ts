import { Readable } from 'node:stream';
import { addressFrom } from '../connection.ts';
import { UsageError } from '../failure.ts';
import type { CommandOptions } from './connected.ts';

/** Content of the blob store as a stream. */
export async function contentOf(
  options: CommandOptions,
  digest: string,
  range?: { readonly start: number; readonly end: number },
): Promise<AsyncIterable<Uint8Array>> {
  const { url, token } = addressFrom(options);
  const response = await fetch(`${url}/api/v1/blobs/${digest}`, {
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(range ? { range: `bytes=${range.start}-${range.end - 1}` } : {}),
    },
  });
  if (!response.ok || !response.body) throw new UsageError(`${response.url} answered ${response.status}`);
  return Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
}
