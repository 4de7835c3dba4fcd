import type { Handlers } from '#platform/contract';
import { type RequestContext, type RouteGroup, routeGroup } from '#platform/http';
import { trackingContract } from './contract.ts';
import { importHandlers } from './imports/handlers.ts';
import type { ImportService } from './imports/service.ts';
import type { TraceImportService } from './imports/traces.ts';
import type { MetricPoint, Run } from './model.ts';
import type { TrackingService } from './service.ts';
import type { ExploreService } from './services/explore.ts';
import type { TraceExploreService } from './traces/explore.ts';
import { viewOfSpanDetail, viewOfSpans, viewOfTrace } from './traces/views.ts';

interface Beside {
  readonly explore: ExploreService;
  readonly imports: ImportService;
  readonly traceImports: TraceImportService;
  readonly traces: TraceExploreService;
}

export function trackingHandlers(
  service: TrackingService,
  { explore, imports, traceImports, traces }: Beside,
): RouteGroup {
  return routeGroup(trackingContract, {
    ...importHandlers(imports, { artifacts: service.artifacts, traces: traceImports }),
    ensureExperiment: ({ body }, ctx) => service.ensureExperiment(ctx, body.name),
    listExperiments: async ({ query }, ctx) => copied(await service.listExperiments(query, ctx)),
    deleteExperiment: ({ params }, ctx) => service.deleteExperiment(ctx, params.experiment),
    restoreExperiment: ({ params }, ctx) => service.restoreExperiment(ctx, params.experiment),
    createTrackingRun: async ({ body }, ctx) => sentRun(await service.createRun(ctx, body)),
    searchTrackingRuns: async ({ query }, ctx) => {
      const page = await service.searchRuns(query, ctx);
      return { items: page.items.map(sentRun), next: page.next };
    },
    getTrackingRun: async ({ params }, ctx) => sentRun(await service.getRun(params.run, ctx)),
    logToTrackingRun: ({ params, body }, ctx) => service.log(ctx, params.run, body),
    finishTrackingRun: async ({ params, body }, ctx) => sentRun(await service.finishRun(ctx, params.run, body)),
    deleteTrackingRun: async ({ params }, ctx) => sentRun(await service.deleteRun(ctx, params.run)),
    restoreTrackingRun: async ({ params }, ctx) => sentRun(await service.restoreRun(ctx, params.run)),
    metricHistory: async ({ params, query }, ctx) => {
      const page = await service.metricHistory(params.run, query.key, { ...query, asker: ctx });
      return { items: page.items.map(sentPoint), next: page.next };
    },
    putArtifact: async ({ params, query, upload }, ctx) => {
      await service.requireLevel(ctx, params.run, 'EDIT');
      return service.putArtifact(ctx, { ...params, ...query }, upload.bytes);
    },
    listArtifacts: async ({ params, query }, ctx) => {
      await service.requireLevel(ctx, params.run, 'READ');
      return { items: await service.listArtifacts(params.run, query.folder) };
    },
    getArtifact: async ({ params, query }, ctx) => {
      await service.requireLevel(ctx, params.run, 'READ');
      return service.getArtifact(params.run, query.path);
    },
    getExperiment: async ({ params }, ctx) => {
      const found = await explore.experiment(ctx, params.experiment);
      return { ...found, tags: Object.fromEntries(found.tags) };
    },
    findRuns: async ({ params, query }, ctx) => {
      const page = await explore.runs(ctx, params.experiment, query);
      return { items: page.items.map(sentRun), next: page.next };
    },
    countRuns: async ({ params, query }, ctx) => ({ runs: await explore.count(ctx, params.experiment, query) }),
    listRunKeys: ({ params }, ctx) => explore.keys(ctx, params.experiment),
    metricSeries: async ({ params, query }, ctx) => {
      const { items, next } = await explore.series(ctx, { run: params.run, key: query.key }, query);
      return {
        steps: items.map(({ step }) => step),
        timestamps: items.map(({ timestamp }) => timestamp),
        values: items.map(({ value }) => sentNumber(value)),
        next,
      };
    },
    getRunLineage: async ({ params }, ctx) => {
      const { datasets, inputModels, outputModels } = await explore.lineage(ctx, params.run);
      return {
        datasets: datasets.map(({ dataset, tags }) => ({ dataset, tags: [...tags] })),
        inputModels: [...inputModels],
        outputModels: [...outputModels],
      };
    },
    ...traceHandlers(traces),
  });
}

function traceHandlers(traces: TraceExploreService) {
  type Answers = Pick<Handlers<typeof trackingContract, RequestContext>, TraceRoute>;
  return {
    findTraces: async ({ params, query }, ctx) => {
      const page = await traces.find(ctx, params.experiment, query);
      return { items: page.items.map(viewOfTrace), next: page.next };
    },
    countTraces: async ({ params, query }, ctx) => ({
      traces: await traces.count(ctx, params.experiment, query.filter),
    }),
    getTrace: async ({ params }, ctx) => viewOfSpans(await traces.get(ctx, params.trace)),
    getSpan: async ({ params }, ctx) => {
      const { trace, span } = await traces.span(ctx, params.trace, params.span);
      return viewOfSpanDetail(trace, span);
    },
  } satisfies Answers;
}

type TraceRoute = 'findTraces' | 'countTraces' | 'getTrace' | 'getSpan';

function copied<T>(page: { readonly items: readonly T[]; readonly next?: string | undefined }) {
  return { items: [...page.items], next: page.next };
}

function sentRun(run: Run) {
  const metrics = Object.entries(run.metrics).map(([key, point]) => [key, sentPoint(point)] as const);
  return { ...run, metrics: Object.fromEntries(metrics) };
}

function sentPoint({ value, step, timestamp }: MetricPoint) {
  return { value: sentNumber(value), step, timestamp };
}

/** JSON has no NaN and no infinities: they are sent as their names. */
function sentNumber(value: number) {
  return Number.isFinite(value) ? value : (String(value) as 'NaN' | 'Infinity' | '-Infinity');
}
