import { type Digest, digestOf } from '#core/hash';
import { canonicalJson } from '#core/json';
import type { BlobStore } from '#ports/blob-store';
import { pipelineErrors } from '../errors.ts';

export const CODE_FILES_MAX = 200;
export const CODE_BYTES_MAX = 8 * 1024 * 1024;
/** What the canonical JSON of {@link CODE_BYTES_MAX} of text may grow to by escapes. */
const BUNDLE_BYTES_MAX = 2 * CODE_BYTES_MAX + CODE_FILES_MAX * 300;

const FILE_PATTERN = /^(?:[A-Za-z0-9_.@-]+\/)*[A-Za-z0-9_.@-]+\.(?:ts|mts|js|mjs|json)$/;

/** The modules of step functions and what they import, by path relative to the project directory. */
export interface CodeBundle {
  readonly files: Readonly<Record<string, string>>;
  /** The digest of the canonical JSON `{"files": {path: text}}`, under which the blob store keeps it. */
  readonly digest: Digest;
}

/** Fails with `pipelines/code-invalid` when the files break a limit or a path could leave the bundle's directory. */
export function bundleOf(files: Readonly<Record<string, string>>): CodeBundle {
  const paths = Object.keys(files);
  if (paths.length === 0) throw pipelineErrors['code-invalid']('a code bundle has at least one file');
  if (paths.length > CODE_FILES_MAX) {
    throw pipelineErrors['code-invalid'](`the bundle has ${paths.length} files, the limit is ${CODE_FILES_MAX}`);
  }
  let bytes = 0;
  for (const [path, text] of Object.entries(files)) {
    const parts = path.split('/');
    if (path.length > 250 || !FILE_PATTERN.test(path) || parts.some((part) => /^\.+$/.test(part))) {
      throw pipelineErrors['code-invalid'](`'${path.slice(0, 250)}' cannot be the path of a file of a bundle`);
    }
    bytes += Buffer.byteLength(text);
  }
  if (bytes > CODE_BYTES_MAX) {
    throw pipelineErrors['code-invalid'](`the bundle has ${bytes} bytes, the limit is ${CODE_BYTES_MAX}`);
  }
  return { files, digest: digestOf(canonicalJson({ files })) };
}

/** Reads a bundle as it was sent or stored. Fails with `pipelines/code-invalid`. */
export async function readBundle(bytes: AsyncIterable<Uint8Array>): Promise<CodeBundle> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of bytes) {
    total += chunk.length;
    if (total > BUNDLE_BYTES_MAX) {
      throw pipelineErrors['code-invalid'](`the bundle has more than ${BUNDLE_BYTES_MAX} bytes of JSON`);
    }
    chunks.push(chunk);
  }
  return bundleOf(filesOf(Buffer.concat(chunks).toString('utf8')));
}

/** Stores the bundle's canonical JSON, so that its digest in the store is the digest of the code. */
export async function storeBundle(blobs: BlobStore, bundle: CodeBundle): Promise<void> {
  await blobs.put(Buffer.from(canonicalJson({ files: bundle.files })));
}

function filesOf(text: string): Record<string, string> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw pipelineErrors['code-invalid']('a code bundle is JSON: {"files": {"steps.ts": "…"}}');
  }
  const files = parsed && typeof parsed === 'object' && 'files' in parsed ? parsed.files : undefined;
  const isTexts = files && typeof files === 'object' && Object.values(files).every((item) => typeof item === 'string');
  if (!isTexts) throw pipelineErrors['code-invalid']('a code bundle has files: an object of path to text');
  return files as Record<string, string>;
}
