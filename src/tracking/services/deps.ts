import type { DomainDeps } from '#platform/domain';
import type { BlobStore } from '#ports/blob-store';
import type { ArtifactLock } from '../artifacts/index.ts';
import { placeUnusedExperiment } from '../store/experiments.ts';

export interface TrackingDeps extends DomainDeps {
  readonly blobs: BlobStore;
  /** Who relies on files of runs and logged models to stay as they are. */
  readonly lock?: ArtifactLock | undefined;
  /** Where experiments keep their files unless told: the proxy, or a place that clients write to themselves. */
  readonly artifactRoot?: string;
}

export const ARTIFACT_ROOT = 'mlflow-artifacts:/';

/** Where an experiment keeps its files. */
export function artifactLocationOf(deps: TrackingDeps): (experiment: string) => string {
  const root = deps.artifactRoot ?? ARTIFACT_ROOT;
  return (experiment) => (root.endsWith('/') ? `${root}${experiment}` : `${root}/${experiment}`);
}

/** Where a run keeps its files, in MLflow's layout. */
export function artifactUriOf(artifactLocation: string, run: string): string {
  return `${artifactLocation.replace(/\/$/, '')}/${run}/artifacts`;
}

/** Migrations make the experiment `0`, and they do not know the configuration. */
export async function placeDefaultExperiment(deps: TrackingDeps): Promise<void> {
  await deps.db.maintain((tx) => placeUnusedExperiment(tx.db, '0', artifactLocationOf(deps)('0')));
}
