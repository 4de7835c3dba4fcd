import { buffer } from 'node:stream/consumers';
import { messageOf } from '#core/errors';
import { invalidInput, type RouteGroup, routeGroup } from '#platform/http';
import { unpackPredictions } from '#serving/packed-predictions';
import { monitoringContract, type PredictionRecord } from './contract.ts';
import { monitoringErrors } from './errors.ts';
import { RECORDS_MAX, recordedPredictions } from './records.ts';
import type { MonitoringService } from './service/service.ts';

export function monitoringHandlers(service: MonitoringService): RouteGroup {
  const { recording, readings } = service;
  return routeGroup(monitoringContract, {
    recordPredictions: ({ body }) => recording.recordPredictions(body.records),
    recordPackedPredictions: async ({ upload }) => recording.recordPredictions(unpacked(await buffer(upload.bytes))),
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

/** The predictions of a gateway, held to the same schema as those that come as JSON. */
function unpacked(body: Uint8Array): readonly PredictionRecord[] {
  let records: readonly unknown[];
  try {
    records = unpackPredictions(body, RECORDS_MAX);
  } catch (error) {
    throw monitoringErrors['packed-predictions'](messageOf(error));
  }
  const parsed = recordedPredictions.safeParse({ records });
  if (!parsed.success) throw invalidInput('body', parsed.error);
  return parsed.data.records;
}
