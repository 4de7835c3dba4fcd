import { z } from 'zod';
import { accessErrors } from '#platform/access';
import type { ForeignRequest, ForeignRoute } from '#platform/http';
import type { UploadService } from '../../artifacts/index.ts';
import { checked } from '../../errors.ts';
import { jsonReply } from '../mlflow/mlflow.ts';
import { placeInUrl, proxyPaths } from './place.ts';

const PART_BYTES_MAX = 5 * 1024 ** 3;
/** Ten thousand parts, each with its address and its digest. */
const PARTS_JSON_BYTES_MAX = 8 * 1024 * 1024;
const KEY_HEADER = 'x-kedge-upload-key';

const uploadId = z.string().regex(/^\w{1,100}$/);
const createBody = z.object({ path: z.string().min(1), num_parts: z.coerce.number() });
const completeBody = z.object({
  path: z.string().min(1),
  upload_id: uploadId,
  parts: z.array(z.object({ part_number: z.coerce.number(), etag: z.string() })),
});
const abortBody = z.object({ path: z.string().min(1), upload_id: uploadId });

/**
 * Uploads in parts. A part goes to an address of ours, without the credentials of the caller: what lets it in is the
 * key that only the caller of `create` was told, and it is good for the parts of that upload alone.
 */
export function multipartRoutes({ uploads }: { readonly uploads: UploadService }): readonly ForeignRoute[] {
  return [
    {
      name: 'mlflow.createMultipartUpload',
      method: 'POST',
      paths: proxyPaths('mpu/create/*'),
      permission: 'tracking:write',
      audit: 'artifact.begin-upload',
      takes: 'json',
      async handler(request, ctx) {
        const body = checked(createBody, request.body, 'body');
        const upload = await uploads.begin(ctx, placeOf(request, body.path), body.num_parts);
        const root = addressOf(request);
        const credentials = Array.from({ length: upload.parts }, (_, i) => ({
          url: `${root}/api/2.0/mlflow-artifacts/mpu/part/${upload.id}/${i + 1}`,
          part_number: i + 1,
          headers: { [KEY_HEADER]: upload.key },
        }));
        return jsonReply({ upload_id: upload.id, credentials });
      },
    },
    partRoute(uploads),
    arrivedRoute(uploads),
    {
      name: 'mlflow.completeMultipartUpload',
      method: 'POST',
      paths: proxyPaths('mpu/complete/*'),
      permission: 'tracking:write',
      audit: 'artifact.put',
      takes: 'json',
      bodyBytesMax: PARTS_JSON_BYTES_MAX,
      async handler(request, ctx) {
        const body = checked(completeBody, request.body, 'body');
        const named = body.parts.map(({ part_number, etag }) => ({
          part: part_number,
          digest: etag.replaceAll('"', ''),
        }));
        await uploads.complete(ctx, { id: body.upload_id, place: placeOf(request, body.path) }, named);
        return jsonReply({});
      },
    },
    {
      name: 'mlflow.abortMultipartUpload',
      method: 'POST',
      paths: proxyPaths('mpu/abort/*'),
      permission: 'tracking:write',
      audit: 'artifact.abort-upload',
      takes: 'json',
      async handler(request, ctx) {
        const body = checked(abortBody, request.body, 'body');
        await uploads.abort(ctx, body.upload_id, placeOf(request, body.path));
        return jsonReply({});
      },
    },
  ];
}

function partRoute(uploads: UploadService): ForeignRoute {
  return {
    name: 'mlflow.uploadPart',
    method: 'PUT',
    paths: proxyPaths('mpu/part/:upload/:part'),
    permission: 'public',
    audit: 'artifact.put-part',
    takes: 'bytes',
    bodyBytesMax: PART_BYTES_MAX,
    async handler({ params, headers, bytes }) {
      const { upload = '', part = '' } = params;
      await requireKey(uploads, upload, headers);
      const digest = await uploads.putPart(upload, Number(part), bytes);
      return { ...jsonReply({}), headers: { 'content-type': 'application/json', etag: `"${digest}"` } };
    },
  };
}

/** What has arrived of an upload, for whoever holds its key and goes on after a break. MLflow has no such call. */
function arrivedRoute(uploads: UploadService): ForeignRoute {
  return {
    name: 'mlflow.listParts',
    method: 'GET',
    paths: proxyPaths('mpu/part/:upload'),
    permission: 'public',
    reads: true,
    async handler({ params, headers }) {
      const { upload = '' } = params;
      await requireKey(uploads, upload, headers);
      const { parts, arrived } = await uploads.arrived(upload);
      return jsonReply({
        upload_id: upload,
        num_parts: parts,
        parts: arrived.map(({ part, digest, bytes }) => ({ part_number: part, etag: `"${digest}"`, size: bytes })),
      });
    },
  };
}

async function requireKey(uploads: UploadService, upload: string, headers: ForeignRequest['headers']): Promise<void> {
  if (await uploads.admits(upload, String(headers[KEY_HEADER] ?? ''))) return;
  throw accessErrors.unauthenticated(
    `parts are sent and listed with the ${KEY_HEADER} header that their upload was given`,
  );
}

/** The client names the file as it lies on its own disk, in the manner of its system; only the last name counts. */
function placeOf(request: ForeignRequest, localPath: string) {
  return placeInUrl(request, localPath.split(/[/\\]/).at(-1) ?? '');
}

/** Where the client reached this server, so that the parts reach it in the same way. */
function addressOf({ headers }: ForeignRequest): string {
  const scheme = headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
  return `${scheme}://${headers['host'] ?? 'localhost'}`;
}
