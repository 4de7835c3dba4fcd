import type { DomainParts } from '#platform/domain';
import { trackingHandlers } from './handlers.ts';
import { type TrackingDeps, TrackingService } from './service.ts';

export type { Artifact, Experiment, LogBatch, RunDraft } from './contract.ts';
export { trackingErrors } from './errors.ts';
export { trackingMigrations } from './migrations/index.ts';
export type { MetricPoint, Run } from './model.ts';

export type Tracking = TrackingService & { readonly parts: DomainParts };

/** Tracking: experiments and their runs, with what each run was given, measured and left behind. */
export function createTracking(deps: TrackingDeps): Tracking {
  const service = new TrackingService(deps);
  const parts: DomainParts = { routes: [trackingHandlers(service)], consumers: [], jobs: [] };
  return Object.assign(service, { parts });
}
