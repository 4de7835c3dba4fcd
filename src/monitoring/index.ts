import type { DomainParts } from '#platform/domain';
import { monitoringHandlers } from './handlers.ts';
import { monitoringJobs } from './jobs.ts';
import type { MonitoringDeps } from './service/deps.ts';
import type { Readings } from './service/readings.ts';
import type { Recording } from './service/recording.ts';
import { MonitoringService } from './service/service.ts';

export type {
  AdvanceView,
  AlertSpec,
  BlockView,
  FigureView,
  Label,
  MonitorSpec,
  PredictionRecord,
  SignalView,
  SkewReport,
  SummaryView,
} from './contract.ts';
export type { Reference, Signature } from './drift.ts';
export { monitoringErrors } from './errors.ts';
export { monitoringSignal, watermarkAdvanced } from './events.ts';
export { monitoringKinds } from './kinds.ts';
export { monitoringMigrations } from './migrations/index.ts';
export type { EntityRow, MonitoringDeps, RecomputedFeatures } from './service/deps.ts';

export interface Monitoring extends Pick<MonitoringService, 'advance' | 'auditSkew'>, Pick<Recording, keyof Recording> {
  readonly readings: Readings;
  readonly parts: DomainParts;
}

/** Monitoring: predictions and labels in, versioned figures, drift, signals and comparison blocks out. */
export function createMonitoring(deps: MonitoringDeps): Monitoring {
  const service = new MonitoringService(deps);
  return {
    recordPredictions: service.recording.recordPredictions.bind(service.recording),
    recordLabels: service.recording.recordLabels.bind(service.recording),
    advance: service.advance.bind(service),
    auditSkew: service.auditSkew.bind(service),
    readings: service.readings,
    parts: { routes: [monitoringHandlers(service)], consumers: [], jobs: monitoringJobs(service) },
  };
}
