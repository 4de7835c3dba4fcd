import { type RouteGroup, routeGroup } from '#platform/http';
import { monitoringContract } from './contract.ts';
import type { MonitoringService } from './service/service.ts';

export function monitoringHandlers(service: MonitoringService): RouteGroup {
  const { recording, readings } = service;
  return routeGroup(monitoringContract, {
    recordPredictions: ({ body }) => recording.recordPredictions(body.records),
    recordLabels: ({ body }) => recording.recordLabels(body.labels),
    advanceWatermark: ({ params, body }) => service.advance(params.endpoint, body.to),
    auditSkew: ({ params, body }) => service.auditSkew(params.endpoint, body),
    listFigures: async ({ params, query }) => ({ items: await readings.figures({ ...params, ...query }) }),
    getDrift: ({ params, query }) => readings.drift(params.endpoint, query),
    getHistograms: ({ params, query }) => readings.histograms(params.endpoint, { feature: params.feature, ...query }),
    listSignals: async ({ query }) => ({ items: await readings.signals(query) }),
    getPrediction: ({ params }) => readings.prediction(params.prediction),
    listLabelCoverage: async ({ params, query }) => ({ items: await readings.labelCoverage(params.endpoint, query) }),
    listBlocks: ({ params, query }) => readings.blocks(params.endpoint, query.rollout),
    compareScores: ({ params, query }) => readings.compareScores(params.endpoint, query),
    getPolicyValue: ({ params }) => readings.policyValue(params.rollout),
    getSummary: ({ params }) => readings.summary(params.endpoint),
  });
}
