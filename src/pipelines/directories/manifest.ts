import { z } from 'zod';
import { messageOf } from '#core/errors';
import { type Digest, digestOf } from '#core/hash';
import { canonicalJson } from '#core/json';
import type { BlobStore } from '#ports/blob-store';
import { pipelineErrors } from '../errors.ts';
import type { Artifact } from '../shapes.ts';
import { digestSchema } from '../spec.ts';
import { folderAmong } from '../step-files.ts';

export const DIRECTORY_FILES_MAX = 10_000;
export const DIRECTORY_PATH_LENGTH_MAX = 500;
/** What so many files with such paths may take as JSON. Whoever collects garbage reads manifests up to this size. */
const MANIFEST_BYTES_MAX = 32 * 1024 * 1024;

const directoryFile = z.strictObject({
  path: z.string().max(DIRECTORY_PATH_LENGTH_MAX).refine(isInside, 'expected a path inside of the directory'),
  digest: digestSchema,
  bytes: z.number().int().min(0),
});
export type DirectoryFile = z.output<typeof directoryFile>;

/** What is stored for a directory: its files by path, each kept under its own digest. */
const directoryManifest = z
  .strictObject({ kind: z.literal('directory'), files: z.array(directoryFile).max(DIRECTORY_FILES_MAX) })
  .refine(({ files }) => files.every((file, i) => i === 0 || (files[i - 1] as DirectoryFile).path < file.path), {
    message: 'expected each path once, in order',
    path: ['files'],
  })
  .refine(({ files }) => folderAmong(files.map(({ path }) => path)) === undefined, {
    message: 'expected no path that is both a file and a folder',
    path: ['files'],
  });

/** Whether a path stays below the directory, and can be the name of a file on any machine that has UTF-8 names. */
export function isInside(path: string): boolean {
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) return false;
  // U+FFFD stands for bytes that are no UTF-8: such a name cannot be written again as it was.
  return path.isWellFormed() && !/[\p{Cc}\ufffd]/u.test(path);
}

/** The manifest of files, as its canonical text, and what it is as an output. Equal content has an equal digest. */
export function manifestOf(found: readonly DirectoryFile[]): { readonly text: string; readonly artifact: Artifact } {
  const files = [...found].sort((a, b) => (a.path < b.path ? -1 : 1));
  const text = canonicalJson({ kind: 'directory', files });
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const directory = { files: files.length, bytes };
  return { text, artifact: { digest: digestOf(text), bytes: Buffer.byteLength(text), directory } };
}

/** The files of a stored directory. Fails with `pipelines/directory-invalid` for content that is no manifest of one. */
export async function filesOfDirectory(blobs: Pick<BlobStore, 'read'>, digest: Digest): Promise<DirectoryFile[]> {
  const bytes = await blobs.read(digest, { bytesMax: MANIFEST_BYTES_MAX });
  const text = new TextDecoder().decode(bytes);
  const refuse = (why: string): Error => pipelineErrors['directory-invalid'](`${digest} is no directory: ${why}`);
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw refuse(messageOf(error));
  }
  const parsed = directoryManifest.safeParse(found);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refuse(`${issue?.path.join('.')} ${issue?.message}`);
  }
  if (manifestOf(parsed.data.files).text !== text) throw refuse('its JSON is not canonical');
  return parsed.data.files;
}
