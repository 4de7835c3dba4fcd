import { z } from 'zod';
import { contract, route } from '#platform/contract';

export const BLOB_UPLOAD_BYTES_MAX = 1_073_741_824;

export const blobsContract = contract({
  putBlob: route({
    method: 'POST',
    path: '/api/v1/blobs',
    summary: 'Store content by its digest; storing it again changes nothing',
    permission: 'blobs:write',
    upload: ['application/octet-stream'],
    bodyBytesMax: BLOB_UPLOAD_BYTES_MAX,
    reply: z.object({ digest: z.string(), bytes: z.number().int() }),
    errors: ['blob/too-large', 'blob/no-space'],
    audit: 'blob.put',
  }),
});

/** Where content is served by digest, with ranges. */
export const BLOB_PATH = '/api/v1/blobs/:digest';
