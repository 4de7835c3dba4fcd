import { Readable } from 'node:stream';
import type { HttpServer } from '#platform/http';
import { assertDigest, type BlobStore } from '#ports/blob-store';

export { collectGarbage, type Garbage } from './garbage.ts';

/** Where content is served by digest, with ranges. */
export const BLOB_PATH = '/api/v1/blobs/:digest';

/** Serves content by digest. Content never changes under its digest, so clients may keep it for ever. */
export function serveBlobs(server: HttpServer, blobs: BlobStore): void {
  server.app.get(BLOB_PATH, { config: { access: 'blobs:read' } }, async (request, reply) => {
    const { digest } = request.params as { digest: string };
    assertDigest(digest);
    const bytes = await blobs.size(digest);
    const range = parseRange(request.headers.range, bytes);
    reply.header('cache-control', 'private, max-age=31536000, immutable').header('accept-ranges', 'bytes');
    reply.type('application/octet-stream');
    if (!range) return reply.header('content-length', bytes).send(Readable.from(await blobs.get(digest)));
    return reply
      .status(206)
      .header('content-range', `bytes ${range.start}-${range.end - 1}/${bytes}`)
      .header('content-length', range.end - range.start)
      .send(Readable.from(await blobs.get(digest, range)));
  });
}

/** One range of RFC 9110; anything else is answered with the whole content, as the standard allows. */
function parseRange(header: string | undefined, bytes: number): { start: number; end: number } | undefined {
  const match = /^bytes=(\d+)-(\d*)$/.exec(header ?? '');
  if (!match) return undefined;
  const start = Number(match[1]);
  const end = match[2] ? Math.min(Number(match[2]) + 1, bytes) : bytes;
  return start < end ? { start, end } : undefined;
}
