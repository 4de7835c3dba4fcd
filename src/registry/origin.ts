import { KedgeError } from '#core/errors';
import { mayUse } from '#platform/access';
import type { RequestContext } from '#platform/http';
import { registryErrors } from './errors.ts';
import type { VersionArtifact } from './shapes.ts';
import type { ModelSources, SourceOwner } from './sources.ts';

/**
 * Throws `registry/source` unless the run is there, the caller may read it, and it has every artifact, under whichever
 * path. Without a run the content is only what the caller could read anyway by its digest: nobody gets at what is in
 * another project by registering it.
 */
export async function requireOrigin(
  sources: ModelSources,
  context: RequestContext,
  { run, artifacts }: { readonly run?: string | undefined; readonly artifacts: readonly VersionArtifact[] },
): Promise<void> {
  if (run === undefined) {
    if (mayUse(context.actor, 'blobs:read')) return;
    throw registryErrors.source('run: name the run that made the artifacts');
  }
  const owner = (await unlessMissing(sources.run(context, run))) ?? (await sources.pipelineRun?.(context, run));
  if (!owner) throw registryErrors.source(`there is no run '${run}'`);
  const here = new Set((await owner.files('')).map(contentOf));
  const foreign = artifacts.find((artifact) => !here.has(contentOf(artifact)));
  if (!foreign) return;
  const { path, digest, bytes } = foreign;
  throw registryErrors.source(`run '${run}' has no file of ${bytes} bytes with ${digest}, which is told for '${path}'`);
}

const contentOf = ({ digest, bytes }: Pick<VersionArtifact, 'digest' | 'bytes'>): string => `${digest} ${bytes}`;

async function unlessMissing(found: Promise<SourceOwner>): Promise<SourceOwner | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof KedgeError && error.status === 404) return undefined;
    throw error;
  }
}
