import type { DomainParts } from '#platform/domain';
import { UploadService } from './artifacts/index.ts';
import { trackingHandlers } from './handlers.ts';
import { ImportService } from './imports/service.ts';
import { TraceImportService } from './imports/traces.ts';
import { artifactProtocol } from './protocol/artifacts/index.ts';
import { trackingProtocol } from './protocol/mlflow/routes.ts';
import { otlpProtocolGroup } from './protocol/otlp/routes.ts';
import { TrackingService } from './service.ts';
import { placeDefaultExperiment, type TrackingDeps } from './services/deps.ts';
import { ExploreService } from './services/explore.ts';
import { TraceExploreService } from './traces/explore.ts';
import { TraceService } from './traces/service.ts';
import { SpanService } from './traces/spans.ts';

export type { ArtifactLock, ArtifactOwner, ArtifactPlace } from './artifacts/index.ts';
export type { Artifact, Experiment, LogBatch, RunDraft } from './contract.ts';
export { trackingErrors } from './errors.ts';
export { trackingMigrations } from './migrations/index.ts';
export type { MetricPoint, Run } from './model.ts';
export { type Purged, purgeDeleted } from './services/purge.ts';
export { lineageOf as trackedLineage } from './store/lineage.ts';

export type Tracking = TrackingService & {
  readonly parts: DomainParts;
  /** Has the experiment `0` keep its files where the configuration says, for as long as it has no runs. */
  placeDefaultExperiment(): Promise<void>;
};

/** Tracking: experiments and their runs, with what each run was given, measured and left behind. */
export function createTracking(deps: TrackingDeps): Tracking {
  const service = new TrackingService(deps);
  const uploads = new UploadService({ ...deps, artifacts: service.artifacts });
  const traces = new TraceService(deps);
  const spans = new SpanService(deps, traces);
  const parts: DomainParts = {
    routes: [
      trackingHandlers(service, {
        explore: new ExploreService(deps),
        imports: new ImportService(deps),
        traceImports: new TraceImportService(deps),
        traces: new TraceExploreService(deps, { traces, artifacts: service.artifacts }),
      }),
    ],
    protocols: [
      trackingProtocol(deps, { artifacts: service.artifacts, traces, spans }),
      otlpProtocolGroup(spans),
      artifactProtocol({ ...deps, artifacts: service.artifacts, uploads }),
    ],
    consumers: [],
    jobs: [uploads.expiry()],
  };
  return Object.assign(service, { parts, placeDefaultExperiment: () => placeDefaultExperiment(deps) });
}
