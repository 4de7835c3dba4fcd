import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import type { ForeignRequest } from '#platform/http';
import { otlpErrors } from './errors.ts';

const UNPACKERS = { gzip: promisify(gunzip), deflate: promisify(inflate) } as const;

/** The body, unpacked. Errors: `otlp/too-large` for one that is larger than `bytesMax` then, `otlp/malformed`. */
export async function bodyOf(request: ForeignRequest, bytesMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request.bytes) chunks.push(chunk);
  const packed = Buffer.concat(chunks);
  const encoding = String(request.headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding === 'identity' || encoding === '') return packed;
  if (!Object.hasOwn(UNPACKERS, encoding)) {
    throw otlpErrors['unknown-type'](`content-encoding: expected gzip or deflate, found '${encoding.slice(0, 40)}'`);
  }
  try {
    return await UNPACKERS[encoding as keyof typeof UNPACKERS](packed, { maxOutputLength: bytesMax });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw otlpErrors['too-large'](`the body is larger than ${bytesMax} bytes once it is unpacked`);
    }
    throw otlpErrors.malformed(`the body is not ${encoding}: ${(error as Error).message}`);
  }
}
