import { KedgeError } from '#core/errors';
import type { Context, Database } from '#platform/db';
import { assertDigest, type BlobStore, blobErrors, type StoredBlob } from '#ports/blob-store';
import { pipelineErrors } from '../errors.ts';
import type { PipelineSpec } from '../spec.ts';
import { STEP_FILES_BYTES_MAX } from '../step-files.ts';

/**
 * Refuses a pipeline that is made of content which is not stored: `pipelines/code-missing`, and of files of its steps
 * `pipelines/file-missing`, or `pipelines/files-invalid` where they are too large.
 */
export async function requireContent(
  blobs: BlobStore,
  { pipeline, spec }: { readonly pipeline: string; readonly spec: PipelineSpec | undefined },
): Promise<void> {
  const code = spec?.code;
  if (code !== undefined && !(await blobs.has(code))) {
    throw pipelineErrors['code-missing'](`the code ${code} of pipeline '${pipeline}' is not stored`);
  }
  const known = new Map<string, Promise<number | undefined>>();
  for (const { name, files = {} } of spec?.steps ?? []) {
    const sizes = Object.entries(files).map(async ([path, digest]) => {
      const size = known.get(digest) ?? sizeOf(blobs, digest);
      known.set(digest, size);
      return { path, digest, bytes: await size };
    });
    let total = 0;
    for (const { path, digest, bytes } of await Promise.all(sizes)) {
      if (bytes === undefined) {
        const where = `files.${path} of step '${name}' of pipeline '${pipeline}'`;
        throw pipelineErrors['file-missing'](`${where}, ${digest}, is not stored: declare it with kedge apply`);
      }
      total += bytes;
    }
    if (total <= STEP_FILES_BYTES_MAX) continue;
    const whose = `the files of step '${name}' of pipeline '${pipeline}'`;
    throw pipelineErrors['files-invalid'](`${whose} have ${total} bytes, the limit is ${STEP_FILES_BYTES_MAX}`);
  }
}

async function sizeOf(blobs: BlobStore, digest: string): Promise<number | undefined> {
  assertDigest(digest);
  try {
    return await blobs.size(digest);
  } catch (error) {
    if (error instanceof KedgeError && error.code === blobErrors['not-found'].code) return undefined;
    throw error;
  }
}

/** Stores a file for steps, which the limit of its route keeps small. */
export async function putFile(
  { blobs, db }: { readonly blobs: BlobStore; readonly db: Database },
  context: Context,
  bytes: AsyncIterable<Uint8Array>,
): Promise<StoredBlob> {
  const stored = await blobs.put(bytes);
  await db.transact(context, async (tx) => {
    tx.audit(`pipeline-file/${stored.digest}`, { bytes: stored.bytes });
  });
  return { digest: stored.digest, bytes: stored.bytes };
}
