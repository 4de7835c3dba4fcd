import { KedgeError } from '#core/errors';
import { type Artifact, type DirectoryFile, filesOfDirectory, type StepView } from '#pipelines';
import { mayUse } from '#platform/access';
import type { BlobStore } from '#ports/blob-store';
import type { ModelSources } from '#registry';

/** What the steps of a pipeline's run made so far, for versions that a step registers. */
export function pipelineContent(
  pipelines: () => { run(id: string): Promise<{ readonly steps: readonly Pick<StepView, 'outputs'>[] }> },
  blobs: Pick<BlobStore, 'read'>,
): NonNullable<ModelSources['pipelineRun']> {
  return async ({ actor }, id) => {
    if (!mayUse(actor, 'pipelines:read')) return undefined;
    const run = await pipelines()
      .run(id)
      .catch((error: unknown) => {
        if (error instanceof KedgeError && error.status === 404) return undefined;
        throw error;
      });
    const outputs = run?.steps.flatMap((step) => Object.entries(step.outputs));
    return (
      outputs && {
        runId: id,
        metrics: {},
        files: async () => (await Promise.all(outputs.map((output) => filesOf(output, blobs)))).flat(),
      }
    );
  };
}

/** A file under the name of the output; of a directory each of its files, below that name. */
async function filesOf(
  [name, { digest, bytes, directory }]: readonly [string, Artifact],
  blobs: Pick<BlobStore, 'read'>,
): Promise<DirectoryFile[]> {
  if (!directory) return [{ path: name, digest, bytes }];
  return (await filesOfDirectory(blobs, digest)).map((file) => ({ ...file, path: `${name}/${file.path}` }));
}
