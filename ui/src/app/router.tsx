import {
  createRootRoute,
  createRoute,
  createRouter,
  type ErrorComponentProps,
  lazyRouteComponent,
} from '@tanstack/react-router';
import { Go } from '../kit/link.tsx';
import { Page } from '../kit/page.tsx';
import { Failure, Loading } from '../kit/states.tsx';
import { places } from '../places.ts';
import { Shell } from './shell.tsx';

const rootRoute = createRootRoute({ component: Shell, notFoundComponent: Nowhere, errorComponent: Broken });

/** Each page is a chunk of its own, named by its component. */
const pages = [
  page('/', () => import('../home/home-page.tsx'), 'HomePage'),
  page('/datasets', () => import('../datasets/datasets-page.tsx'), 'DatasetsPage'),
  page('/datasets/$dataset', () => import('../datasets/dataset-page.tsx'), 'DatasetPage'),
  page('/datasets/$dataset/batches/$batch', () => import('../datasets/batch-page.tsx'), 'BatchPage'),
  page('/features', () => import('../features/features-page.tsx'), 'FeaturesPage'),
  page('/features/$view', () => import('../features/view-page.tsx'), 'FeatureViewPage'),
  page('/pipelines', () => import('../pipelines/pipelines-page.tsx'), 'PipelinesPage'),
  page('/pipelines/$pipeline', () => import('../pipelines/pipeline-page.tsx'), 'PipelinePage'),
  page('/runs', () => import('../pipelines/runs-page.tsx'), 'RunsPage'),
  page('/runs/compare', () => import('../pipelines/compare/compare-page.tsx'), 'ComparePipelineRunsPage'),
  page('/runs/$run', () => import('../pipelines/run-page.tsx'), 'RunPage'),
  page('/schedules', () => import('../pipelines/schedules/schedules-page.tsx'), 'SchedulesPage'),
  page('/experiments', () => import('../tracking/experiments-page.tsx'), 'ExperimentsPage'),
  page('/experiments/$experiment', () => import('../tracking/experiment-page.tsx'), 'ExperimentPage'),
  page('/experiments/$experiment/runs/$run', () => import('../tracking/run-page.tsx'), 'TrackedRunPage'),
  page('/experiments/$experiment/traces/$trace', () => import('../tracking/traces/trace-page.tsx'), 'TracePage'),
  page('/compare-runs', () => import('../tracking/compare-page.tsx'), 'CompareRunsPage'),
  page('/models', () => import('../models/models-page.tsx'), 'ModelsPage'),
  page('/models/$model', () => import('../models/model-page.tsx'), 'ModelPage'),
  page('/models/$model/versions/$version', () => import('../models/version-page.tsx'), 'VersionPage'),
  page('/endpoints', () => import('../endpoints/endpoints-page.tsx'), 'EndpointsPage'),
  page('/endpoints/$endpoint', () => import('../endpoints/endpoint-page.tsx'), 'EndpointPage'),
  page('/monitoring', () => import('../monitoring/monitors-page.tsx'), 'MonitorsPage'),
  page('/monitoring/$endpoint', () => import('../monitoring/monitoring-page.tsx'), 'MonitoringPage'),
  page('/automation', () => import('../automation/automation-page.tsx'), 'AutomationPage'),
  page('/automation/incidents/$incident', () => import('../automation/incident-page.tsx'), 'IncidentPage'),
  page('/governance', () => import('../governance/governance-page.tsx'), 'GovernancePage'),
  page('/governance/decisions/$decision', () => import('../governance/decision-page.tsx'), 'GateDecisionPage'),
  page('/audit', () => import('../audit/audit-page.tsx'), 'AuditPage'),
];

function page<Module extends Record<string, unknown>>(
  path: string,
  load: () => Promise<Module>,
  name: keyof Module & string,
) {
  return createRoute({ getParentRoute: () => rootRoute, path, component: lazyRouteComponent(load, name) });
}

/** Search strings are texts as people type them, not JSON: `?tab=drift&feature=hour`. */
export const router = createRouter({
  routeTree: rootRoute.addChildren(pages),
  defaultPendingComponent: () => <Loading />,
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const text = new URLSearchParams(search as Record<string, string>).toString();
    return text ? `?${text}` : '';
  },
  scrollRestoration: true,
});

function Nowhere() {
  return (
    <Page title="Nothing here">
      <p>
        This address shows nothing. <Go to={places.home()}>Go home</Go> or press Ctrl K to look for what you meant.
      </p>
    </Page>
  );
}

function Broken({ error, reset }: ErrorComponentProps) {
  return (
    <Page title="This page failed">
      <Failure error={error instanceof Error ? error : new Error(String(error))} retry={reset} />
    </Page>
  );
}
