import type { ForeignRoute, ProtocolGroup } from '#platform/http';
import type { ArtifactService } from '../../artifacts/index.ts';
import type { TrackingDeps } from '../../services/deps.ts';
import { ExperimentService } from '../../services/experiments.ts';
import { LineageService } from '../../services/lineage.ts';
import { LogService } from '../../services/logging.ts';
import { MetricService } from '../../services/metrics.ts';
import { LoggedModelService } from '../../services/models.ts';
import { RunService } from '../../services/runs.ts';
import { experimentRoutes } from './experiments.ts';
import { fileRoutes } from './files.ts';
import { lineageRoutes } from './lineage.ts';
import { loggedModelRoutes } from './logged-models.ts';
import { loggingRoutes } from './logging.ts';
import { metricRoutes } from './metrics.ts';
import { mlflowProtocol } from './protocol.ts';
import { runRoutes } from './runs.ts';
import { serverRoutes } from './server.ts';

/** Tracking, as MLflow's clients speak to it. */
export function trackingProtocol(deps: TrackingDeps, artifacts: ArtifactService): ProtocolGroup {
  const runs = new RunService(deps);
  const models = new LoggedModelService(deps);
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
        ...fileRoutes({ artifacts, runs, models }),
      ].map(checkingObjects),
    ],
  };
}

/** The services ask for the level on each experiment that a request touches. */
function checkingObjects(route: ForeignRoute): ForeignRoute {
  return { ...route, checksObjects: true };
}
