import type { ForeignRoute } from '#platform/http';
import type { MetricService, RunPoint } from '../../services/metrics.ts';
import { key, maxResults, pageTokenField, runId } from './fields.ts';
import { mlflowRoute } from './route.ts';
import { sentMetric } from './views.ts';
import { wire } from './wire.ts';

const PAGE_MAX = 25_000;
const BULK_RUNS_MAX = 100;
const SAMPLE_MAX = 2_500;

export function metricRoutes(service: MetricService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'metrics.get-history',
      major: 2,
      method: 'GET',
      path: 'metrics/get-history',
      permission: 'tracking:read',
      reads: true,
      input: {
        run_id: runId(),
        metric_key: key(),
        max_results: maxResults(PAGE_MAX, 50_000),
        page_token: pageTokenField(),
      },
      async handler(input, ctx) {
        const of = { run: input.run_id, key: input.metric_key };
        const page = { limit: input.max_results, token: input.page_token || undefined };
        const { items, next } = await service.history(ctx, of, page);
        return { metrics: items.map((point) => sentMetric(of.key, point)), next_page_token: next };
      },
    }),
    mlflowRoute({
      name: 'metrics.get-history-bulk',
      major: 2,
      method: 'GET',
      path: 'metrics/get-history-bulk',
      permission: 'tracking:read',
      reads: true,
      input: {
        run_id: wire.list(runId(), BULK_RUNS_MAX),
        metric_key: key(),
        max_results: maxResults(PAGE_MAX, PAGE_MAX),
      },
      async handler(input, ctx) {
        const points = await service.bulk(ctx, { runs: input.run_id, key: input.metric_key }, input.max_results);
        return { metrics: points.slice(0, input.max_results).map(sentOf(input.metric_key)) };
      },
    }),
    mlflowRoute({
      name: 'metrics.get-history-bulk-interval',
      major: 2,
      method: 'GET',
      path: 'metrics/get-history-bulk-interval',
      permission: 'tracking:read',
      reads: true,
      input: {
        run_ids: wire.list(runId(), BULK_RUNS_MAX),
        metric_key: key(),
        start_step: wire.int64().optional(),
        end_step: wire.int64().optional(),
        max_results: maxResults(320, SAMPLE_MAX),
      },
      async handler(input, ctx) {
        const of = { runs: input.run_ids, key: input.metric_key };
        const range = { start: input.start_step, end: input.end_step, limit: input.max_results };
        return { metrics: (await service.sampled(ctx, of, range)).map(sentOf(of.key)) };
      },
    }),
  ];
}

function sentOf(name: string): (point: RunPoint) => object {
  return (point) => ({ ...sentMetric(name, point), run_id: point.run });
}
