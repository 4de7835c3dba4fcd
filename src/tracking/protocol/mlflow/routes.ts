import type { ForeignRoute, ProtocolGroup } from '#platform/http';
import type { ArtifactService } from '../../artifacts/index.ts';
import { EvaluationDatasetService } from '../../evaluation/datasets.ts';
import { ScorerService } from '../../evaluation/scorers.ts';
import { IssueService } from '../../issues/service.ts';
import type { TrackingDeps } from '../../services/deps.ts';
import { ExperimentService } from '../../services/experiments.ts';
import { LineageService } from '../../services/lineage.ts';
import { LogService } from '../../services/logging.ts';
import { MetricService } from '../../services/metrics.ts';
import { LoggedModelService } from '../../services/models.ts';
import { RunService } from '../../services/runs.ts';
import { AssessmentService } from '../../traces/assessments.ts';
import { TraceMetricService } from '../../traces/metrics/service.ts';
import { evaluationDatasetRoutes } from './evaluation/datasets.ts';
import { evaluationRecordRoutes } from './evaluation/records.ts';
import { scorerRoutes } from './evaluation/scorers.ts';
import { experimentRoutes } from './experiments.ts';
import { fileRoutes } from './files.ts';
import { issueRoutes } from './issues.ts';
import { lineageRoutes } from './lineage.ts';
import { loggedModelRoutes } from './logged-models.ts';
import { loggingRoutes } from './logging.ts';
import { metricRoutes } from './metrics.ts';
import { mlflowProtocol } from './protocol.ts';
import { runRoutes } from './runs.ts';
import { serverRoutes } from './server.ts';
import { assessmentRoutes } from './traces/assessments.ts';
import { earlierClientRoutes } from './traces/earlier-clients.ts';
import { traceMetricRoutes } from './traces/metrics.ts';
import type { TraceServices } from './traces/traces.ts';
import { traceRoutes } from './traces/traces.ts';

export interface TrackingServices extends TraceServices {
  readonly artifacts: ArtifactService;
}

/** Tracking, as MLflow's clients speak to it. */
export function trackingProtocol(deps: TrackingDeps, services: TrackingServices): ProtocolGroup {
  const runs = new RunService(deps);
  const models = new LoggedModelService(deps);
  const evaluation = new EvaluationDatasetService(deps);
  return {
    protocol: mlflowProtocol,
    routes: [
      ...serverRoutes(),
      ...[
        ...experimentRoutes(new ExperimentService(deps)),
        ...runRoutes(runs),
        ...loggingRoutes(new LogService(deps)),
        ...metricRoutes(new MetricService(deps)),
        ...lineageRoutes(new LineageService(deps)),
        ...loggedModelRoutes(models),
        ...fileRoutes({ artifacts: services.artifacts, runs, models }),
        ...traceRoutes(services),
        ...traceMetricRoutes(new TraceMetricService(deps)),
        ...earlierClientRoutes(services.traces),
        ...assessmentRoutes(new AssessmentService(deps)),
        ...evaluationDatasetRoutes(evaluation),
        ...evaluationRecordRoutes(evaluation),
        ...issueRoutes(new IssueService(deps)),
        ...scorerRoutes(new ScorerService(deps)),
      ].map(checkingObjects),
    ],
  };
}

/** The services ask for the level on each experiment that a request touches. */
function checkingObjects(route: ForeignRoute): ForeignRoute {
  return { ...route, checksObjects: true };
}
