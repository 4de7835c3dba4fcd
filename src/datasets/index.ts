import type { DomainParts } from '#platform/domain';
import type { ResourceKind } from '#platform/resources';
import { type DatasetSpec, datasetSpec } from './contract.ts';
import { datasetHandlers } from './handlers.ts';
import { DatasetService, type DatasetsDeps } from './service.ts';

export type { BatchView, DatasetSpec, SnapshotView, ValidationReport } from './contract.ts';
export { datasetErrors } from './errors.ts';
export { datasetCommitted, datasetQuarantined } from './events.ts';
export { datasetMigrations } from './migrations/index.ts';
export type { Segment } from './model.ts';

export interface Datasets extends Pick<DatasetService, 'commit' | 'release' | 'batches' | 'snapshot' | 'snapshotIn'> {
  readonly parts: DomainParts;
}

export const datasetKinds: readonly ResourceKind[] = [
  { kind: 'dataset', schema: datasetSpec } satisfies ResourceKind<DatasetSpec>,
];

/** Datasets: batches in, validated, committed as immutable segments, or held. */
export function createDatasets(deps: DatasetsDeps): Datasets {
  const service = new DatasetService(deps);
  return {
    commit: service.commit.bind(service),
    release: service.release.bind(service),
    batches: service.batches.bind(service),
    snapshot: service.snapshot.bind(service),
    snapshotIn: service.snapshotIn.bind(service),
    parts: { routes: [datasetHandlers(service)], consumers: [], jobs: [] },
  };
}
