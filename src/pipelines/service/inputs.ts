import type { Tx } from '#platform/db';
import type { BlobStore } from '#ports/blob-store';
import type { Artifact } from '../contract.ts';
import { parseOutputRef } from '../graph.ts';
import type { StepDefinition } from '../store/steps.ts';
import { unitManifest } from './units.ts';

/** The inputs of a step. Lists of what units wrote are put into the blob store here, by the digest that they have. */
export async function inputsFor(
  tx: Pick<Tx, 'db'>,
  of: {
    readonly run: string;
    readonly definition: StepDefinition;
    /** As they are stored. */
    readonly inputs: Readonly<Record<string, Artifact>>;
  },
  { blobs }: { readonly blobs: BlobStore },
): Promise<Record<string, Artifact>> {
  const inputs = { ...of.inputs };
  for (const [name, artifact] of Object.entries(inputs)) {
    const isPinned = !artifact.manifest || of.definition.pinned[name] !== undefined;
    const ref = isPinned ? undefined : parseOutputRef(of.definition.inputs[name] ?? '');
    if (!ref || (await blobs.has(artifact.digest))) continue;
    const { text } = await unitManifest(tx, { run: of.run, ...ref });
    await blobs.put(Buffer.from(text));
  }
  return inputs;
}
