import type { Digest } from '#core/hash';
import type { ForeignReply, ForeignRequest, RequestContext } from '#platform/http';
import { type BlobStore, type ByteRange, blobErrors } from '#ports/blob-store';
import type { ArtifactService } from '../../artifacts/index.ts';
import { mlflowProtocol } from '../mlflow/mlflow.ts';
import { placeInUrl } from './place.ts';

interface DownloadDeps {
  readonly artifacts: ArtifactService;
  readonly blobs: BlobStore;
}

/**
 * A file, or one range of it (RFC 9110, section 14). The digest is the entity tag, so a download that broke off goes on
 * with `Range` and `If-Range` and is never continued with other content. A whole file is checked against its digest
 * before its last bytes leave, so damaged content reaches nobody whole.
 */
export async function download(
  deps: DownloadDeps,
  request: ForeignRequest,
  ctx: RequestContext,
): Promise<ForeignReply> {
  const { digest, bytes, path } = await deps.artifacts.find(placeInUrl(request), ctx);
  const etag = `"${digest}"`;
  const headers = {
    etag,
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(path.split('/').at(-1) ?? '')}`,
    // The files are anybody's: no browser may take one for a page or a script of this origin.
    'x-content-type-options': 'nosniff',
  };
  if (textOf(request, 'if-none-match') === etag) return { status: 304, headers: { etag }, body: '' };
  const ifRange = textOf(request, 'if-range');
  const range = ifRange === undefined || ifRange === etag ? rangeOf(textOf(request, 'range'), bytes) : 'whole';
  if (range === 'outside') return unsatisfiable(bytes);
  if (range === 'whole') {
    return { headers: { ...headers, 'content-length': String(bytes) }, body: await contentOf(deps.blobs, digest) };
  }
  const { start, end } = range;
  return {
    status: 206,
    headers: {
      ...headers,
      'content-range': `bytes ${start}-${end - 1}/${bytes}`,
      'content-length': String(end - start),
    },
    body: await contentOf(deps.blobs, digest, range),
  };
}

async function contentOf(blobs: BlobStore, digest: Digest, range?: ByteRange): Promise<ForeignReply['body']> {
  if (!blobs.send) return blobs.get(digest, range);
  return { pushTo: async (take) => blobs.send?.(digest, take, range) };
}

/** One range in bytes. Anything else, several ranges among it, is answered with the whole, as the standard allows. */
function rangeOf(header: string | undefined, bytes: number): { start: number; end: number } | 'whole' | 'outside' {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (first === '' && last === '') return 'whole';
  if (first === '') {
    const length = Math.min(Number(last), bytes);
    return length === 0 ? 'outside' : { start: bytes - length, end: bytes };
  }
  const start = Number(first);
  const end = last === '' ? bytes : Math.min(Number(last) + 1, bytes);
  if (last !== '' && Number(last) < start) return 'whole';
  return start < bytes ? { start, end } : 'outside';
}

function unsatisfiable(bytes: number): ForeignReply {
  const error = blobErrors['invalid-range'](`the range lies outside the ${bytes} bytes of the file`);
  const reply = mlflowProtocol.answerError(error);
  return { ...reply, status: 416, headers: { ...reply.headers, 'content-range': `bytes */${bytes}` } };
}

function textOf(request: ForeignRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
