import type { Digest } from '#core/hash';
import { assertDigest, type BlobStore } from '#ports/blob-store';
import type { Artifact } from '../contract.ts';
import { filesOfDirectory } from '../directories/manifest.ts';
import type { StepDefinition } from '../store/steps.ts';

/** How many things that are missing one message names. */
const NAMED_MAX = 10;

/** What a run was made from and is not in the blob store any more, each in words that name it. */
export async function missingOf(
  blobs: BlobStore,
  run: {
    readonly code: Digest | null;
    readonly definitions: readonly { readonly name: string; readonly definition: StepDefinition }[];
  },
): Promise<string[]> {
  const missing: string[] = [];
  const usesCode = run.definitions.some(({ definition }) => definition.function);
  if (usesCode && run.code && !(await blobs.has(run.code))) {
    missing.push(`its code bundle ${run.code} is gone: check out the commit of its record and apply that`);
  }
  missing.push(...(await missingFiles(blobs, run.definitions)));
  const known = new Map<string, string | undefined>();
  for (const { name, definition } of run.definitions) {
    for (const [input, artifact] of Object.entries(definition.pinned)) {
      if (!known.has(artifact.digest)) known.set(artifact.digest, await goneOf(blobs, artifact));
      const gone = known.get(artifact.digest);
      if (gone) missing.push(`step '${name}' reads ${definition.inputs[input]} as '${input}', and ${gone}`);
      if (missing.length >= NAMED_MAX) return [...missing, '…'];
    }
  }
  return missing;
}

async function missingFiles(
  blobs: BlobStore,
  definitions: readonly { readonly name: string; readonly definition: StepDefinition }[],
): Promise<string[]> {
  const missing: string[] = [];
  for (const { name, definition } of definitions) {
    for (const [path, digest] of Object.entries(definition.files ?? {})) {
      assertDigest(digest);
      if (missing.length < NAMED_MAX && !(await blobs.has(digest))) {
        missing.push(`the file ${path} of step '${name}' is gone, ${digest}`);
      }
    }
  }
  return missing;
}

async function goneOf(blobs: BlobStore, { digest, manifest, directory }: Artifact): Promise<string | undefined> {
  if (!(await blobs.has(digest))) return `its content ${digest} is gone`;
  for (const file of directory ? await filesOfDirectory(blobs, digest) : []) {
    if (!(await blobs.has(file.digest))) return `its file ${file.path}, ${file.digest}, is gone`;
  }
  if (!manifest) return undefined;
  const listed = JSON.parse(new TextDecoder().decode(await blobs.read(digest))) as {
    readonly blobs: readonly { readonly digest: Digest }[];
  };
  for (const part of listed.blobs) if (!(await blobs.has(part.digest))) return `its part ${part.digest} is gone`;
  return undefined;
}
