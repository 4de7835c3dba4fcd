import { type RouteGroup, routeGroup } from '#platform/http';
import { trackingContract } from './contract.ts';
import type { MetricPoint, Run } from './model.ts';
import type { TrackingService } from './service.ts';

export function trackingHandlers(service: TrackingService): RouteGroup {
  return routeGroup(trackingContract, {
    ensureExperiment: ({ body }, ctx) => service.ensureExperiment(ctx, body.name),
    listExperiments: async ({ query }) => copied(await service.listExperiments(query)),
    deleteExperiment: ({ params }, ctx) => service.deleteExperiment(ctx, params.experiment),
    restoreExperiment: ({ params }, ctx) => service.restoreExperiment(ctx, params.experiment),
    createTrackingRun: async ({ body }, ctx) => sentRun(await service.createRun(ctx, body)),
    searchTrackingRuns: async ({ query }) => {
      const page = await service.searchRuns(query);
      return { items: page.items.map(sentRun), next: page.next };
    },
    getTrackingRun: async ({ params }) => sentRun(await service.getRun(params.run)),
    logToTrackingRun: ({ params, body }, ctx) => service.log(ctx, params.run, body),
    finishTrackingRun: async ({ params, body }, ctx) => sentRun(await service.finishRun(ctx, params.run, body)),
    deleteTrackingRun: async ({ params }, ctx) => sentRun(await service.deleteRun(ctx, params.run)),
    restoreTrackingRun: async ({ params }, ctx) => sentRun(await service.restoreRun(ctx, params.run)),
    metricHistory: async ({ params, query }) => {
      const page = await service.metricHistory(params.run, query.key, query);
      return { items: page.items.map(sentPoint), next: page.next };
    },
    putArtifact: ({ params, query, upload }, ctx) => service.putArtifact(ctx, { ...params, ...query }, upload.bytes),
    listArtifacts: async ({ params, query }) => ({ items: await service.listArtifacts(params.run, query.folder) }),
    getArtifact: ({ params, query }) => service.getArtifact(params.run, query.path),
  });
}

function copied<T>(page: { readonly items: readonly T[]; readonly next?: string | undefined }) {
  return { items: [...page.items], next: page.next };
}

function sentRun(run: Run) {
  const metrics = Object.entries(run.metrics).map(([key, point]) => [key, sentPoint(point)] as const);
  return { ...run, metrics: Object.fromEntries(metrics) };
}

/** JSON has no NaN and no infinities: they are sent as their names. */
function sentPoint({ value, step, timestamp }: MetricPoint) {
  const sent = Number.isFinite(value) ? value : (String(value) as 'NaN' | 'Infinity' | '-Infinity');
  return { value: sent, step, timestamp };
}
